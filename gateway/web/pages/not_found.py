"""The 404 and 405 handler: its message names the path of GraphQL."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.websockets import WebSocket

from gateway.errors import BadRequestError
from gateway.tenants.path import GRAPHQL_PATH
from gateway.web.pages.query_page import wants_page
from gateway.web.respond.errors import error_response

_NOT_FOUND = f"Not found. GraphQL is at {GRAPHQL_PATH}."


def not_found(*, has_query_page: bool) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return the handler of requests that match no route; it answers with our error body.

    A browser at `/` is redirected to the query page, if there is one.
    """

    async def answer(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)  # noqa: S101  registered for these only
        is_root = request.url.path == "/" and not request.url.query
        if has_query_page and is_root and wants_page(request):
            # Relative: a proxy may serve the gateway at another host and path.
            headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
            return RedirectResponse(GRAPHQL_PATH.removeprefix("/"), headers=headers)
        message = _NOT_FOUND if exc.status_code == 404 else exc.detail
        response = error_response(BadRequestError(message), status=exc.status_code)
        response.headers.update(exc.headers or {})
        return response

    return answer


async def socket_not_found(socket: WebSocket) -> None:
    """Refuse the handshake of a WebSocket at any other path."""
    await socket.send_denial_response(error_response(BadRequestError(_NOT_FOUND), status=404))
