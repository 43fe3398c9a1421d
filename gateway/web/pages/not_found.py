"""What is answered where there is nothing: how to get to GraphQL."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.errors import BadRequestError
from gateway.web.pages.query_page import wants_page

__all__ = ["nowhere"]


def nowhere(
    graphql_path: str, *, has_query_page: bool
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return what answers requests that no route does, in the form that all of our errors have.

    A browser at `/` is taken to the query page, if there is one.
    """

    async def answer(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)  # noqa: S101  called for these only
        if has_query_page and request.url.path == "/" and wants_page(request):
            # From here, and not from whatever host and path a proxy has put in front of it.
            headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
            return RedirectResponse(graphql_path.removeprefix("/"), headers=headers)
        message = exc.detail
        if exc.status_code == 404:
            message = f"There is nothing here. GraphQL is at {graphql_path}."
        error = {"message": message, "extensions": {"code": BadRequestError.code}}
        return JSONResponse({"errors": [error]}, exc.status_code, exc.headers)

    return answer
