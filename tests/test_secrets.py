"""Secrets and customers' data never leak into answers, logs, traces, metrics or caches.

Each kind has its own mark, so that a leak shows its origin. `hunter2` marks credentials,
SuperOffice's texts and secret settings. `sesame` marks a client's own texts, which only that client
may get back, in an error.
"""

import asyncio
import contextlib
import gc
import hashlib
import json
import mmap
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

import httpx
import orjson
import pytest
import redis
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway import Settings, create_app
from gateway.commands.cli import main
from gateway.demo.webhooks import signature
from gateway.store.memory import BoundedMemoryCache
from tests.observe.logged import logged
from tests.observe.traces import traces_in_memory
from tests.store.redis_server import RedisServer, redis_server, wait_for_redis
from tests.support import RestSide
from tests.web.asking import Socket, connected_to

pytestmark = pytest.mark.socket

ANY = re.compile("hunter2|sesame", re.IGNORECASE)
MARKS = {
    "answers": re.compile(r"hunter2|rest\.invalid", re.IGNORECASE),
    "objects": re.compile("hunter2", re.IGNORECASE),
}
# `id:hunter2` and the like in Base64, as in Basic credentials.
ENCODED = re.compile("aHVudGVyM|h1bnRlcj|odW50ZXIy", re.ASCII)

SETTINGS = {
    "app_token": "hunter2-setting-app-token",
    "cache_secret": "hunter2-setting-cache-secret-of-32-characters",
    "webhook_secret": "hunter2-setting-webhook-secret",
}
HEADERS = {
    "Authorization": "Bearer hunter2-authorization",
    "SO-AppToken": "hunter2-apptoken",
    "Cookie": "id=hunter2-cookie",
    "X-XSRF-TOKEN": "hunter2-xsrf",
    "Accept-Language": "sesame-language",
    "User-Agent": "sesame-agent",
    "Referer": "https://sesame-referer.example",
    "baggage": "customer=sesame-baggage",
    "traceparent": "sesame-traceparent",
    "X-Request-ID": "sesame in a request id",
}
OTHERS = (
    {**HEADERS, "Authorization": "hunter2-scheme"},
    {**HEADERS, "Authorization": "Basic aHVudGVyMjpodW50ZXIy"},
    {**HEADERS, "Authorization": ""},
)
TEXTS = ("CustomerName", "CustomerEmail", "FirstMessage", "LastMessage", "TopicName", "Status")
CUSTOMER = [
    {
        "ChatSessionId": 1,
        **{name: f"hunter2-{name}" for name in TEXTS},
        "CustomFields": {"hunter2-key": "hunter2-value"},
        "Person": {"FullName": "hunter2-person", "Email": "hunter2-email"},
    }
]
# An operation's name with a customer's number in it, which clients should not send.
NAMED = "query sesame_0815_4711"
FILTERED = "chatSessions(filter: {{ search: {} }}) {{ customerName }}"
ALL = (
    "chatSessions { customerName firstMessage status person { fullName } "
    "customFields { key value } }"
)
QUERIES = (
    f"{NAMED} {{ {ALL} }}",
    f"{NAMED} {{ {ALL} }}",
    NAMED + " { " + FILTERED.format('"sesame-literal"') + " }",
    "query sesame_0815_4711 {",
    "{ sesame }",
    "sesame {",
)
VARIABLES = f"{NAMED}($text: String) {{ {FILTERED.format('$text')} }}"
SHA256 = hashlib.sha256(QUERIES[0].encode()).hexdigest()
PERSISTED = {"persistedQuery": {"version": 1, "sha256Hash": SHA256}}
WATCH = f"subscription sesame_0815_4711 {{ {ALL} }}"


