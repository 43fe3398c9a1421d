"""The context of resolvers, `info.context`: the caller, and the source of its sessions."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gateway.caller import NETWORK, Caller
from gateway.errors import GatewayError, RequestError
from gateway.executor.turns import STEPS_PER_TURN, accept, work_for
from gateway.headers import Header
from gateway.live.watcher import Watcher, Watchers
from gateway.schema.selecting.select import Selecting
from gateway.sessions.freshness import Served
from gateway.sessions.snapshot import Snapshot
from gateway.sessions.source import Source

Progress = Literal["running", "waiting", "accepted"]
"""A request is `waiting` while SuperOffice is called, then `accepted`, or `running` if it fails."""


@dataclass(frozen=True)
class Access:
    """A caller, and the source of its sessions."""

    source: Source
    caller: Caller
    key: str
    """The cache key of the caller's snapshot."""

    @cached_property
    def owner(self) -> str:
        """A digest of the user's login, in any language: it names the user's share."""
        return self.source.owner_of(self.caller)


def ignore(*_: object) -> None:
    """Do nothing; the default of callbacks."""


@dataclass(slots=True, repr=False, kw_only=True)
class Context:
    """The context of one HTTP request, or of one operation on a WebSocket."""

    access: Access | RequestError
    """An error is raised only when sessions are needed: introspection needs no credentials."""

    watchers_of: Callable[[Source], Watchers]
    trace: Sequence[Header] = ()
    max_age_s: float | None = None
    """The maximum age of the snapshot; None = any that is fresh."""

    network: str = ""
    """The client's network: see `gateway.caller.NETWORK`."""

    set_progress: Callable[[Progress], object] = ignore

    is_watching: bool = False
    """Whether a subscription has started."""

    state: int = 0
    """The number of the state from which a subscription's latest result was made."""

    result_steps: int = STEPS_PER_TURN
    """The cost of a subscription's next result: that of its latest one, or unknown."""

    failure: GatewayError | None = None
    """The error of the call to SuperOffice, which a request makes only once."""

    served: Served | None = None
    """The snapshot, and where it came from; None until a resolver needs it."""

    selecting: Selecting | None = None
    """Selects from the snapshot; None until a resolver needs it."""

    def work_for_caller(self) -> None:
        """Count this task's long work as the caller's."""
        work_for(self.access.owner if isinstance(self.access, Access) else "")
        NETWORK.set(self.network)

    def accept(self) -> None:
        """Treat the caller as known: SuperOffice has accepted its credentials."""
        accept(self._access_or_raise().owner)

    async def snapshot(self) -> Snapshot:
        """Return the snapshot of the caller's sessions, the same one for the whole request.

        Raises:
            BadRequestError: no tenant is named, or two are.
            UnauthenticatedError: the request has no credentials; SuperOffice is not called.
            UpstreamError: SuperOffice did not return the sessions.
        """
        if self.served is not None:
            return self.served.snapshot
        access = self._access_or_raise()
        if self.failure is not None:
            raise self.failure
        self.set_progress("waiting")
        try:
            served = await access.source.serve(
                access.caller, self.trace, key=access.key, max_age_s=self.max_age_s
            )
        except GatewayError as exc:
            self.failure = exc
            self.set_progress("running")
            raise
        self.set_progress("accepted")
        # Root fields run concurrently: all of them use the first answer.
        if self.served is None:
            self.accept()
            self.served = served
            access.source.lookups.count(served.result, served.snapshot.json_bytes)
        return self.served.snapshot

    def watching(self) -> AbstractAsyncContextManager[Watcher]:
        """Return the context manager of the caller's watcher.

        Raises:
            BadRequestError, UnauthenticatedError: as `snapshot` does.
        """
        access = self._access_or_raise()
        self.is_watching = True
        return self.watchers_of(access.source).watching(access.caller, access.key)

    def _access_or_raise(self) -> Access:
        if isinstance(self.access, RequestError):
            # Other operations of the connection raise it too: its traceback must not grow.
            raise self.access.with_traceback(None)
        return self.access
