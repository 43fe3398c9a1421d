"""Ready answers: an equal request is not executed again, and no other one gets its answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.sessions.snapshot import Snapshot
from gateway.web import response_cache
from gateway.web.inbound import Door
from gateway.web.response_cache import ResponseCache
from tests.sessions.snapshots import snapshot_of
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import get, post_json


@pytest.fixture
async def door(gateway: Gateway) -> Door:
    """Return what reads the requests of a gateway."""
    made: Door = gateway.app.state.edge.door
    return made


QUERY = "query Q($limit: Int) { chatSessions(limit: $limit) { chatSessionId customerName } }"
OTHER = {"Authorization": "Bearer other"}


async def test_an_equal_request_is_not_executed_again(
    gateway: Gateway, rest: RestSide, executed: list[Any]
) -> None:
    """It gets the same bytes, under an id and an age of its own."""
    first = await gateway.post(QUERY)
    second = await gateway.post(QUERY)

    assert second.content == first.content
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert "; hit; ttl=" in second.headers["cache-status"]
    assert second.headers["age"] == "0"
    assert second.headers["server-timing"].startswith("execute;dur=")
    assert (len(executed), rest.calls) == (1, 1)


async def test_every_header_of_the_answer_comes_once(gateway: Gateway) -> None:
    """The ready answer has the headers that the first one had."""
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
    """Whatever an answer may depend on tells requests apart; the second time it is ready, too."""
    await gateway.post(QUERY)
    first: httpx.Response = await ask(gateway)
    assert len(executed) == 2

    second: httpx.Response = await ask(gateway)
    assert second.content == first.content
    assert len(executed) == (3 if first.request.headers.get("cache-control") else 2)


async def test_each_caller_gets_what_was_made_for_it(executed: list[Any]) -> None:
    """In turns, over and over."""

    def named(request: httpx.Request) -> httpx.Response:
        name = request.headers["authorization"]
        return httpx.Response(200, json=[{"ChatSessionId": 1, "CustomerName": name}])

    async with gateway_over(named) as gateway:
        for _ in range(3):
            for headers in (CREDENTIALS, OTHER):
                answer = (await gateway.post(QUERY, headers=headers)).json()
                (session,) = answer["data"]["chatSessions"]
                assert session["customerName"] == headers["Authorization"]

    assert len(executed) == 2


async def test_an_answer_with_an_error_is_made_each_time(
    rest: RestSide, executed: list[Any]
) -> None:
    """Of REST's failures, and of one odd property."""
    rest.body = [{"ChatSessionId": "odd"}]
    async with gateway_over(rest) as gateway:
        answers = [(await gateway.post(QUERY)).json() for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["path"] == ["chatSessions", 0, "chatSessionId"]
    assert len(executed) == 2


@pytest.mark.parametrize("query", ["{ __typename }", "{ __schema { queryType { name } } }"])
async def test_what_has_no_caller_is_made_each_time(
    gateway: Gateway, executed: list[Any], query: str
) -> None:
    """It hangs on no snapshot."""
    for _ in range(2):
        await gateway.post(query, headers={})

    assert len(executed) == 2


async def test_without_a_cache_nothing_is_ready(rest: RestSide, executed: list[Any]) -> None:
    """With a TTL of 0 there is no snapshot for an answer to hang on."""
    async with gateway_over(rest, cache_ttl=0) as gateway:
        for _ in range(2):
            await gateway.post(QUERY)

    assert (len(executed), rest.calls) == (2, 2)


async def test_a_new_snapshot_has_no_answers_yet(
    gateway: Gateway, rest: RestSide, executed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go with the one they were made from."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)
    await gateway.post(QUERY)
    rest.body = [{"ChatSessionId": 2}]
    await gateway.post(QUERY, headers={**CREDENTIALS, "Cache-Control": "no-cache"})

    answer = (await gateway.post(QUERY)).json()
    assert [s["chatSessionId"] for s in answer["data"]["chatSessions"]] == [2]
    assert len(executed) == 2


async def test_a_tag_that_matches_is_ready_too(gateway: Gateway, executed: list[Any]) -> None:
    """304 the first time and the second."""
    tag = (await get(gateway, QUERY)).headers["etag"]

    answers = [await get(gateway, QUERY, {"If-None-Match": tag}) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(304, b"")] * 2
    assert answers[1].headers["etag"] == tag
    assert len(executed) == 2


async def test_a_compressed_answer_is_compressed_once(rest: RestSide) -> None:
    """What goes out is what is kept."""
    rest.body = [{"ChatSessionId": n, "CustomerName": "Ada"} for n in range(100)]
    headers = {**CREDENTIALS, "Accept-Encoding": "gzip"}
    async with gateway_over(rest) as gateway:
        first, second = [await gateway.post(QUERY, headers=headers) for _ in range(2)]

    assert second.headers["content-encoding"] == "gzip"
    assert second.headers["content-length"] == first.headers["content-length"]
    assert second.json() == first.json()


async def test_a_large_request_is_not_remembered(gateway: Gateway, executed: list[Any]) -> None:
    """Its text would weigh more than its answer."""
    query = QUERY + " " * 65_536
    for _ in range(2):
        await gateway.post(query)

    assert len(executed) == 2


async def test_a_request_that_would_be_refused_is(gateway: Gateway) -> None:
    """No ready answer goes to a page of another site, nor to one that takes no JSON."""
    await get(gateway, QUERY)

    foreign = await get(gateway, QUERY, {"Origin": "https://evil.invalid"})
    css = await get(gateway, QUERY, {"Accept": "text/css"})

    assert (foreign.status_code, css.status_code) == (400, 406)


async def test_no_credential_is_part_of_what_is_stored(door: Door) -> None:
    """Requests are told apart without a cookie's value, a token's, or a password's."""
    secrets = {"X-XSRF-TOKEN": "marked-1", "Cookie": "id=marked-2", "SO-AppToken": "marked-3"}
    headers = [(name.lower().encode(), value.encode()) for name, value in secrets.items()]
    headers.append((b"authorization", b"Bearer marked-4"))

    asked = door.read("/graphql", headers)

    assert asked.shaping == b"0\nx-xsrf-token\ncookie"
    assert "marked" not in repr(asked)


SCOPE = {"type": "http", "method": "GET", "path": "/graphql"}


def entered(door: Door, query: bytes = b"query=x", accept: bytes = b"a") -> tuple[Any, Snapshot]:
    """Make the scope of a request that is answered from a snapshot; return both."""
    headers = [(b"authorization", b"Bearer a"), (b"accept", accept)]
    scope = {**SCOPE, "query_string": query, "headers": headers}
    snapshot = snapshot_of(max_attached=1_000_000)
    door.enter(scope).snapshot = snapshot
    return scope, snapshot


async def test_the_request_counts_with_the_answer(door: Door) -> None:
    """Both are stored, and a client can make either of them large."""
    sizes = []
    for query, accept in ((b"x", b"a"), (b"x" * 10_001, b"a"), (b"x", b"a" * 20_001)):
        scope, snapshot = entered(door, query, accept)
        await ResponseCache(answering(b"a"))(scope, never, ignore)
        sizes.append(snapshot.attachments.size_bytes)

    assert [size - sizes[0] for size in sizes] == [0, 10_000, 20_000]


async def test_an_answer_that_comes_in_parts_is_not_stored(door: Door) -> None:
    """Only what is sent whole can be sent again."""
    scope, snapshot = entered(door)

    await ResponseCache(answering(b"a", b"b"))(scope, never, ignore)

    assert snapshot.attachments.size_bytes == 0


async def test_a_body_that_comes_in_parts_reaches_the_application_whole(door: Door) -> None:
    """Under any server: what was looked at first is given on first."""
    parts = [b"a", b"b"]

    async def receive() -> Any:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.extend([(await receive())["body"] for _ in range(2)])

    bodies: list[bytes] = []
    scope, _ = entered(door)
    await ResponseCache(app)({**scope, "method": "POST"}, receive, ignore)

    assert bodies == [b"a", b"b"]


async def test_a_body_that_does_not_come_is_waited_for_by_the_application(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers with 408 in the end."""
    monkeypatch.setattr(response_cache, "_BODY_S", 0)
    called = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope)

    scope, _ = entered(door)
    await ResponseCache(app)({**scope, "method": "POST"}, never, ignore)

    assert len(called) == 1


def answering(*parts: bytes) -> Any:
    """Make an application that answers with these parts."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number, part in enumerate(parts, 1):
            more = {"more_body": True} if number < len(parts) else {}
            await send({"type": "http.response.body", "body": part, **more})

    return app


async def ignore(message: Any) -> None:
    """Take what is sent."""


async def never() -> Any:
    """Receive nothing."""
    await asyncio.Event().wait()
