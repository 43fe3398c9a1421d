"""Read a request's body without letting its sender take memory or time without end."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from gateway.errors import BodyTooLargeError, BodyTooSlowError

__all__ = ["BODY", "read_body"]

BODY = "gateway.body"
"""In the scope of a request whose body came at once: all of it."""

_PATIENCE_S = 10


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the body.

    Raises:
        BodyTooLargeError: it has more than `max_bytes`, by its own account or by count.
        BodyTooSlowError: it took longer than ten seconds to arrive, or its sender went away.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise _too_large(max_bytes, declared[:20])
    if BODY in request.scope:
        whole: bytes = request.scope[BODY]
        if len(whole) > max_bytes:
            raise _too_large(max_bytes, f"more than {max_bytes}")
        return whole
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes, f"more than {max_bytes}")
    except TimeoutError as exc:
        raise BodyTooSlowError(
            f"The request's body did not arrive within {_PATIENCE_S} seconds."
        ) from exc
    except ClientDisconnect as exc:
        raise BodyTooSlowError("The client went away before its request was complete.") from exc
    return bytes(body)


def _too_large(max_bytes: int, size: str) -> BodyTooLargeError:
    return BodyTooLargeError(
        f"The request's body has {size} bytes; at most {max_bytes} are accepted."
    )
