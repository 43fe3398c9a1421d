"""Limits on open WebSockets and streams: in total, for unauthenticated clients, and per caller.

A *stranger* is an unauthenticated client: SuperOffice has not accepted its credentials on that
socket yet. All strangers share a tenth of the places. When a place is needed, sockets without
credentials are closed first, down to an eighth of the strangers': between its handshake and its
credentials, a client's socket is one of them. The network with the most of these, or else of the
others, loses its oldest: legitimate clients get in beside any number of others.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.errors import GatewayFullError, TooManyOpenError
from gateway.schema.engine import Operation
from gateway.schema.guard.documents import Document

_STRANGERS_PART = 10
_NEW_PART = 8
_LONGEST_TEXTS = 100_000


@dataclass(slots=True, eq=False)
class Place:
    """The place of one open socket."""

    strangers: dict["Place", Callable[[], object]]
    network: str
    has_login: bool = False
    """Whether it has sent credentials, which SuperOffice has not accepted yet."""

    def accept(self) -> None:
        """Exempt it from eviction."""
        self.strangers.pop(self, None)


class OpenSockets:
    """Counts open sockets, and refuses those past a limit."""

    def __init__(self, most: int, most_per_caller: int) -> None:
        self.open = self.shed = 0
        self.strangers: dict[Place, Callable[[], object]] = {}
        """The callbacks that close unauthenticated sockets, the oldest first."""

        self.most = most
        self._most_strangers = max(1, most // _STRANGERS_PART)
        self._most_per_caller = most_per_caller
        self._of_callers: Counter[str] = Counter()
        self._running: dict[str, list[tuple[Document, int]]] = {}
        """The documents of each caller's running operations, and the counted size of variables."""

    @contextmanager
    def count(self, evict: Callable[[], object], network: str) -> Iterator[Place]:
        """Count a new socket of a client in a network; `evict` closes it if its place is needed.

        Raises:
            GatewayFullError: `most` are open, and none of them is a stranger's.
        """
        if self.open >= self.most and not self._evict():
            self.shed += 1
            raise GatewayFullError("Too many sockets are open.")
        if len(self.strangers) >= self._most_strangers:
            self._evict()
        place = Place(self.strangers, network)
        self.strangers[place] = evict
        self.open += 1
        try:
            yield place
        finally:
            place.accept()
            self.open -= 1

    def _evict(self) -> bool:
        new = [place for place in self.strangers if not place.has_login]
        others = [place for place in self.strangers if place.has_login]
        those = new if len(new) * _NEW_PART > len(self.strangers) else others
        places = Counter([place.network for place in those])
        place = max(those, key=lambda place: places[place.network], default=None)
        if place is None:
            return False
        self.strangers.pop(place)()
        return True

    @contextmanager
    def count_for(self, caller: str) -> Iterator[None]:
        """Count an open socket of a caller, named by a digest.

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

    @contextmanager
    def count_operation(self, caller: str, operation: Operation) -> Iterator[None]:
        """Count what a caller's operation on a socket or stream holds in memory while it runs.

        A syntax tree takes 180 bytes per character of the text. While a text is cached, all of its
        operations have the same document. Only whole kilobytes of variables are counted.

        Raises:
            TooManyOpenError: the caller's documents and variables are too long together.
        """
        running = self._running.setdefault(caller, [])
        one = operation.document, operation.variables_bytes // 1_000 * 1_000
        documents, sizes = zip(*running, one, strict=True)
        length = sum(len(document.text) for document in {*documents}) + sum(sizes)
        if running and length > _LONGEST_TEXTS:
            raise TooManyOpenError(
                "The different queries that run on one user's sockets and streams, and their "
                f"variables, may have {_LONGEST_TEXTS} characters together."
            )
        running.append(one)
        try:
            yield
        finally:
            running.remove(one)
            if not running:
                del self._running[caller]
