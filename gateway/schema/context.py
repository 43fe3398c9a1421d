"""What resolvers get as `info.context`: who asks, and where that caller's sessions come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.caller import CallerPolicy, Header, headers_from_payload
from gateway.source import Snapshot, Source

__all__ = ["Context"]


@dataclass(slots=True, repr=False)
class Context:
    """One HTTP request, or one WebSocket with all the operations on it."""

    source: Source
    policy: CallerPolicy
    headers: Sequence[Header]
    trace: Sequence[Header] = ()
    connection_params: Mapping[str, Any] | None = None
    """The payload of `connection_init`: browsers cannot set headers on a WebSocket."""

    async def snapshot(self) -> Snapshot:
        """Return the sessions of this request's caller.

        Raises:
            UnauthenticatedError: the request brings no credentials; REST is not called.
            UpstreamError: REST did not give the sessions.
        """
        headers = self.headers
        if self.connection_params:
            headers = headers_from_payload(self.connection_params, instead_of=headers)
        return await self.source.snapshot(self.policy.read(headers), self.trace)
