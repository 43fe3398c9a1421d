"""The response cache: an answer is sent again for as long as its snapshot is fresh.

An answer without errors depends on the caller's snapshot and on the request, and on nothing else.
So it is stored on the snapshot, tagged and compressed as it was sent; the key is every part of the
request that shapes it. Our own server searches the cache for a request that arrives as a whole
(`server/fast_lane.py`); otherwise the middleware does.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import RequestError
from gateway.headers import AGING, Header
from gateway.schema.context import Access
from gateway.sessions.snapshot import compact
from gateway.web.access_record import AccessRecord
from gateway.web.inbound import Inbound, find_inbound, inbound_of
from gateway.web.respond.caching import aging_headers

_LARGEST_BODY = 64 * 2**10
_BYTES_PER_ANSWER = 4 * 2**10
_BODY_TIMEOUT_S = 0.25


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer as it was sent, without the headers that change from moment to moment."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    record: AccessRecord
    """The access record of every request that gets it."""

    lines: bytes = field(init=False)
    """The headers in HTTP/1.1's format."""

    def __post_init__(self) -> None:
        """Write the headers once."""
        lines = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        object.__setattr__(self, "lines", lines)


CacheHit: TypeAlias = tuple[CachedAnswer, list[Header]]
"""An answer, and the headers with its current age."""


def find(scope: Scope, inbound: Inbound) -> CacheHit | None:
    """Return the cached answer to a request, and the headers with its current age."""
    access = inbound.head.access
    if isinstance(access, RequestError) or not _is_cacheable(scope, inbound):
        return None
    started = time.perf_counter()
    served = access.source.peek(access.key, max_age_s=inbound.head.max_age_s)
    if served is None:
        return None
    snapshot = served.snapshot
    answer: CachedAnswer | None = snapshot.attachments.get(_key(scope, inbound))
    if answer is None:
        return None
    access.source.lookups.count(served.result, snapshot.json_bytes)
    return answer, aging_headers(served, time.perf_counter() - started)


def store(scope: Scope, start: Message, body: bytes) -> None:
    """Store an answer on the snapshot that it was made from, if it may be sent again."""
    inbound = find_inbound(scope)
    if inbound is None or inbound.snapshot is None or not _is_cacheable(scope, inbound):
        return
    key, body = _key(scope, inbound), compact(body)
    headers = tuple(h for h in start["headers"] if h[0] not in AGING)
    record = inbound.record.for_cache_hit(len(body))
    # A client can make the key larger than the answer.
    size_bytes = len(body) + _BYTES_PER_ANSWER + sum(map(len, key))
    answer = CachedAnswer(start["status"], headers, body, record)
    inbound.snapshot.attachments.add(key, answer, size_bytes)
    if isinstance(access := inbound.head.access, Access):
        access.source.cache.peek(access.key)  # measures the snapshot again: it has grown


class ResponseCache:
    """Sends the cached answer, if there is one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        inbound = inbound_of(scope)
        if inbound.body is None:
            receive = await _with_body(scope, inbound, receive)
        found = find(scope, inbound)
        if found is not None:
            answer, aging = found
            inbound.record = answer.record.for_cache_hit(0)  # counted by the access log
            headers = [*answer.headers, *aging]
            start = {"type": "http.response.start", "status": answer.status, "headers": headers}
            await send(start)
            await send({"type": "http.response.body", "body": answer.body})
            return
        access = inbound.head.access
        if isinstance(access, Access) and _is_cacheable(scope, inbound):
            inbound.record.key = access.key
        await self.app(scope, receive, send)


def _is_cacheable(scope: Scope, inbound: Inbound) -> bool:
    body = inbound.body
    return scope["method"] in {"GET", "POST"} and body is not None and len(body) <= _LARGEST_BODY


def _key(scope: Scope, inbound: Inbound) -> tuple[str | bytes, ...]:
    """Return every part of a request that shapes its answer."""
    body, shaping = inbound.body or b"", inbound.head.shaping
    return (scope["method"], scope["path"], scope["query_string"], body, shaping)


async def _with_body(scope: Scope, inbound: Inbound, receive: Receive) -> Receive:
    """Read a small body that arrives soon after its head; return a `receive` that repeats it.

    Many clients send head and body separately. One that expects a 100 sends no large body yet: the
    application may refuse its request by the head.
    """
    if scope["method"] == "GET":
        inbound.body = b""
    sent = dict(scope["headers"])
    length = sent.get(b"content-length", b"")
    is_small = length.isdigit() and int(length[:20]) <= _LARGEST_BODY
    may_come_soon = scope["method"] == "POST" and (is_small or b"expect" not in sent)
    if not may_come_soon or isinstance(inbound.head.access, RequestError):
        return receive
    messages: list[Message] = []
    body = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            while len(body) <= _LARGEST_BODY:
                messages.append(message := await receive())
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
    if messages and messages[-1]["type"] == "http.request" and not messages[-1].get("more_body"):
        inbound.body = bytes(body)

    async def receive_again() -> Message:
        return messages.pop(0) if messages else await receive()

    return receive_again
