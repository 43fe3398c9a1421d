"""Load shedding: past `max_requests`, answer 503 so that admitted requests keep their latency.

Cached answers and WebSockets are not counted, and a stream only until its first part. The limits on
connections and on unsent bytes close connections instead.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from gateway.caller import STRANGERS
from gateway.errors import UpstreamUnavailableError
from gateway.executor.turns import share_of
from gateway.observe.operations import ANONYMOUS
from gateway.schema.context import Access, Progress
from gateway.web.access_record import AccessRecord
from gateway.web.inbound import Inbound
from gateway.web.respond.errors import error_response
from gateway.web.response_cache import CachedAnswer

logger = logging.getLogger(__name__)

_CALM_S = 60


@dataclass(slots=True)
class _Limit:
    """An upper limit; refusals are counted, and logged once per burst."""

    most: int
    clock: Callable[[], float] = time.monotonic
    shed: int = 0
    _exceeded_s: float = float("-inf")

    def _log(self, message: str) -> None:
        """Log with the limit, unless it was exceeded within the last minute."""
        now_s = self.clock()
        if now_s - self._exceeded_s > _CALM_S:
            logger.warning(message, self.most)
        self._exceeded_s = now_s


def _overloaded() -> UpstreamUnavailableError:
    return UpstreamUnavailableError("The gateway is overloaded; retry later.", retry_after_s=1)


def _refusal() -> CachedAnswer:
    response = error_response(_overloaded())
    body = bytes(response.body)
    record = AccessRecord(ANONYMOUS, _overloaded().code, sent_bytes=len(body))
    return CachedAnswer(response.status_code, tuple(response.raw_headers), body, record)


@dataclass(slots=True, eq=False)
class Admitted:
    """A request in progress."""

    shares: tuple[str, ...]
    """See `Admission.shares_of`."""

    cancel: Callable[[Exception], object]
    """Ends it with an error."""

    has_login: bool
    """Whether it has credentials, accepted or not."""

    _of: "Admission"

    def set_progress(self, progress: Progress) -> None:
        """Note its progress, if it is a request of an unauthenticated client."""
        running, waiting, network = self._of.running, self._of.waiting, self.shares[-1]
        running.pop(self, None)
        if self in waiting.get(network, {}):
            del waiting[network][self]
            if not waiting[network]:
                del waiting[network]
        if STRANGERS in self.shares and progress == "running":
            running[self] = None
        elif STRANGERS in self.shares and progress == "waiting":
            waiting.setdefault(network, {})[self] = None

    def leave(self) -> None:
        """Stop counting the request, unless that was done already."""
        if self in self._of.admitted:
            self.set_progress("accepted")
            self._of.admitted.remove(self)
            for share in self.shares:
                self._of.of_shares[share] -= 1
                if not self._of.of_shares[share]:
                    del self._of.of_shares[share]


@dataclass(slots=True)
class Admission(_Limit):
    """Counts the requests in progress, and refuses those past the limit.

    A caller may have as many places as are free: alone half of them, one of two callers a third. So
    may the authenticated callers of one of several tenants: a slow one would keep others out.

    All unauthenticated clients are one caller. For a request past their share, the oldest of theirs
    that does not wait for SuperOffice is ended, first those without a login: otherwise a few slow
    ones would keep new callers out. It ends none with a login of a network with fewer requests. If
    all others wait, the network with the most loses its oldest, unless the new one is from there.
    """

    has_tenants: bool = False
    """Whether there are several tenants."""

    admitted: set[Admitted] = field(default_factory=set)
    of_shares: Counter[str] = field(default_factory=Counter)
    running: dict[Admitted, None] = field(default_factory=dict)
    """Requests of unauthenticated clients that do not wait for SuperOffice, the oldest first."""

    waiting: dict[str, dict[Admitted, None]] = field(default_factory=dict)
    """Those that wait for SuperOffice, by network."""

    refusal: CachedAnswer = field(default_factory=_refusal)
    """The 503 that our own server sends itself."""

    @property
    def in_progress(self) -> int:
        """The number of requests in progress."""
        return len(self.admitted)

    def shares_of(self, inbound: Inbound) -> tuple[str, ...]:
        """Return the names of a request's shares: its caller's, and its tenant's if it has one.

        Anybody can name a tenant: unauthenticated clients take no places from its callers. The
        second share of these is their network's.
        """
        access, share = inbound.head.access, share_of(inbound.owner)
        if share == STRANGERS:
            return share, f"from {inbound.network}"
        if self.has_tenants and isinstance(access, Access):
            return share, str(access.source.tenant)
        return (share,)

    def refuses_next(self, shares: tuple[str, ...]) -> bool:
        """Return whether the next request with these shares is refused; logged once per burst."""
        if self.in_progress >= self.most:
            self._log("%d requests are in progress: more get 503")
        elif self._is_used_up(shares) and self._replaced_by(shares) is None:
            self._log("a caller or a tenant has its share of %d places: its next requests get 503")
        else:
            return False
        return True

    def _is_used_up(self, shares: tuple[str, ...]) -> bool:
        free = self.most - len(self.admitted)
        return any(self.of_shares[share] >= free for share in shares)

    def _replaced_by(self, shares: tuple[str, ...]) -> Admitted | None:
        """Return the request that is ended for one with these shares, if there is any."""
        if STRANGERS not in shares:
            return None
        mine = self.of_shares[shares[-1]]
        longest = max(self.waiting.values(), key=len, default={})
        is_fair = len(longest) > len(self.waiting.get(shares[-1], {})) + 1
        found = chain(
            (one for one in self.running if not one.has_login),
            (one for one in self.running if self.of_shares[one.shares[-1]] >= mine),
            longest if is_fair else (),
        )
        return next(found, None)

    def check(self, shares: tuple[str, ...]) -> None:
        """Refuse the next request with these shares, if it is past the limit.

        Raises:
            UpstreamUnavailableError: it is.
        """
        if self.refuses_next(shares):
            self.shed += 1
            raise _overloaded()

    @contextmanager
    def admit(
        self,
        shares: tuple[str, ...],
        cancel: Callable[[Exception], object],
        *,
        has_login: bool = False,
    ) -> Iterator[Admitted]:
        """Count a request while it is in progress; `cancel` ends it with an error.

        Raises:
            UpstreamUnavailableError: it is past the limit.
        """
        self.check(shares)
        if self._is_used_up(shares) and (replaced := self._replaced_by(shares)):
            self._log(
                "unauthenticated clients have their share of %d places: the oldest requests get 503"
            )
            replaced.leave()
            self.shed += 1
            replaced.cancel(_overloaded())
        request = Admitted(shares, cancel, has_login, self)
        self.admitted.add(request)
        self.of_shares.update(shares)
        request.set_progress("running")
        try:
            yield request
        finally:
            request.leave()


@dataclass(slots=True)
class ConnectionLimit(_Limit):
    """The limit on open connections."""

    open: Collection[object] = ()

    def is_exceeded(self, connections: Collection[object]) -> bool:
        """Return whether the newest of the open connections exceeds the limit."""
        self.open = connections
        if len(connections) <= self.most:
            return False
        self.shed += 1
        self._log("%d connections are open: new ones replace those without a whole request")
        return True


class Connection(Protocol):
    """A connection of our own server."""

    transport: asyncio.Transport

    @property
    def unsent_bytes(self) -> int:
        """The size of everything that its client has not read."""


@dataclass(slots=True)
class UnsentLimit(_Limit):
    """The limit on the bytes of answers that their clients have not read yet."""

    most: int = 128 * 2**20
    _callers: dict[Connection, str] = field(default_factory=dict)
    """The callers whose connections have unsent bytes, by connection."""

    def add(self, connection: Connection, caller: str) -> None:
        """Add a connection with unsent bytes; past the limit, reset some connections.

        The caller with the most unsent bytes loses the connection with the most of them.
        """
        self._callers[connection] = caller
        sizes = {slow: slow.unsent_bytes for slow in self._callers}
        while sum(sizes.values()) > self.most:
            of_callers = Counter[str]()
            for slow, size in sizes.items():
                of_callers[self._callers[slow]] += size
            largest = max(sizes, key=lambda slow: (of_callers[self._callers[slow]], sizes[slow]))
            del sizes[largest], self._callers[largest]
            largest.transport.abort()
            self.shed += 1
            self._log("%d bytes of answers wait for slow clients: some are disconnected")

    def discard(self, connection: Connection) -> None:
        """Forget a connection: its client has read its answers, or it is closed."""
        self._callers.pop(connection, None)