def answering(body: bytes, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    """Make a fake REST API with this body and status."""
    headers = {"Location": "https://hunter2-location.example", "Set-Cookie": "hunter2=set"}
    return lambda request: httpx.Response(status, content=body, headers=headers)


def unreachable(request: httpx.Request) -> httpx.Response:
    """Play an unreachable REST API."""
    raise httpx.ConnectError("hunter2-error")


def buggy(request: httpx.Request) -> httpx.Response:
    """Play a bug of the gateway."""
    raise RuntimeError("a bug")


async def hanging(request: httpx.Request) -> httpx.Response:
    """Play a REST API that hangs."""
    await asyncio.Event().wait()
    raise AssertionError  # pragma: no cover - it waits for ever


ANSWERS: dict[str, Any] = {
    "sessions": None,
    "cut": answering(orjson.dumps(CUSTOMER)[:-5]),
    "a page": answering(b"<html>hunter2-page</html>"),
    "odd values": answering(b'[{"CustomerName": ["hunter2-list"], "TopicId": "hunter2-int"}]'),
    "unreachable": unreachable,
    "a bug": buggy,
    "no answer": hanging,
    **{
        f"{status}": answering(b'{"ErrorMessage": "hunter2-message"}', status)
        for status in (302, 401, 403, 429, 500, 503)
    },
}


@dataclass
class Outputs:
    """All outputs of a gateway, by kind."""

    texts: dict[str, list[str]] = field(default_factory=dict)

    def add(self, where: str, text: Any) -> None:
        """Record a text."""
        self.texts.setdefault(where, []).append(str(text))

    def answer(self, answer: httpx.Response) -> None:
        """Record an answer except its data, which the caller may see."""
        self.add("answers", f"{answer.status_code} {answer.headers}")
        try:
            body = answer.json()
        except ValueError:
            body = answer.text
        for one in body if isinstance(body, list) else [body]:
            self.message(one)

    def message(self, message: Any) -> None:
        """Record one message except its data."""
        if isinstance(message, dict):
            message = {name: value for name, value in message.items() if name != "data"}
        self.add("answers", json.dumps(message))

    def leaks(self) -> dict[str, list[str]]:
        """Return the lines that contain a secret."""
        return {
            where: lines[:3]
            for where, texts in self.texts.items()
            if (lines := [*_lines("\n".join(texts), MARKS.get(where, ANY))])
        }


def _lines(text: str, marks: re.Pattern[str]) -> Iterator[str]:
    for line in text.splitlines():
        if marks.search(line) or ENCODED.search(line):
            yield line[:300]


@dataclass
class Running:
    """A gateway with every feature on, and its outputs."""

    app: Any
    http: httpx.AsyncClient
    spans: InMemorySpanExporter
    server: RedisServer
    out: Outputs = field(default_factory=Outputs)

    async def send(self, method: str, headers: Any, path: str = "/graphql", **more: Any) -> None:
        """Send a request, and record its answer."""
        # A task of its own: Python 3.11 stops tracing, and coverage counting, the coroutines that
        # an exception was thrown through.
        sending = asyncio.create_task(self.http.request(method, path, headers=headers, **more))
        self.out.answer(await sending)

    async def post(self, body: Any, headers: dict[str, str] = HEADERS) -> None:
        """Send JSON."""
        sent = {**headers, "Content-Type": "application/json"}
        await self.send("POST", sent, content=orjson.dumps(body))


@contextlib.asynccontextmanager
async def running(rest: RestSide, server: RedisServer, password: str) -> AsyncIterator[Running]:
    """Run a gateway over a fake REST API, and a Redis that accepts any password, or none."""
    settings: dict[str, Any] = {
        "upstream_url": "http://rest.invalid:8443/crm",
        "cache_url": server.url.replace("//", f"//{password}"),
        "tracing": True,
        "upstream_timeout": 0.2,
        "stale_if_error": 5,
        "live_interval": 0.05,
        **SETTINGS,
    }
    with traces_in_memory() as spans:
        app = create_app(Settings(**settings), upstream_transport=httpx.MockTransport(rest))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http,
        ):
            http.headers.clear()
            yield Running(app, http, spans, server)


