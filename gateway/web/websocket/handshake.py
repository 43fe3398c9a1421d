"""`/graphql` over a WebSocket: accept or refuse the handshake."""

import logging
from contextlib import ExitStack

from starlette.websockets import WebSocket

from gateway.errors import BadRequestError, GatewayError, OriginRefusedError
from gateway.web.edge import Edge
from gateway.web.graphql import GraphQL
from gateway.web.inbound import check_tenant, inbound_of
from gateway.web.read.cross_site import is_foreign
from gateway.web.read.request import refuse_credentials_in_url
from gateway.web.respond.errors import refuse
from gateway.web.websocket.connection import PROTOCOL, Connection

logger = logging.getLogger(__name__)


async def serve_socket(graphql: GraphQL, edge: Edge, socket: WebSocket) -> None:
    """Serve a WebSocket until it closes, or refuse its handshake with an HTTP error."""
    inbound = inbound_of(socket.scope)
    with ExitStack() as held:
        try:
            _check(socket, graphql.allowed_origins)
            check_tenant(inbound.head, may_be_missing=True)
            if "*" in graphql.allowed_origins and is_foreign(socket, frozenset()):
                # CORS lets these pages have no cookies, but knows no WebSockets.
                sent = socket.scope["headers"]
                socket.scope["headers"] = [header for header in sent if header[0] != b"cookie"]
            connection = Connection(socket, graphql, edge, held)
        except GatewayError as exc:
            await socket.send_denial_response(refuse(inbound, exc))
            return
        await socket.accept(subprotocol=PROTOCOL)
        await connection.serve()


def _check(socket: WebSocket, allowed_origins: frozenset[str]) -> None:
    """Check origin, URL and subprotocol of the handshake.

    Raises:
        OriginRefusedError: it comes from a page of another site that is not allowed.
        BadRequestError: there are credentials in the URL, or the subprotocol is another one.
    """
    if is_foreign(socket, allowed_origins):
        logger.warning(
            "A WebSocket was refused: its Origin is neither this host nor in "
            "GATEWAY_CORS_ORIGINS; a proxy has to pass Host on, or X-Forwarded-Host from an "
            "address in GATEWAY_TRUSTED_PROXIES"
        )
        raise OriginRefusedError(
            "Pages of this site may not open a WebSocket here: its origin is not in "
            "GATEWAY_CORS_ORIGINS."
        )
    refuse_credentials_in_url(socket)
    if PROTOCOL not in socket.scope["subprotocols"]:
        raise BadRequestError(
            f"The subprotocol of the WebSocket has to be {PROTOCOL}: send it in "
            "Sec-WebSocket-Protocol."
        )
