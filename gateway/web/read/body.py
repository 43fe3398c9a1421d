"""Read a request's body within limits of size and time.

The bytes of incomplete requests and WebSocket messages are limited for all clients together. A
caller may have as many of them as are free: alone half of them, one of two callers a third.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import ClientDisconnect, Request

from gateway.caller import STRANGERS
from gateway.errors import BodyTooLargeError, BodyTooSlowError, UpstreamUnavailableError
from gateway.executor.turns import Turns, share_of
from gateway.web.inbound import inbound_of

_TIMEOUT_S = 10
MOST_BYTES = 64 * 2**20
TOO_MANY_BYTES = "The gateway has too many bytes of incomplete requests; retry later."
SMALL_BYTES = 8 * 2**10
"""Up to this size all are accepted, so that large requests do not keep small ones out."""

BYTES_PER_STEP = 7
"""The bytes of JSON that are parsed in a step of `Turns`, if they are thousands of empty lists."""


@dataclass(slots=True)
class IncompleteBytes:
    """The bytes received of what is incomplete, or waits behind another request, of one client."""

    held: ClassVar[Counter[str]] = Counter()
    """Those of all clients of this process, by share."""

    size: int = 0
    _share: str = STRANGERS

    def hold(self, size: int, share: str = STRANGERS) -> bool:
        """Count this size in a share, instead of the last one; return False if it is too much."""
        held = self.held
        held[self._share] -= self.size
        if not held[self._share]:
            del held[self._share]
        self.size, self._share = size if size > SMALL_BYTES else 0, share
        if not self.size:
            return True
        held[share] += size
        return held[share] <= MOST_BYTES - held.total()


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the body, when it is its turn to be parsed.

    Raises:
        BodyTooLargeError: it has more than `max_bytes`, by its Content-Length or by count.
        BodyTooSlowError: it took longer than ten seconds to arrive, or the client disconnected.
        UpstreamUnavailableError: all incomplete bodies, or the caller's, have too many bytes.
    """
    inbound = inbound_of(request.scope)
    whole = inbound.body
    declared = request.headers.get("content-length", "") if whole is None else f"{len(whole)}"
    if declared.isdecimal() and int(declared[:20]) > max_bytes:  # int() limits the digits
        raise _too_large(max_bytes, declared[:20])
    if whole is not None:
        await Turns().spend(len(whole) // BYTES_PER_STEP)
        return whole
    body, incomplete = bytearray(), IncompleteBytes()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes, f"more than {max_bytes}")
                if not incomplete.hold(len(body), share_of(inbound.owner)):
                    raise UpstreamUnavailableError(TOO_MANY_BYTES, retry_after_s=1)
        await Turns().spend(len(body) // BYTES_PER_STEP)  # still counted as incomplete
    except TimeoutError as exc:
        raise BodyTooSlowError(
            f"The request's body did not arrive within {_TIMEOUT_S} seconds."
        ) from exc
    except ClientDisconnect as exc:
        raise BodyTooSlowError("The client disconnected before its request was complete.") from exc
    finally:
        incomplete.hold(0)
    return bytes(body)


def _too_large(max_bytes: int, size: str) -> BodyTooLargeError:
    return BodyTooLargeError(
        f"The request's body has {size} bytes; at most {max_bytes} are accepted."
    )
