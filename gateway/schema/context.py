"""What resolvers get as `info.context`: who asks, and where that caller's sessions come from."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

from gateway.caller import Caller, CallerPolicy, headers_from_payload
from gateway.errors import RequestError
from gateway.headers import Header
from gateway.live.watcher import Watcher, Watchers
from gateway.schema.declare.nodes import LINKS
from gateway.schema.selecting.matching import SEARCHED
from gateway.sessions.snapshot import Served, Snapshot
from gateway.sessions.source import Source

__all__ = ["Context"]


@dataclass(slots=True, repr=False, kw_only=True)
class Context:
    """One HTTP request, or one operation on a WebSocket."""

    source_for: Callable[[Sequence[Header]], Source]
    """Finds where the sessions come from; among several tenants, the headers may tell."""

    policy: CallerPolicy
    watchers_of: Callable[[Source], Watchers]
    headers: Sequence[Header]
    searched: Collection[str] = SEARCHED
    """The fields of a session that `filter.search` may look into."""

    links: Collection[str] = LINKS
    """The fields of a session whose records `node` may find."""

    trace: Sequence[Header] = ()
    max_age_s: float | None = None
    """The oldest snapshot that will do; None = any that is fresh."""

    connection_params: Mapping[str, Any] | None = None
    """The payload of `connection_init`: browsers cannot set headers on a WebSocket."""

    is_watching: bool = False
    """Whether something has been subscribed to."""

    asked: tuple[Source, Caller] | None = None
    """Who asks, once the sessions were asked for."""

    served: Served | None = None
    """How the snapshot was come by, once it was asked for."""

    async def snapshot(self) -> Snapshot:
        """Return the sessions of this request's caller: the same ones for all of a request.

        Raises:
            BadRequestError: it is not clear which tenant's sessions are wanted.
            UnauthenticatedError: the request brings no credentials; REST is not called.
            UpstreamError: REST did not give the sessions.
        """
        if self.served is not None:
            return self.served.snapshot
        source, caller = self._asked()
        served = await source.serve(caller, self.trace, max_age_s=self.max_age_s)
        # Of several fields that asked at once, all go by the first answer.
        if self.served is None:
            self.served = served
            source.lookups.count(served.result, served.snapshot.json_bytes)
        return self.served.snapshot

    def renewed(self) -> "Context":
        """Return one for the same caller that nothing was asked of yet."""
        return replace(self, served=None, is_watching=False)

    def watching(self) -> AbstractAsyncContextManager[Watcher]:
        """Return what watches the sessions of this request's caller, as long as it is entered.

        Raises:
            BadRequestError, UnauthenticatedError: as `snapshot` does.
        """
        source, caller = self._asked()
        self.is_watching = True
        return self.watchers_of(source).watching(caller)

    def key(self) -> str | None:
        """Return what names the caller in the cache; None where nobody can be told."""
        try:
            source, caller = self._asked()
        except RequestError:
            return None
        return source.key_of(caller)

    def _asked(self) -> tuple[Source, Caller]:
        if self.asked is None:
            headers = self.headers
            if self.connection_params:
                headers = headers_from_payload(self.connection_params, instead_of=headers)
            self.asked = self.source_for(headers), self.policy.read(headers)
        return self.asked
