"""The response cache: an equal request gets the stored answer, any other request is executed."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.schema.context import Access
from gateway.sessions.snapshot import Snapshot
from gateway.web import response_cache
from gateway.web.inbound import Door, inbound_of
from gateway.web.middleware.representation import Representation
from gateway.web.response_cache import ResponseCache
from tests.sessions.snapshots import snapshot_of
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import get, post_json


@pytest.fixture
async def door(gateway: Gateway) -> Door:
    """Return the door of a gateway, which reads its requests."""
    made: Door = gateway.app.state.edge.door
    return made


QUERY = "query Q($limit: Int) { chatSessions(limit: $limit) { chatSessionId customerName } }"
OTHER = {"Authorization": "Bearer other"}


async def test_an_equal_request_is_not_executed_again(
    gateway: Gateway, rest: RestSide, executed: list[Any]
) -> None:
    """A cached answer has the same bytes, with a request id and an age of its own."""
    first = await gateway.post(QUERY)
    second = await gateway.post(QUERY)

    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert "; hit; ttl=" in second.headers["cache-status"]
    assert second.headers["age"] == "0"
    assert second.headers["server-timing"].startswith("execute;dur=")
    assert (len(executed), rest.calls) == (1, 1)


async def test_a_cached_answer_has_every_header_once(gateway: Gateway) -> None:
    """A cached answer has the headers of the first answer, each once."""
    first, second = [await gateway.post(QUERY) for _ in range(2)]

    names = [name.lower() for name, _ in second.headers.raw]
    assert len(names) == len(set(names))
    assert sorted(names) == sorted(name.lower() for name, _ in first.headers.raw)


DIFFERENT: dict[str, Callable[[Gateway], Any]] = {
    "another text": lambda g: g.post(f"{QUERY} "),
    "other variables": lambda g: g.post(QUERY, {"limit": 0}),
    "another operation": lambda g: post_json(g, {"query": QUERY, "operationName": "Q"}),
    "another media type": lambda g: g.post(
        QUERY, headers={**CREDENTIALS, "Accept": "application/graphql-response+json"}
    ),
    "another encoding": lambda g: g.post(QUERY, headers={**CREDENTIALS, "Accept-Encoding": "gzip"}),
    "another caller": lambda g: g.post(QUERY, headers=OTHER),
    "another language": lambda g: g.post(QUERY, headers={**CREDENTIALS, "Accept-Language": "de"}),
    "another method": lambda g: get(g, QUERY),
    "a batch": lambda g: post_json(g, [{"query": QUERY}]),
    "a fresh one": lambda g: g.post(QUERY, headers={**CREDENTIALS, "Cache-Control": "no-cache"}),
    "an origin": lambda g: g.post(QUERY, headers={**CREDENTIALS, "Origin": "https://a.invalid"}),
    "a cookie": lambda g: g.post(QUERY, headers={**CREDENTIALS, "Cookie": "a=b"}),
}


@pytest.mark.parametrize("ask", DIFFERENT.values(), ids=DIFFERENT.keys())
async def test_a_request_that_differs_is_executed(
    gateway: Gateway, executed: list[Any], ask: Callable[[Gateway], Any]
) -> None:
    """A request that differs in anything the answer depends on is executed, then cached, too."""
    await gateway.post(QUERY)
    first: httpx.Response = await ask(gateway)
    assert len(executed) == 2

    second: httpx.Response = await ask(gateway)
    assert second.content == first.content
    assert len(executed) == (3 if first.request.headers.get("cache-control") else 2)


async def test_each_caller_gets_its_own_cached_answer(executed: list[Any]) -> None:
    """Callers that take turns get their own cached answers."""

    def session_named_by_caller(request: httpx.Request) -> httpx.Response:
        name = request.headers["authorization"]
        return httpx.Response(200, json=[{"ChatSessionId": 1, "CustomerName": name}])

    async with gateway_over(session_named_by_caller) as gateway:
        for _ in range(3):
            for headers in (CREDENTIALS, OTHER):
                answer = (await gateway.post(QUERY, headers=headers)).json()
                (session,) = answer["data"]["chatSessions"]
                assert session["customerName"] == headers["Authorization"]

    assert len(executed) == 2


async def test_an_answer_with_an_error_is_not_cached(rest: RestSide, executed: list[Any]) -> None:
    """An answer with errors is not cached."""
    rest.body = [{"ChatSessionId": "odd"}]
    async with gateway_over(rest) as gateway:
        answers = [(await gateway.post(QUERY)).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["path"] == ["chatSessions", 0, "chatSessionId"]
    assert len(executed) == 2


@pytest.mark.parametrize("query", ["{ __typename }", "{ __schema { queryType { name } } }"])
async def test_an_answer_without_a_caller_is_not_cached(
    gateway: Gateway, executed: list[Any], query: str
) -> None:
    """An answer without credentials belongs to no snapshot and is not cached."""
    for _ in range(2):
        await gateway.post(query, headers={})

    assert len(executed) == 2


async def test_with_a_ttl_of_0_no_answer_is_cached(rest: RestSide, executed: list[Any]) -> None:
    """With a TTL of 0 there is no snapshot to attach a cached answer to."""
    async with gateway_over(rest, cache_ttl=0) as gateway:
        for _ in range(2):
            await gateway.post(QUERY)

    assert (len(executed), rest.calls) == (2, 2)


async def test_a_new_snapshot_has_no_cached_answers(
    gateway: Gateway, rest: RestSide, executed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new snapshot discards the answers that were made from the old one."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)
    await gateway.post(QUERY)
    rest.body = [{"ChatSessionId": 2}]
    await gateway.post(QUERY, headers={**CREDENTIALS, "Cache-Control": "no-cache"})

    answer = (await gateway.post(QUERY)).json()
    assert [s["chatSessionId"] for s in answer["data"]["chatSessions"]] == [2]
    assert len(executed) == 2


async def test_a_304_is_cached(gateway: Gateway, executed: list[Any]) -> None:
    """A 304 for a matching If-None-Match is cached, too."""
    tag = (await get(gateway, QUERY)).headers["etag"]

    answers = [await get(gateway, QUERY, {"If-None-Match": tag}) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(304, b"")] * 2
    assert answers[1].headers["etag"] == tag
    assert len(executed) == 2


async def test_a_compressed_answer_is_compressed_once(rest: RestSide) -> None:
    """The compressed bytes are cached and sent again."""
    rest.body = [{"ChatSessionId": n, "CustomerName": "Ada"} for n in range(100)]
    headers = {**CREDENTIALS, "Accept-Encoding": "gzip"}
    async with gateway_over(rest) as gateway:
        first, second = [await gateway.post(QUERY, headers=headers) for _ in range(2)]

    assert second.headers["content-encoding"] == "gzip"
    assert second.headers["content-length"] == first.headers["content-length"]
    assert second.json() == first.json()


async def test_a_large_request_is_not_cached(gateway: Gateway, executed: list[Any]) -> None:
    """A large request, whose text would outweigh its answer, is not cached."""
    query = QUERY + " " * 65_536
    for _ in range(2):
        await gateway.post(query)

    assert len(executed) == 2


async def test_a_refused_request_gets_no_cached_answer(gateway: Gateway) -> None:
    """No cached answer is sent to another site's page, nor to a client that accepts no JSON."""
    await get(gateway, QUERY)

    foreign = await get(gateway, QUERY, {"Origin": "https://evil.invalid"})
    css = await get(gateway, QUERY, {"Accept": "text/css"})

    assert (foreign.status_code, css.status_code) == (400, 406)


