"""Limits on open WebSockets and streams: in all, and for each caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import GatewayFullError, TooManyOpenError


class OpenSockets:
    """Counts them, and refuses those past a limit."""

    def __init__(self, *, most: int, most_per_caller: int) -> None:
        self.open = 0
        self._most = most
        self._most_per_caller = most_per_caller
        self._of_callers: Counter[str] = Counter()

    @contextmanager
    def count(self) -> Iterator[None]:
        """Count one while it is open.

        Raises:
            GatewayFullError: `most` are open.
        """
        if self.open >= self._most:
            raise GatewayFullError("The gateway has as many sockets open as it can serve.")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    @contextmanager
    def count_for(self, caller: str) -> Iterator[None]:
        """Count one for a caller, named by a digest.

        Raises:
            TooManyOpenError: `most_per_caller` are open for the caller.
        """
        if self._of_callers[caller] >= self._most_per_caller:
            raise TooManyOpenError(
                f"{self._most_per_caller} sockets may be open for one user at the same time."
            )
        self._of_callers[caller] += 1
        try:
            yield
        finally:
            self._of_callers[caller] -= 1
            if not self._of_callers[caller]:
                del self._of_callers[caller]
