"""Read a request's body within limits of size and time.

The bytes of incomplete bodies and WebSocket messages are limited for all clients together, and for
each caller to half of that.
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
_SMALL_BYTES = 16 * 2**10
"""Up to this size all are accepted, so that large requests do not keep small ones out."""

BYTES_PER_STEP = 7
"""The bytes of JSON that are parsed in a step of `Turns`, if they are thousands of empty lists."""


@dataclass(slots=True)
class IncompleteBytes:
    """The bytes received of one incomplete body or message, in the share of its caller."""

    held: ClassVar[Counter[str]] = Counter()
    """Those of all clients of this process, by share; a share may have half."""

    share: str = STRANGERS
    _bytes: int = 0

    def hold(self, size: int) -> bool:
        """Count it with this size; return False if the share or the process holds too many."""
        size = size if size > _SMALL_BYTES else 0
        held = self.held
        held[self.share] += size - self._bytes
        self._bytes = size
        is_much = held[self.share] > MOST_BYTES // 2 or held.total() > MOST_BYTES
        if not held[self.share]:
            del held[self.share]
        return not (size and is_much)

    def move(self, share: str) -> None:
        """Count it in another share from now on."""
        size = self._bytes
        self.hold(0)
        self.share = share
        self.hold(size)


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
    body, incomplete = bytearray(), IncompleteBytes(share_of(inbound.owner))
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes, f"more than {max_bytes}")
                if not incomplete.hold(len(body)):
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