async def test_another_path_gets_no_cached_answer(gateway: Gateway) -> None:
    """An equal request to a path that is not GraphQL's is a 404."""
    answers = [
        await gateway.http.post(path, json={"query": QUERY}, headers=CREDENTIALS)
        for path in ("/graphql", "/elsewhere")
    ]

    assert [answer.status_code for answer in answers] == [200, 404]


async def test_cache_keys_contain_no_credentials(door: Door) -> None:
    """Cache keys contain no value of a cookie, a token or a password."""
    secrets = {"X-XSRF-TOKEN": "marked-1", "Cookie": "id=marked-2", "SO-AppToken": "marked-3"}
    headers = [(name.lower().encode(), value.encode()) for name, value in secrets.items()]
    headers.append((b"authorization", b"Bearer marked-4"))

    head = door.read("/graphql", headers)

    assert head.shaping == b"0\nx-xsrf-token\ncookie"
    assert "marked" not in repr(head)


SCOPE = {"type": "http", "method": "GET", "path": "/graphql"}


def scope_and_snapshot(
    door: Door, query: bytes = b"query=x", accept: bytes = b"a"
) -> tuple[Any, Snapshot]:
    """Return the scope of a request that is answered from a snapshot, and the snapshot."""
    headers = [(b"authorization", b"Bearer a"), (b"accept", accept)]
    scope = {**SCOPE, "query_string": query, "headers": headers}
    snapshot = snapshot_of(max_attached=1_000_000)
    door.enter(scope).snapshot = snapshot
    return scope, snapshot


