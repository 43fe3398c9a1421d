"""Answers that are ready: what went out once goes out again, as long as its snapshot is fresh.

An answer without errors depends on the caller's snapshot and on the request, and on nothing else.
So it is kept on the snapshot, tagged and compressed as it was sent, by all of the request that
shapes it. Our own server finds it before it even calls the application (`http_protocol.py`).
"""

import sys
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.caller import CallerPolicy
from gateway.errors import GatewayError
from gateway.headers import AGING, SHAPING, SHAPING_BY_PRESENCE, Header
from gateway.observe.cache_stats import Result
from gateway.sessions.snapshot import Snapshot
from gateway.sessions.source import Source
from gateway.tenants.path import FindSource
from gateway.web.access_record import Account, account_of, digest_shown
from gateway.web.middleware.request_log import RequestBook
from gateway.web.read.body import BODY
from gateway.web.respond.caching import aging_headers, max_age_asked_for

__all__ = ["Answer", "Asked", "KeptAnswers", "ReadyAnswers", "answered_from"]

_SNAPSHOT = "gateway.sessions.snapshot"
_LARGEST_BODY = 64 * 2**10
_PER_ANSWER = 4 * 2**10


def answered_from(scope: Scope, snapshot: Snapshot) -> None:
    """Note that the answer to a request has no errors and was made of this snapshot alone."""
    scope[_SNAPSHOT] = snapshot


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it went out, but for the headers that age."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    account: Account
    """Of a request that it answers."""

    lines: bytes = field(init=False)
    """The headers, as HTTP/1.1 has them."""

    def __post_init__(self) -> None:
        """Write the headers, once for all times that they are sent."""
        lines = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        object.__setattr__(self, "lines", lines)

    @property
    def size_bytes(self) -> int:
        """Tell roughly what it costs in memory, beside the request that it answers."""
        return len(self.body) + _PER_ANSWER


@dataclass(frozen=True, slots=True)
class Asked:
    """What the path and the headers of a request say about its answer."""

    source: Source
    key: str
    """Of the caller's snapshot."""

    shaping: tuple[Header | bytes, ...]
    max_age_s: float | None


class ReadyAnswers:
    """Finds and keeps the answers to requests for one path, and what is below it."""

    def __init__(
        self,
        *,
        path: str,
        find_source: FindSource,
        policy: CallerPolicy,
        book: RequestBook,
        heeds_cache_control: bool,
    ) -> None:
        self.book = book
        self._path = path
        self._find_source = find_source
        self._policy = policy
        self._heeds_cache_control = heeds_cache_control

    def asked(self, path: str, headers: Sequence[Header]) -> Asked | None:
        """Read a request's path and headers; None where they hold no caller, or no tenant."""
        try:
            source = self._find_source(path, headers)
            caller = self._policy.read(headers)
        except GatewayError:
            return None
        max_age_s = max_age_asked_for(headers) if self._heeds_cache_control else None
        shaping = tuple(
            header if header[0] in SHAPING else header[0]
            for header in headers
            if header[0] in SHAPING or header[0] in SHAPING_BY_PRESENCE
        )
        return Asked(source, source.key_of(caller), shaping, max_age_s)

    def find(self, scope: Scope, body: bytes, asked: Asked) -> tuple[Answer, list[Header]] | None:
        """Return what was answered to the same request, and the headers that tell its age now."""
        started = time.perf_counter()
        served = asked.source.peek(asked.key, max_age_s=asked.max_age_s)
        if served is None:
            return None
        snapshot = served.snapshot
        answer: Answer | None = snapshot.answers.get(self.request(scope, body, asked))
        if answer is None:
            return None
        result: Result = "hit" if snapshot.is_from_rest else "shared"
        asked.source.lookups.count(result, snapshot.json_bytes)
        return answer, aging_headers(served, time.perf_counter() - started)

    def request(self, scope: Scope, body: bytes, asked: Asked) -> Hashable:
        """Return all of a request that shapes its answer."""
        return (scope["method"], scope["path"], scope["query_string"], body, asked.shaping)

    def is_kept(self, scope: Scope, body: bytes) -> bool:
        """Tell whether an answer to such a request is kept at all."""
        is_read = scope["method"] == "POST" or (scope["method"] == "GET" and not body)
        return is_read and scope["path"].startswith(self._path) and len(body) <= _LARGEST_BODY


class KeptAnswers:
    """Sends the answer that is ready, or has `app` make one and keeps it."""

    def __init__(self, app: ASGIApp, *, ready: ReadyAnswers) -> None:
        self.app = app
        self.ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        body = _body(scope) if scope["type"] == "http" else None
        if body is None or not self.ready.is_kept(scope, body):
            await self.app(scope, receive, send)
            return
        asked = self.ready.asked(scope["path"], scope["headers"])
        found = self.ready.find(scope, body, asked) if asked else None
        account = account_of(scope)
        if found is not None:
            answer, aging = found
            account.repeat(answer.account)
            headers = [*answer.headers, *aging]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})
            return
        if asked is not None:
            account.caller = digest_shown(asked.key)
            send = _keeping(self.ready.request(scope, body, asked), scope, send)
        await self.app(scope, receive, send)


def _body(scope: Scope) -> bytes | None:
    found: bytes | None = scope.get(BODY, b"" if scope["method"] == "GET" else None)
    return found


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
            # A connection holds on to the scope of its last request: the snapshot has to go.
            snapshot: Snapshot = scope.pop(_SNAPSHOT)
            headers = tuple(h for h in start["headers"] if h[0] not in AGING)
            body = message.get("body", b"")
            account = Account()
            account.repeat(account_of(scope))
            account.sent_bytes = len(body)
            answer = Answer(start["status"], headers, body, account)
            snapshot.answers.keep(request, answer, answer.size_bytes + _size_bytes(request))
        await send(message)

    return send_and_keep


def _size_bytes(part: Hashable) -> int:
    """Tell what a request costs in memory: a client can make it larger than its answer."""
    inner = sum(map(_size_bytes, part)) if isinstance(part, tuple) else 0
    return sys.getsizeof(part) + inner
