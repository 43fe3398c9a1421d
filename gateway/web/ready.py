"""Answers that are ready: what went out once goes out again, as long as its snapshot is fresh.

An answer without errors depends on the caller's snapshot and on the request, and on nothing else.
So it is kept on the snapshot, tagged and compressed as it was sent, by all of the request that
shapes it, and the next equal request gets it before anything is parsed.
"""

import time
from collections.abc import Hashable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.caller import CallerPolicy, Header
from gateway.errors import GatewayError
from gateway.source import Served, Snapshot, Source
from gateway.web.caching import aging_headers, max_age_asked_for
from gateway.web.http_protocol import BODY_IS_HERE

__all__ = ["ReadyAnswers", "answered_from"]

_SNAPSHOT = "gateway.snapshot"
_LARGEST_BODY = 64 * 2**10
_PER_ANSWER = 4 * 2**10

# All that is read of a request, but for its Cache-Control and what makes the caller.
_SHAPING = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"apollo-require-preflight",
        b"content-encoding",
        b"content-type",
        b"host",
        b"if-none-match",
        b"origin",
        b"sec-fetch-site",
        b"x-apollo-operation-name",
        b"x-xsrf-token",
    }
)
_AGING = frozenset({b"age", b"cache-status", b"server-timing"})


def answered_from(scope: Scope, snapshot: Snapshot) -> None:
    """Note that the answer to a request has no errors and was made of this snapshot alone."""
    scope[_SNAPSHOT] = snapshot


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: tuple[Header, ...]
    """Without those that age."""

    body: bytes

    @property
    def size_bytes(self) -> int:
        """Tell roughly what it costs in memory, the request that it answers included."""
        return len(self.body) + _PER_ANSWER


class ReadyAnswers:
    """Answers at `path` what has been answered; keeps what `app` answers to the rest."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        source: Source,
        policy: CallerPolicy,
        heeds_cache_control: bool,
    ) -> None:
        self.app = app
        self.path = path
        self.source = source
        self.policy = policy
        self.heeds_cache_control = heeds_cache_control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the ready answer, or have one made."""
        if scope["type"] != "http" or scope["path"] != self.path or not _has_small_body(scope):
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        body: bytes | None = b""
        if scope["method"] == "POST":
            body, receive = await _peek(scope, receive)
        request = (scope["method"], scope["query_string"], body, *_shaping(scope))
        served = None if body is None else await self._find(scope["headers"])
        if served is not None:
            answer: _Answer | None = served.snapshot.answers.get(request)
            if answer is not None:
                await _send_again(answer, served, started, send)
                return
        await self.app(scope, receive, _keeping(request, scope, send))

    async def _find(self, headers: list[Header]) -> Served | None:
        try:
            caller = self.policy.read(headers)
        except GatewayError:
            return None
        asked = [value for name, value in headers if name == b"cache-control"]
        max_age_s = None
        if asked and self.heeds_cache_control:
            max_age_s = max_age_asked_for(b",".join(asked).decode("latin-1"))
        return await self.source.find(caller, max_age_s=max_age_s)


def _has_small_body(scope: Scope) -> bool:
    """Tell whether a request has no body, or one that comes at once and is worth remembering."""
    if scope["method"] == "GET":
        return True
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    is_told = scope["method"] == "POST" and len(lengths) == 1 and lengths[0].isdigit()
    return is_told and len(lengths[0]) < 10 and int(lengths[0]) <= _LARGEST_BODY


def _shaping(scope: Scope) -> list[Header]:
    # Of the token it only matters that there is one; and it is nothing to keep.
    return [
        header if header[0] != b"x-xsrf-token" else (header[0], b"")
        for header in scope["headers"]
        if header[0] in _SHAPING
    ]


async def _peek(scope: Scope, receive: Receive) -> tuple[bytes | None, Receive]:
    """Return a request's body, None if it is still to come, and a `receive` that has it too.

    There is no waiting, and so no timer, which would take longer than all the rest.
    """
    if BODY_IS_HERE not in scope:
        return None, receive
    message = await receive()
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return message

    return message.get("body"), receive_again


async def _send_again(answer: _Answer, served: Served, started: float, send: Send) -> None:
    aging = aging_headers(served, time.perf_counter() - started)
    headers = [*answer.headers, *((k.encode(), v.encode()) for k, v in aging.items())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _keeping(request: Hashable, scope: Scope, send: Send) -> Send:
    """Make the `send` that also keeps an answer on the snapshot it was made of."""
    start: Message = {}
    is_whole = True

    async def send_and_keep(message: Message) -> None:
        nonlocal is_whole
        if message["type"] == "http.response.start":
            start.update(message)
        elif message.get("more_body"):
            is_whole = False
        elif is_whole and _SNAPSHOT in scope:
            snapshot: Snapshot = scope.pop(
                _SNAPSHOT
            )  # a connection keeps the scope of its last request
            headers = tuple(h for h in start["headers"] if h[0].lower() not in _AGING)
            answer = _Answer(start["status"], headers, message.get("body", b""))
            snapshot.answers.keep(request, answer, answer.size_bytes)
        await send(message)

    return send_and_keep
