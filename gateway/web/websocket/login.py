"""The login on one WebSocket, and the time for which the socket may stay open."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

from starlette.types import Scope

from gateway.caller import headers_from_payload
from gateway.errors import RequestError, TooManyOpenError, UpstreamRejectionError
from gateway.schema.context import Access
from gateway.schema.error_codes import masked
from gateway.web.graphql import GraphQL
from gateway.web.inbound import Door, RequestHead, inbound_of

_STRANGER_S = 10.0
_IDLE_S = 300.0

# Clients reconnect after these; https://www.iana.org/assignments/websocket. After 4403 they read
# their credentials again.
_GOING_AWAY = 1001
_TRY_AGAIN_LATER = 1013
_FORBIDDEN = 4403


class CloseError(Exception):
    """Closes the connection, with a close code and a reason."""


class Login:
    """The credentials of one WebSocket; its place in the limits is released with `held`.

    A socket whose credentials have not been accepted ten seconds after the handshake is closed.

    Raises:
        GatewayFullError: too many sockets are open.
    """

    def __init__(self, scope: Scope, graphql: GraphQL, door: Door, held: ExitStack) -> None:
        self._scope, self._graphql, self._door, self._held = scope, graphql, door, held
        self._inbound = inbound_of(scope)
        place = graphql.sockets.count(self._evict, self._inbound.network)
        self._place = held.enter_context(place)
        self.is_sent = self.is_accepted = False
        self._is_idle = True
        self._on_timeout = 4408, "Connection initialisation timeout"
        """The close code and the reason if the deadline passes now."""

        self._deadline: asyncio.Timeout | None = None
        """None before and after `limited_time`."""

    @asynccontextmanager
    async def limited_time(self) -> AsyncIterator[None]:
        """Cancel the block when the deadline has passed.

        Raises:
            CloseError: it has passed.
        """
        try:
            async with asyncio.timeout(_STRANGER_S) as self._deadline:
                yield
        except TimeoutError:
            raise CloseError(*self._on_timeout) from None
        finally:
            self._deadline = None

    async def take(self, payload: object) -> None:
        """Take the credentials of `connection_init`; have SuperOffice check them.

        SuperOffice is not called if it has accepted them within the TTL. When it fails, operations
        report that, or succeed.

        Raises:
            CloseError: it is not the first one, or the caller has too many sockets already.
        """
        if not isinstance(payload, dict | None):
            raise CloseError(4400, "Invalid connection init payload")
        if self.is_sent:
            raise CloseError(4429, "Too many initialisation requests")
        self.is_sent = True
        # Browsers send no-cache with every handshake, and it would hold as long as the socket.
        self._inbound.head = replace(self._head_with(payload or {}), max_age_s=None)
        (payload or {}).clear()  # it would be held while SuperOffice is called
        if isinstance(self._inbound.head.access, Access):
            try:
                self._held.enter_context(self._graphql.sockets.count_for(self._inbound.owner))
            except TooManyOpenError as exc:
                raise CloseError(_TRY_AGAIN_LATER, str(exc)) from exc
            self._place.has_login = True
        self._on_timeout = _TRY_AGAIN_LATER, "SuperOffice has not answered in time."
        context = self._graphql.context(self._inbound)
        context.work_for_caller()
        try:
            await context.snapshot()
            self.accept()
        except (RequestError, UpstreamRejectionError) as exc:
            exc.with_traceback(None)  # its frames would keep this object alive
            self._on_timeout = _FORBIDDEN, "SuperOffice has not accepted the credentials."
        except Exception as exc:  # noqa: BLE001  operations report it, or succeed
            masked(exc)

    def _head_with(self, payload: Mapping[str, object]) -> RequestHead:
        """Return the head of the handshake with the headers in a payload."""
        head = self._inbound.head
        if not payload:
            return head
        try:
            headers = headers_from_payload(payload, handshake=self._scope["headers"])
        except RequestError as exc:
            return replace(head, access=exc)
        return self._door.read(head.path, headers)

    def accept(self) -> None:
        """Treat the client as authenticated from now on."""
        self.is_accepted = True
        self._place.accept()
        self._inbound.on_accepted()
        self.set_idle(self._is_idle)

    def reject(self) -> None:
        """Close soon: a socket's credentials never change, so its client has to connect again."""
        self.is_accepted = False
        self._end_after(_STRANGER_S, _FORBIDDEN, "SuperOffice no longer accepts the credentials.")

    def set_idle(self, is_idle: bool) -> None:
        """Limit the time of an authenticated client without a running operation."""
        self._is_idle = is_idle
        if self.is_accepted:
            self._end_after(
                _IDLE_S if is_idle else None, _GOING_AWAY, "No operation for five minutes."
            )

    def _evict(self) -> None:
        """Close the connection: another socket needs its place."""
        self._end_after(0, _TRY_AGAIN_LATER, "Too many unauthenticated sockets are open.")

    def _end_after(self, delay_s: float | None, code: int, reason: str) -> None:
        self._on_timeout = code, reason
        if self._deadline is not None and not self._deadline.expired():
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(None if delay_s is None else now + delay_s)
