"""What resolvers get as `info.context`: who asks, and where that caller's sessions come from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.caller import Caller, CallerPolicy, Header, headers_from_payload
from gateway.schema.matching import SEARCHED
from gateway.schema.nodes import LINKS
from gateway.source import Served, Snapshot, Source

__all__ = ["Context"]


@dataclass(slots=True, repr=False, kw_only=True)
class Context:
    """One HTTP request, or one WebSocket with all the operations on it."""

    source: Source
    policy: CallerPolicy
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

    is_socket: bool = False
    caller: Caller | None = None
    """Who asks, once the sessions were asked for."""

    served: Served | None = None
    """How the snapshot was come by, once it was asked for."""

    async def snapshot(self) -> Snapshot:
        """Return the sessions of this request's caller: the same ones for all of a request.

        Raises:
            UnauthenticatedError: the request brings no credentials; REST is not called.
            UpstreamError: REST did not give the sessions.
        """
        if self.served is not None and not self.is_socket:
            return self.served.snapshot
        headers = self.headers
        if self.connection_params:
            headers = headers_from_payload(self.connection_params, instead_of=headers)
        caller = self.policy.read(headers)
        self.caller = caller
        served = await self.source.serve(caller, self.trace, max_age_s=self.max_age_s)
        # Of several fields that asked at once, all go by the first answer.
        if self.served is None or self.is_socket:
            self.served = served
            self.source.lookups.count(served.result, served.snapshot.json_bytes)
        return self.served.snapshot
