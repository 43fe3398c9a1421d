"""Load shedding: requests past the limit get 503, those in work are answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from gateway.errors import UpstreamUnavailableError
from gateway.web.admission import Admission, ConnectionLimit
from tests.observe.logged import logged
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over

QUERY = "{ chatSessions { chatSessionId } }"
NONE: Any = {"data": {"chatSessions": []}}
ORIGIN = "https://console.example.com"


class SlowRest(RestSide):
    """A REST side that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(answer=self.wait)
        self.may_answer = asyncio.Event()
        self._called = asyncio.Semaphore(0)

    async def wait(self, request: httpx.Request) -> httpx.Response:
        """Answer with no sessions, in good time."""
        self._called.release()
        await self.may_answer.wait()
        return httpx.Response(200, json=[])

    async def has_calls(self, count: int) -> None:
        """Wait until so many more calls have come."""
        for _ in range(count):
            await self._called.acquire()


@pytest.fixture
async def slow() -> SlowRest:
    """Return a REST side that takes its time."""
    return SlowRest()


@pytest.fixture
async def full(slow: SlowRest) -> AsyncIterator[Gateway]:
    """Return a gateway that has two requests in work, as many as it may have."""
    async with gateway_over(slow, max_requests=2, cors_origins=ORIGIN) as gateway:
        asked = [
            asyncio.create_task(gateway.post(QUERY, headers={"Authorization": f"Basic {name}"}))
            for name in ("YQ==", "Yg==")
        ]
        await slow.has_calls(2)
        yield gateway
        slow.may_answer.set()
        for answer in await asyncio.gather(*asked):
            assert answer.json() == NONE


async def test_one_more_is_told_to_come_back(full: Gateway, slow: SlowRest) -> None:
    """With a status and a header for machines, and an error like any other for clients."""
    response = await full.post(QUERY)

    [error] = response.json()["errors"]
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    assert error["extensions"] == {"code": "UPSTREAM_UNAVAILABLE", "retryAfter": 1}
    assert slow.calls == 2


async def test_a_page_of_another_site_is_told_too(full: Gateway) -> None:
    """Without the headers of CORS it would see no status at all."""
    response = await full.post(QUERY, headers={**CREDENTIALS, "Origin": ORIGIN})

    assert response.status_code == 503
    assert response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/schema.graphql"])
async def test_what_operators_ask_for_is_never_turned_away(full: Gateway, path: str) -> None:
    """A busy process is neither dead nor unready."""
    assert (await full.http.get(path)).status_code == 200


async def test_a_request_that_is_done_makes_room(slow: SlowRest) -> None:
    """For the next one."""
    slow.may_answer.set()
    async with gateway_over(slow, max_requests=1) as gateway:
        answers = [await gateway.post(query) for query in (QUERY, "{ nonsense", QUERY + " ")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_a_ready_answer_is_sent_all_the_same(slow: SlowRest) -> None:
    """It costs less than what is turned away; another query of the same caller has to wait."""
    async with gateway_over(slow, max_requests=1) as gateway:
        slow.may_answer.set()
        first = await gateway.post(QUERY)
        slow.may_answer.clear()
        asked = asyncio.create_task(gateway.post(QUERY, headers={"Authorization": "Basic YQ=="}))
        await slow.has_calls(2)  # the first one too

        again = await gateway.post(QUERY)
        other = await gateway.post("{ chatSessions { id } }")

        slow.may_answer.set()
        await asked
    assert (again.status_code, again.content) == (200, first.content)
    assert other.status_code == 503


def test_a_request_that_fails_counts_no_longer() -> None:
    """Its place is free for the next one."""
    admission = Admission(1)

    with pytest.raises(LookupError), admission.slot():
        raise LookupError

    assert admission.in_work == 0


def test_a_request_past_the_limit_is_refused() -> None:
    """The ones in work keep their places."""
    admission = Admission(1)

    with admission.slot(), pytest.raises(UpstreamUnavailableError), admission.slot():
        pass  # pragma: no cover - it is not entered

    assert admission.in_work == 0


async def test_a_stream_counts_until_it_has_begun(rest: RestSide) -> None:
    """It may last for hours, and has limits of its own."""
    query = "subscription { chatSessions { chatSessionId } }"
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [
            (b"accept", b"text/event-stream"),
            (b"content-type", b"application/json"),
            (b"authorization", b"Basic YQ=="),
        ],
    }
    body = orjson.dumps({"query": query})
    sent: asyncio.Queue[Any] = asyncio.Queue()
    has_left = asyncio.Event()
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await has_left.wait()
        return {"type": "http.disconnect"}

    async with gateway_over(rest) as gateway:
        admission = gateway.app.state.edge.admission
        running = asyncio.create_task(gateway.app(scope, receive, sent.put))
        assert (await sent.get())["status"] == 200
        assert b"event: next" in (await sent.get())["body"]
        assert admission.in_work == 0
        has_left.set()
        await running
        assert admission.in_work == 0


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_shedding_is_logged_once_per_burst() -> None:
    """Each request has its own line in the access log; this one says the cause."""
    clock = Clock()
    admission = Admission(0, clock=clock)

    with logged() as log:
        for later_s in (0, 50, 50, 61):
            clock.now += later_s
            assert admission.refuses_next()

    assert events(log) == ["0 requests in work: more get 503"] * 2


def test_connections_beyond_the_limit_are_noticed() -> None:
    """The last one of so many is the one that is asked about."""
    limit = ConnectionLimit(3)

    assert [limit.is_exceeded(range(count)) for count in (1, 3, 4, 5, 3)] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_too_many_connections_are_told_once_per_burst() -> None:
    """A minute without any ends it."""
    clock = Clock()
    limit = ConnectionLimit(1, clock=clock)

    with logged() as log:
        for later_s in (0, 0, 59, 59, 61, 1):
            clock.now += later_s
            limit.is_exceeded(range(2))

    assert events(log) == ["1 connections are open: those without a request make room"] * 2


def events(log: Any) -> list[str]:
    """Return the warnings in a log."""
    return [event["event"] for event in log.events if event["level"] == "warning"]
