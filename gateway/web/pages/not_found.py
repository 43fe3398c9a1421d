"""The 404 and 405 handler: it says where GraphQL is."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.websockets import WebSocket

from gateway.errors import BadRequestError
from gateway.web.pages.query_page import wants_page
from gateway.web.respond.errors import error_response


def not_found(
    graphql_path: str, *, has_query_page: bool
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return the handler of requests that no route takes; its errors have the form of all others.

    A browser at `/` is redirected to the query page, if there is one.
    """

    async def answer(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)  # noqa: S101  called for these only
        is_root = request.url.path == "/" and not request.url.query
        if has_query_page and is_root and wants_page(request):
            # From here, and not from whatever host and path a proxy has put in front of it.
            headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
            return RedirectResponse(graphql_path.removeprefix("/"), headers=headers)
        message = _nothing(graphql_path) if exc.status_code == 404 else exc.detail
        response = error_response(BadRequestError(message), status=exc.status_code)
        response.headers.update(exc.headers or {})
        return response

    return answer


def socket_not_found(graphql_path: str) -> Callable[[WebSocket], Awaitable[None]]:
    """Return what refuses the handshake of a WebSocket at any other path."""

    async def answer(socket: WebSocket) -> None:
        refusal = error_response(BadRequestError(_nothing(graphql_path)), status=404)
        await socket.send_denial_response(refusal)

    return answer


def _nothing(graphql_path: str) -> str:
    return f"There is nothing here. GraphQL is at {graphql_path}."