async def test_the_size_of_a_cached_answer_includes_its_request(door: Door) -> None:
    """The size of a cached answer includes its request, which a client can make large."""
    sizes = []
    for query, accept in ((b"x", b"a"), (b"x" * 10_001, b"a"), (b"x", b"a" * 20_001)):
        scope, snapshot = scope_and_snapshot(door, query, accept)
        await ResponseCache(Representation(answers_with(b"a")))(scope, receive_nothing, ignore)
        sizes.append(snapshot.attachments.size_bytes)

    assert [size - sizes[0] for size in sizes] == [0, 10_000, 20_000]


async def test_a_cached_answer_counts_in_the_memory_of_its_snapshot(
    gateway: Gateway, door: Door
) -> None:
    """The memory of all snapshots is limited: it has to include an answer once it is stored."""
    access = door.read(
        "/graphql", [(b"authorization", CREDENTIALS["Authorization"].encode())]
    ).access
    assert isinstance(access, Access)

    await gateway.post(QUERY)

    counted = access.source.cache.size_bytes
    assert counted == access.source.cache.peek(access.key).size_bytes


async def test_an_answer_in_parts_is_not_cached(door: Door) -> None:
    """An answer that is sent in parts is not cached."""
    scope, snapshot = scope_and_snapshot(door)

    await ResponseCache(Representation(answers_with(b"a", b"b")))(scope, receive_nothing, ignore)

    assert snapshot.attachments.size_bytes == 0


async def test_a_body_in_parts_reaches_the_application_whole(door: Door) -> None:
    """The application receives every part of a body, those read for the cache first."""
    parts = [b"a", b"b"]

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.extend([(await receive())["body"] for _ in range(2)])

    bodies: list[bytes] = []
    scope, _ = scope_and_snapshot(door)
    await ResponseCache(app)({**scope, "method": "POST"}, receive, ignore)

    assert bodies == [b"a", b"b"]


@pytest.mark.parametrize("is_begun", [False, True])
async def test_the_application_waits_for_a_missing_body(
    door: Door, monkeypatch: pytest.MonkeyPatch, *, is_begun: bool
) -> None:
    """The application, which can answer 408, waits for a body whose rest does not arrive."""
    monkeypatch.setattr(response_cache, "_BODY_TIMEOUT_S", 0.01)
    parts = [{"type": "http.request", "body": b"{", "more_body": True}][:is_begun]
    bodies = []

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append(inbound_of(scope).body)

    scope, _ = scope_and_snapshot(door)
    await ResponseCache(app)({**scope, "method": "POST"}, receive, ignore)

    assert bodies == [None]


def answers_with(*parts: bytes) -> Any:
    """Make an application that answers with these parts."""
    headers = [(b"content-length", b"%d" % len(parts[0]))] if len(parts) == 1 else []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate(parts, 1):
            more = {"more_body": True} if number < len(parts) else {}
            await send({"type": "http.response.body", "body": part, **more})

    return app


async def ignore(message: Any) -> None:
    """Ignore a message."""


async def receive_nothing() -> Any:
    """Never receive a message."""
    await asyncio.Event().wait()
