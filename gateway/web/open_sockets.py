"""How many WebSockets and event streams are open, in all and of each caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import GatewayFullError, TooManyOpenError


class OpenSockets:
    """Counts them, and refuses one too many."""

    def __init__(self, *, most: int, most_per_caller: int) -> None:
        self.count = 0
        self._most = most
        self._most_per_caller = most_per_caller
        self._of_callers: Counter[str] = Counter()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one while it is open.

        Raises:
            GatewayFullError: there are as many as there may be.
        """
        if self.count >= self._most:
            raise GatewayFullError("The gateway has as many sockets open as it can serve.")
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    @contextmanager
    def one_of(self, caller: str) -> Iterator[None]:
        """Count one for a caller, named by a digest.

        Raises:
            TooManyOpenError: the caller has as many as it may have.
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