async def over_http(gateway: Running) -> None:
    """Send valid and invalid requests."""
    for headers in (HEADERS, *OTHERS):
        for query in QUERIES:
            await gateway.post({"query": query}, headers)
        for value in ("sesame-variable", ["sesame-wrong"], "sesame" * 10_000):
            await gateway.post({"query": VARIABLES, "variables": {"text": value}}, headers)
        await gateway.post({"extensions": PERSISTED}, headers)
        await gateway.post({"query": QUERIES[0], "extensions": PERSISTED}, headers)
        batch = [{"query": QUERIES[0], "operationName": "sesame"}, {"documentId": "sesame"}]
        await gateway.post(batch, headers)
        for parameters in ({"query": QUERIES[0], "sesame": "sesame"}, {"token": "hunter2-token"}):
            await gateway.send("GET", headers, params=parameters)
        await gateway.send("GET", {**headers, "Accept": "text/html"})
        await gateway.send("PUT", headers, content=b"hunter2-put")
        await gateway.send("POST", headers, content=b"hunter2-body")
        await gateway.send("GET", headers, "/nowhere")


async def over_a_socket(gateway: Running) -> None:
    """Query and subscribe over a WebSocket, with the credentials in its first message."""
    async with connected_to(gateway.app, {"sec-websocket-protocol": "hunter2"}) as socket:
        await socket.sent.get()
        socket.send_json({"type": "connection_init", "payload": HEADERS})
        for number, query in enumerate((*QUERIES, WATCH, WATCH), 1):
            socket.send_json({"type": "subscribe", "id": f"{number}", "payload": {"query": query}})
        await record_messages(socket, gateway.out)
    async with connected_to(gateway.app, HEADERS, "token=hunter2-token") as socket:
        gateway.out.message(repr(await socket.sent.get()))
    async with connected_to(gateway.app, HEADERS) as socket:
        await socket.sent.get()
        socket.send_json({"type": "sesame"})
        gateway.out.message(repr(await socket.sent.get()))


async def record_messages(socket: Socket, out: Outputs) -> None:
    """Record the messages of half a second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            while True:
                payload = (await socket.next_message()).get("payload")
                for one in payload if isinstance(payload, list) else [payload]:
                    out.message(one)


async def over_a_stream(gateway: Running) -> None:
    """Subscribe over server-sent events, and disconnect."""
    headers = {**HEADERS, "Accept": "text/event-stream"}
    watching = asyncio.create_task(gateway.post({"query": WATCH}, headers))
    await asyncio.wait([watching], timeout=0.2)
    watching.cancel()
    await gateway.post({"query": WATCH}, {**headers, "Authorization": ""})


async def by_webhooks(gateway: Running) -> None:
    """Send webhooks with right and wrong signatures."""
    event = {"Event": "chatsession.changed", "EventId": "hunter2-id", "ContextIdentifier": "Cust1"}
    for body in (orjson.dumps(event), orjson.dumps({**event, "Event": "hunter2"}), b"hunter2"):
        for secret in (SETTINGS["webhook_secret"], "wrong"):
            signed = {"X-SuperOffice-Signature": signature(secret, body)}
            await gateway.send("POST", signed, "/webhooks/superoffice", content=body)


WAYS = (over_http, over_a_socket, over_a_stream, by_webhooks)


async def record_state(gateway: Running) -> None:
    """Record metrics, spans, objects in memory and everything in Redis."""
    out = gateway.out
    for path in ("/metrics", "/readyz", "/healthz", "/schema.graphql"):
        out.add(path, (await gateway.http.get(path)).text)
    out.add("spans", "\n".join(span.to_json() for span in gateway.spans.get_finished_spans()))
    for thing in gc.get_objects():
        if str(getattr(type(thing), "__module__", "")).startswith("gateway."):
            out.add("objects", f"{thing!r}")
            out.add("objects", f"{thing!s}")
        if isinstance(thing, BoundedMemoryCache):
            out.add("keys in memory", list(thing._entries))
    with redis.Redis.from_url(gateway.server.url) as client:
        for key in client.scan_iter():
            out.add("Redis", f"{key!r} {client.get(key)!r}")
    out.add("Redis's memory", "\n".join(marked_memory_of(gateway.server.process.pid)))


def readable_bytes(memory: IO[bytes], start: int, end: int) -> bytes:
    """Return a mapping without its guard pages: since glibc 2.42, each thread's stack has one."""
    content = b""
    while start < end:
        memory.seek(start)
        read = b""
        with contextlib.suppress(OSError):
            read = memory.read(end - start)
        content += read
        start += len(read) or mmap.PAGESIZE
    return content


