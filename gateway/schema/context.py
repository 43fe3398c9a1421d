"""What resolvers get as `info.context`: the caller, and where the caller's sessions come from."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from gateway.caller import Caller
from gateway.errors import GatewayError, RequestError
from gateway.executor.turns import accept, work_for
from gateway.headers import Header
from gateway.live.watcher import Watcher, Watchers
from gateway.schema.declare.nodes import LINKS
from gateway.schema.guard.work import Work
from gateway.schema.selecting.columns import Columns
from gateway.schema.selecting.matching import SEARCHED
from gateway.sessions.freshness import Served
from gateway.sessions.snapshot import Snapshot
from gateway.sessions.source import Source


@dataclass(frozen=True, slots=True)
class Access:
    """A caller's way to its sessions."""

    source: Source
    caller: Caller
    key: str
    """Of the caller's snapshot in the cache."""

    @property
    def owner(self) -> str:
        """A digest of the credentials alone: languages make no other caller."""
        return self.source.owner_of(self.caller, self.key)


@dataclass(slots=True, repr=False, kw_only=True)
class Context:
    """Of one HTTP request, or of one operation on a WebSocket."""

    access: Access | RequestError
    """The error is raised when sessions are needed: introspection works without credentials."""

    watchers_of: Callable[[Source], Watchers]
    searched: Collection[str] = SEARCHED
    """The fields of a session that `filter.search` may look into."""

    links: Collection[str] = LINKS
    """The fields of a session whose records `node` may find."""

    trace: Sequence[Header] = ()
    max_age_s: float | None = None
    """The oldest snapshot that is accepted; None = any that is fresh."""

    is_watching: bool = False
    """Whether a subscription has started."""

    state: int = 0
    """The number of the state from which a subscription's latest result was made."""

    failure: GatewayError | None = None
    """Why there are no sessions: a request calls SuperOffice once."""

    served: Served | None = None
    """The snapshot, and where it came from; None until a resolver needs it."""

    work: Work = field(default_factory=Work)
    """What has been done with the sessions."""

    columns: Columns | None = None
    """What has been read of the sessions."""

    def work_for_caller(self) -> None:
        """Have this task's long work counted as the caller's."""
        work_for(self.access.key if isinstance(self.access, Access) else "")

    async def snapshot(self) -> Snapshot:
        """Return the caller's sessions: the same ones for the whole request.

        Raises:
            BadRequestError: no tenant is named, or two.
            UnauthenticatedError: the request has no credentials; SuperOffice is not called.
            UpstreamError: SuperOffice did not return the sessions.
        """
        if self.served is not None:
            return self.served.snapshot
        access = self._access_or_raise()
        if self.failure is not None:
            raise self.failure
        try:
            served = await access.source.serve(
                access.caller, self.trace, key=access.key, max_age_s=self.max_age_s
            )
        except GatewayError as exc:
            self.failure = exc
            raise
        # Root fields run at the same time: the first answer is the one for all of them.
        if self.served is None:
            accept(access.key)
            self.served = served
            access.source.lookups.count(served.result, served.snapshot.json_bytes)
        return self.served.snapshot

    def watching(self) -> AbstractAsyncContextManager[Watcher]:
        """Return the watcher of the caller's sessions, for as long as it is entered.

        Raises:
            BadRequestError, UnauthenticatedError: as `snapshot` does.
        """
        access = self._access_or_raise()
        self.is_watching = True
        return self.watchers_of(access.source).watching(access.caller, access.key)

    def _access_or_raise(self) -> Access:
        if isinstance(self.access, RequestError):
            # Other requests of the connection raise it too: its frames must not add up.
            raise self.access.with_traceback(None)
        return self.access
