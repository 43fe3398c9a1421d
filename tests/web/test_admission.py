"""Load shedding: requests past the limit get 503, admitted requests are answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import orjson
import pytest

from gateway.caller import STRANGERS
from gateway.errors import UpstreamUnavailableError
from gateway.schema.engine import Engine
from gateway.web.admission import Admission, Admitted, ConnectionLimit
from tests.clock import FakeClock
from tests.observe.logged import logged
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.waiting import until

QUERY = "{ chatSessions { chatSessionId } }"
NONE: Any = {"data": {"chatSessions": []}}
ORIGIN = "https://console.example.com"
JSON = {**CREDENTIALS, "Content-Type": "application/json"}


class SlowRest(RestSide):
    """A REST API that answers once `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__(answer=self.wait)
        self.may_answer = asyncio.Event()
        self._called = asyncio.Semaphore(0)

    async def wait(self, request: httpx.Request) -> httpx.Response:
        """Answer with no sessions once `may_answer` is set."""
        self._called.release()
        await self.may_answer.wait()
        return httpx.Response(200, json=[])

    async def wait_for_calls(self, count: int) -> None:
        """Wait until this many more calls have arrived."""
        for _ in range(count):
            await self._called.acquire()


@pytest.fixture
async def slow() -> SlowRest:
    """Return a slow REST API."""
    return SlowRest()


@pytest.fixture
async def full(slow: SlowRest) -> AsyncIterator[Gateway]:
    """Return a gateway with as many requests in progress as `max_requests` allows."""
    async with gateway_over(slow, max_requests=2, cache_ttl=0, cors_origins=ORIGIN) as gateway:
        slow.may_answer.set()
        users = [{"Authorization": f"Bearer {name}"} for name in ("ada", "bob")]
        for user in users:
            await gateway.post(QUERY, headers=user)
        slow.may_answer.clear()
        requests = [asyncio.create_task(gateway.post(QUERY, headers=user)) for user in users]
        await slow.wait_for_calls(4)
        yield gateway
        slow.may_answer.set()
        for answer in await asyncio.gather(*requests):
            assert answer.json() == NONE


async def test_a_request_past_the_limit_gets_503_with_retry_after(
    full: Gateway, slow: SlowRest
) -> None:
    """A request past the limit gets 503, Retry-After and a GraphQL error."""
    response = await full.post(QUERY)

    [error] = response.json()["errors"]
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    assert error["extensions"] == {"code": "UPSTREAM_UNAVAILABLE", "retryAfter": 1}
    assert slow.calls == 4


async def test_a_page_of_another_site_can_read_the_503(full: Gateway) -> None:
    """A shed answer has the CORS headers: without them a page could not read its status."""
    response = await full.post(QUERY, headers={**CREDENTIALS, "Origin": ORIGIN})

    assert response.status_code == 503
    assert response.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/schema.graphql"])
async def test_health_checks_and_the_schema_are_never_shed(full: Gateway, path: str) -> None:
    """Health checks and the schema are answered while requests are shed."""
    assert (await full.http.get(path)).status_code == 200


async def test_a_finished_request_frees_its_place(slow: SlowRest) -> None:
    """A finished request, failed or not, frees its place for the next one."""
    slow.may_answer.set()
    async with gateway_over(slow, max_requests=1) as gateway:
        answers = [await gateway.post(query) for query in (QUERY, "{ nonsense", QUERY + " ")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_a_cached_answer_is_sent_past_the_limit(slow: SlowRest) -> None:
    """A cached answer, cheap to send, is sent; a query that must be executed is shed."""
    async with gateway_over(slow, max_requests=1) as gateway:
        slow.may_answer.set()
        first = await gateway.post(QUERY)
        slow.may_answer.clear()
        request = asyncio.create_task(gateway.post(QUERY, headers={"Authorization": "Basic YQ=="}))
        await slow.wait_for_calls(2)  # the first one too

        again = await gateway.post(QUERY)
        other = await gateway.post("{ chatSessions { id } }")

        slow.may_answer.set()
        await request
    assert (again.status_code, again.content) == (200, first.content)
    assert other.status_code == 503


def test_a_failed_request_frees_its_place() -> None:
    """A request that raises an exception frees its place."""
    admission = Admission(1)

    with pytest.raises(LookupError), admission.admit(("a",), print):
        raise LookupError

    assert admission.in_progress == 0


async def test_one_caller_leaves_places_to_others(slow: SlowRest) -> None:
    """A user has at most as many places as are free, as have all unauthenticated clients."""
    async with gateway_over(slow, max_requests=8, cache_ttl=0) as gateway:
        slow.may_answer.set()
        ada, bob = ({"Authorization": f"Bearer {name}"} for name in ("ada", "bob"))
        for user in (ada, bob):
            await gateway.post(QUERY, headers=user)
        slow.may_answer.clear()
        *strangers, fifth = ({"Authorization": f"Bearer stranger {n}"} for n in range(5))
        held = [
            asyncio.create_task(gateway.post(QUERY, headers=user))
            for user in (*strangers, ada, ada)
        ]
        await slow.wait_for_calls(6)  # that of ada is shared
        refused = [await gateway.post(QUERY, headers=user) for user in (fifth, ada)]
        last = asyncio.create_task(gateway.post(QUERY, headers=bob))
        await slow.wait_for_calls(1)
        slow.may_answer.set()

        assert [one.status_code for one in refused] == [503] * 2
        assert [one.status_code for one in await asyncio.gather(*held, last)] == [200] * 7


@pytest.mark.parametrize(("logins", "each"), [(1, 6), (2, 4), (3, 3), (11, 1)])
def test_somebody_with_several_logins_leaves_places_to_others(logins: int, each: int) -> None:
    """With each further login of somebody, one of them may have fewer places."""
    admission = Admission(12)

    with ExitStack() as stack:
        for _ in range(12):
            for share in range(logins):
                with suppress(UpstreamUnavailableError):
                    stack.enter_context(admission.admit((f"{share}",), print))
        held = dict(admission.of_shares)

        assert held == {f"{share}": each for share in range(logins)}
        assert not admission.refuses_next(("another",))


def test_a_place_past_the_limit_is_refused() -> None:
    """A place past the limit raises an error and leaves the places in use alone."""
    admission = Admission(1)

    with admission.admit(("a",), print), pytest.raises(UpstreamUnavailableError):
        admission.admit(("a",), print).__enter__()

    assert admission.in_progress == 0


async def test_requests_of_strangers_keep_no_new_caller_out(
    slow: SlowRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest that does not wait for SuperOffice loses its place; one that does keeps it."""
    has_ended = asyncio.Event()

    async def long(*_: Any, **__: Any) -> Any:
        await has_ended.wait()
        raise UpstreamUnavailableError("x")

    monkeypatch.setattr(Engine, "run", long)
    async with gateway_over(slow, max_requests=6) as gateway:
        admission = gateway.app.state.edge.admission
        asking = asyncio.create_task(gateway.post(QUERY, headers={"Authorization": "Bearer first"}))
        await slow.wait_for_calls(1)
        anonymous = [
            asyncio.create_task(gateway.post("{ __schema { description } }", headers={}))
            for _ in range(4)
        ]
        await until(lambda: admission.shed == 2)
        new = asyncio.create_task(gateway.post(QUERY, headers={"Authorization": "Bearer new"}))
        await slow.wait_for_calls(1)
        places = admission.in_progress
        slow.may_answer.set()

        assert [(await one).json() for one in (asking, new)] == [NONE, NONE]
        ended = [one.result() for one in anonymous if one.done()]
        assert [answer.status_code for answer in ended] == [503] * 3
        assert places == 3
        assert not admission.of_shares.keys() - {STRANGERS, "from 127.0.0.1"}
        has_ended.set()
        await asyncio.gather(*anonymous)
    assert (admission.in_progress, admission.running, admission.waiting) == (0, {}, {})


def test_requests_without_a_login_are_ended_first() -> None:
    """Anybody can send those; of each kind the oldest is first."""
    admission, ended = Admission(8), list[int]()
    with ExitStack() as stack:
        for number in range(8):

            def end(_: Exception, number: int = number) -> None:
                ended.append(number)

            stack.enter_context(admission.admit((STRANGERS,), end, has_login=number % 2 == 0))

    assert ended == [1, 3, 5, 0]


def test_requests_that_wait_make_room_for_those_of_other_networks() -> None:
    """The network with the most loses its oldest; it gets no place from itself or its equals."""
    admission, ended = Admission(8), list[str]()
    with ExitStack() as stack:

        def admit(name: str) -> Admitted:
            shares = STRANGERS, name[0]
            return stack.enter_context(admission.admit(shares, lambda _: ended.append(name)))

        for name in ("b1", "a1", "a2", "a3", "b2", "c1"):
            with suppress(UpstreamUnavailableError):
                admit(name).set_progress("waiting")
        assert ended == ["a1", "b1"]
        for name in "abc":
            assert admission.refuses_next((STRANGERS, name))
    assert (admission.in_progress, admission.running, admission.waiting) == (0, {}, {})


def test_a_request_that_leaves_lets_the_others_of_its_network_wait() -> None:
    """They still make room for another network."""
    admission, ended = Admission(8), list[str]()
    with ExitStack() as stack:

        def admit(name: str) -> Admitted:
            shares = STRANGERS, name[0]
            return stack.enter_context(admission.admit(shares, lambda _: ended.append(name)))

        first = admit("a1")
        for request in (first, admit("a2"), admit("a3")):
            request.set_progress("waiting")
        first.leave()
        for name in ("b1", "c1", "d1"):
            admit(name).set_progress("waiting")

    assert ended == ["a2"]


def test_no_request_of_an_authenticated_caller_is_ended() -> None:
    """It keeps its place while it waits for SuperOffice, however many clients come."""
    admission, ended = Admission(8), list[Exception]()
    with ExitStack() as stack:
        for shares in 3 * [("kari",)] + [(STRANGERS, name) for name in "abc"]:
            with suppress(UpstreamUnavailableError):
                admitted = stack.enter_context(admission.admit(shares, ended.append))
                admitted.set_progress("waiting")

        assert admission.of_shares["kari"] == 3
        assert admission.refuses_next((STRANGERS, "another"))
    assert not ended


def test_a_network_with_many_requests_ends_none_with_a_login_of_another() -> None:
    """A new query takes a while to validate before SuperOffice is called."""
    admission, ended = Admission(8), list[str]()
    with ExitStack() as stack:

        def admit(name: str) -> Admitted:
            admitted = admission.admit(
                (STRANGERS, name[0]), lambda _: ended.append(name), has_login=name != "b1"
            )
            return stack.enter_context(admitted)

        for name in ("a1", "a2", "a3"):
            admit(name).set_progress("waiting")
        admit("b1")
        admit("b2")
        assert ended == ["b1"]
        assert admission.refuses_next((STRANGERS, "a"))

        admit("b3")
        assert ended == ["b1", "b2"]


def test_a_request_that_was_answered_is_not_ended() -> None:
    """Nor is one whose credentials SuperOffice has just accepted."""
    admission, ended = Admission(2), list[str]()
    with admission.admit((STRANGERS, "a"), lambda _: ended.append("a")) as first:
        first.set_progress("waiting")
        first.set_progress("accepted")

        assert admission.refuses_next((STRANGERS, "b"))
    assert not ended


async def test_a_flood_of_wrong_logins_keeps_no_newcomer_of_another_network_out(
    slow: SlowRest,
) -> None:
    """SuperOffice may take seconds to refuse each, and knows nobody after a restart."""
    async with gateway_over(slow, max_requests=8, upstream_connections=1) as gateway:

        async def ask(login: str, address: str) -> httpx.Response:
            transport = httpx.ASGITransport(gateway.app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                headers = {"Authorization": f"Bearer {login}"}
                return await http.post("/graphql", json={"query": QUERY}, headers=headers)

        flood = [asyncio.create_task(ask(f"guess{number}", "192.0.2.1")) for number in range(9)]
        await slow.wait_for_calls(1)
        await until(lambda: sum(one.done() for one in flood) == 5)
        newcomer = asyncio.create_task(ask("newcomer", "192.0.2.2"))
        await until(lambda: sum(one.done() for one in flood) == 6)
        slow.may_answer.set()

        assert (await newcomer).json() == NONE
        await asyncio.gather(*flood)


async def test_an_event_stream_counts_until_its_first_event(rest: RestSide) -> None:
    """An event stream, which may last for hours, counts as a request until its first event only."""
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
        assert admission.in_progress == 0
        has_left.set()
        await running
        assert admission.in_progress == 0


def test_shedding_is_logged_once_per_burst() -> None:
    """One warning a burst names the cause; each shed request has its own access log line."""
    clock = FakeClock()
    admission = Admission(0, clock=clock)

    with logged() as log:
        for later_s in (0, 50, 50, 61):
            clock.now += later_s
            assert admission.refuses_next(("a",))

    assert warnings(log) == ["0 requests are in progress: more get 503"] * 2


def test_more_connections_than_the_limit_exceed_it() -> None:
    """More open connections than the limit exceed it."""
    limit = ConnectionLimit(3)

    assert [limit.is_exceeded(range(count)) for count in (1, 3, 4, 5, 3)] == [
        False,
        False,
        True,
        True,
        False,
    ]


def test_too_many_connections_are_logged_once_per_burst() -> None:
    """Too many connections are logged once, and again after a minute below the limit."""
    clock = FakeClock()
    limit = ConnectionLimit(1, clock=clock)

    with logged() as log:
        for later_s in (0, 0, 59, 59, 61, 1):
            clock.now += later_s
            limit.is_exceeded(range(2))

    assert (
        warnings(log)
        == ["1 connections are open: new ones replace those without a whole request"] * 2
    )


def warnings(log: Any) -> list[str]:
    """Return the texts of the warnings in a log."""
    return [event["event"] for event in log.events if event["level"] == "warning"]