def marked_memory_of(pid: int) -> Iterator[str]:
    """Yield the marked texts in the memory of a process."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            addresses, access, *_ = line.split()
            if access.startswith("rw"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                content = readable_bytes(memory, start, end)
                # One by one: searching for one plain text is many times as fast.
                marks = (re.finditer(mark, content) for mark in (b"hunter2", b"sesame"))
                for match in chain.from_iterable(marks):
                    at = match.start()
                    before = content[max(0, at - 40) : at].rpartition(b"\0")[2]
                    after = content[at : at + 40].partition(b"\0")[0]
                    # Redis has to know its own password.
                    yield repr(before + after).replace("hunter2-redis-password", "")


@pytest.fixture
def older_objects_left_out() -> None:
    """Freeze existing objects: `gc.get_objects` then returns only those of the test."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis server."""
    with redis_server(tmp_path) as started:
        yield started


@pytest.mark.usefixtures("older_objects_left_out")
@pytest.mark.parametrize(
    ("answer", "log_format", "password"),
    [
        *((name, "json", "") for name in ANSWERS),
        *((name, "text", "default:hunter2-redis-password@") for name in ("sessions", "a bug")),
    ],
    ids=lambda value: value.partition("hunter2")[0],  # ids get into the environment of Redis
)
async def test_no_output_contains_a_secret(
    answer: str,
    log_format: Any,
    password: str,
    server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No SuperOffice answer and no fate of a request leaks a secret."""
    wait_for_redis(monkeypatch)
    rest = RestSide(body=CUSTOMER, answer=ANSWERS[answer])
    with logged("debug", log_format) as log:
        async with running(rest, server, password) as gateway:
            for way in WAYS:
                await asyncio.create_task(way(gateway))
            await asyncio.create_task(record_state(gateway))
    gateway.out.add("log", log.getvalue())

    assert len(gateway.spans.get_finished_spans()) > 20
    assert 'gateway_webhooks_total{result="accepted"} 1.0' in gateway.out.texts["/metrics"][0]
    assert "Redis" in gateway.out.texts
    assert gateway.out.leaks() == {}


BAD = (
    ("--port", "http"),
    ("--cache-url", "http://:hunter2-redis@redis.example"),
    ("--cache-url", "redis://:hunter2-redis@:port"),
    ("--app-token", "hunter2 ünd so weiter"),
    ("--cache-secret", "hunter2"),
    ("--webhook-secret", "hunter2"),
    ("--upstream-url", "https://user:hunter2@crm.example"),
    ("--help", ""),
)


@pytest.mark.parametrize("arguments", BAD, ids=range(len(BAD)))
def test_commands_print_no_secret(
    arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither error messages about settings nor the help contain a secret."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", value)
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", "http://rest.invalid")

    with contextlib.suppress(SystemExit):
        assert main(["serve", *filter(None, arguments)]) == 2

    shown = "".join(capsys.readouterr())
    assert arguments[0].lstrip("-").partition("-")[0].lower() in shown.lower()
    assert not MARKS["objects"].search(shown)
