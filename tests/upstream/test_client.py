"""The client of the REST API: headers that it sends, retries, limits and errors."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.caller import Caller
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamInterruptedError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.store.shared_rate import SharedRate
from gateway.upstream import client as upstream_client
from gateway.upstream.budget import Budget
from gateway.upstream.client import PATH, UpstreamClient
from tests.clock import FakeClock
from tests.support import loaded
from tests.waiting import settle

HOST = "rest.invalid:8443"
SECRET = "/home/rest/private"
CALLER = Caller(((b"authorization", b"Basic ZGVtbzpkZW1v"),))

OURS = {
    (b"host", HOST.encode()),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"user-agent", b"superoffice-chat-gateway"),
    (b"cache-control", b"no-cache, no-store"),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the random pause before a retry to a millisecond."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.001)


class Script:
    """Plays REST: returns or raises its answers in turn, and repeats the last."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = answers
        self.requests: list[httpx.Request] = []

    @property
    def calls(self) -> int:
        return len(self.requests)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(self.calls, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok() -> httpx.Response:
    """Return a successful answer."""
    return httpx.Response(200, content=b"[]")


def failing(status: int, **headers: str) -> httpx.Response:
    """Return an answer with another status and a secret text."""
    raw_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=raw_headers, text=SECRET)


@contextlib.asynccontextmanager
async def client_of(
    rest: Any, *, host: str = HOST, **options: Any
) -> AsyncIterator[UpstreamClient]:
    """Make a client whose network is `rest`; `options` are settings and its clock."""
    clock = options.pop("clock", time.monotonic)
    settings = loaded(
        {
            "upstream_url": f"https://{host}/crm",
            "upstream_timeout": options.pop("timeout", 5),
            "upstream_connections": options.pop("connections", 8),
            "max_upstream_bytes": options.pop("max_bytes", 1_000),
            **options,
        }
    )
    transport = httpx.MockTransport(rest)
    client = UpstreamClient(settings, settings.address, transport, clock=clock)
    try:
        yield client
    finally:
        await client.aclose()


async def failure_of(rest: Any, **options: Any) -> UpstreamError:
    """Make one call that must fail with a new client, and return the error."""
    async with client_of(rest, **options) as client:
        return await failed(client)


async def failed(client: UpstreamClient, caller: Caller = CALLER) -> UpstreamError:
    """Make one call that must fail with this client, and return the error."""
    # In a task: Python 3.11 stops tracing, and coverage counting, every coroutine that a timeout
    # was thrown through, even if an inner one catches it.
    call = asyncio.create_task(client.fetch(caller))
    await asyncio.wait([call])
    with pytest.raises(UpstreamError) as caught:
        call.result()
    return caught.value


async def test_the_body_of_a_200_is_returned() -> None:
    """The body of a 200 is returned as bytes."""
    async with client_of(Script(ok())) as client:
        assert await client.fetch(CALLER) == b"[]"


async def test_it_calls_the_one_endpoint_without_query_or_body() -> None:
    """The client calls the one endpoint, which takes no parameters."""
    rest = Script(ok())
    async with client_of(rest) as client:
        await client.fetch(CALLER)

    [request] = rest.requests
    assert request.method == "GET"
    assert str(request.url) == f"https://{HOST}/crm{PATH}"
    assert request.content == b""


async def test_without_a_callers_headers_only_ours_are_sent() -> None:
    """Headers that describe this machine or process are not sent."""
    rest = Script(ok())
    async with client_of(rest) as client:
        await client.fetch(Caller(()))

    assert {(name.lower(), value) for name, value in rest.requests[0].headers.raw} == OURS


async def test_the_callers_headers_are_sent_byte_for_byte() -> None:
    """The caller's headers keep their bytes, order and repetitions."""
    headers = (
        (b"x-xsrf-token", b"\xe6\xf8\xe5 \xff%20=="),
        (b"cookie", b'a=1; b="x, y"; a=2'),
        (b"so-apptoken", b"t" * 4_000),
        (b"accept-language", b"nb"),
        (b"accept-language", b"en;q=0.5"),
        (b"so-language", b""),
    )
    rest = Script(ok())
    async with client_of(rest) as client:
        await client.fetch(Caller(headers))

    raw = rest.requests[0].headers.raw
    assert tuple(header for header in raw if (header[0].lower(), header[1]) not in OURS) == headers


async def test_one_callers_headers_are_not_sent_for_the_next() -> None:
    """The headers of one caller are not sent for the next."""
    rest = Script(ok())
    async with client_of(rest) as client:
        await client.fetch(
            Caller(
                (
                    (b"authorization", b"Basic first"),
                    (b"so-apptoken", b"first"),
                )
            )
        )
        await client.fetch(Caller(((b"authorization", b"Basic second"),)))

    second = rest.requests[1].headers
    assert second["authorization"] == "Basic second"
    assert "so-apptoken" not in second


async def test_a_cookie_that_rest_sets_is_not_stored() -> None:
    """A cookie from REST is for one caller, and not sent with the next call."""
    rest = Script(httpx.Response(200, headers={"Set-Cookie": "id=1; Path=/"}, content=b"[]"))
    async with client_of(rest, host="localhost") as client:
        await client.fetch(CALLER)
        await client.fetch(CALLER)

    assert "cookie" not in rest.requests[1].headers


async def test_a_cookie_that_rest_sets_is_not_sent_with_the_retry() -> None:
    """A cookie in a failed answer is not sent with the retry."""
    rest = Script(failing(503, Set_Cookie="id=1; Path=/"), ok())
    async with client_of(rest, host="localhost") as client:
        await client.fetch(CALLER)

    assert "cookie" not in rest.requests[1].headers


async def test_the_callers_own_cookie_is_sent_alone() -> None:
    """A cookie that REST set for one caller is not added to another caller's."""
    rest = Script(httpx.Response(200, headers={"Set-Cookie": "id=1; Path=/"}, content=b"[]"))
    async with client_of(rest, host="localhost") as client:
        await client.fetch(CALLER)
        await client.fetch(Caller(((b"cookie", b"id=2"),)))

    assert rest.requests[1].headers.get_list("cookie") == ["id=2"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://elsewhere.invalid/", PATH])
async def test_a_redirect_is_not_followed(status: int, target: str) -> None:
    """A redirect is not followed, as the credentials are for one address."""
    rest = Script(failing(status, Location=target))

    error = await failure_of(rest)

    assert type(error) is UpstreamError
    assert rest.calls == 1


BROKEN = [
    httpx.ConnectError(SECRET),
    httpx.ConnectTimeout(SECRET),
    httpx.ReadError(SECRET),
    httpx.WriteError(SECRET),
    httpx.CloseError(SECRET),
    ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] (_ssl.c:2580)"),
]


@pytest.mark.parametrize("failure", [*BROKEN, *map(failing, (502, 503, 504))], ids=repr)
async def test_a_transient_failure_is_retried_once(
    failure: httpx.Response | Exception,
) -> None:
    """After a transient failure the retry succeeds, unnoticed by the caller."""
    rest = Script(failure, ok())
    async with client_of(rest) as client:
        assert await client.fetch(CALLER) == b"[]"

    assert rest.calls == 2


@pytest.mark.parametrize("failure", [*BROKEN, *map(failing, (502, 503, 504))], ids=repr)
async def test_a_call_is_made_twice_at_most(failure: httpx.Response | Exception) -> None:
    """After two failures the caller gets an error."""
    rest = Script(failure)

    error = await failure_of(rest)

    assert type(error) is UpstreamUnavailableError
    assert rest.calls == 2


async def test_the_retry_sends_the_same_headers() -> None:
    """The retry sends the same headers, including credentials."""
    rest = Script(failing(503), ok())
    async with client_of(rest) as client:
        await client.fetch(CALLER)

    first, second = rest.requests
    assert first.headers.raw == second.headers.raw


async def test_the_second_failure_is_reported() -> None:
    """The error of the retry, which is newer, is reported."""
    error = await failure_of(Script(failing(503), failing(401)))

    assert type(error) is UpstreamUnauthenticatedError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UpstreamUnauthenticatedError),
        (403, UpstreamForbiddenError),
        (400, UpstreamError),
        (404, UpstreamError),
        (429, UpstreamRateLimitedError),
        (500, UpstreamError),
        (204, UpstreamBadResponseError),
        (206, UpstreamError),
    ],
)
async def test_a_permanent_failure_is_not_retried(status: int, kind: type[UpstreamError]) -> None:
    """A permanent failure is not retried: two wrong passwords are two failed logins."""
    rest = Script(failing(status))

    error = await failure_of(rest)

    assert type(error) is kind
    assert rest.calls == 1


@pytest.mark.parametrize(
    "exc", [httpx.RemoteProtocolError("illegal status line"), httpx.RemoteProtocolError("")]
)
async def test_invalid_http_is_not_retried(exc: Exception) -> None:
    """Invalid HTTP is a bad response, and not retried."""
    rest = Script(exc)

    error = await failure_of(rest)

    assert type(error) is UpstreamBadResponseError
    assert rest.calls == 1


async def test_a_too_large_body_is_not_retried() -> None:
    """A too large body is not fetched again."""
    rest = Script(httpx.Response(200, content=bytes(1_001)))

    error = await failure_of(rest)

    assert type(error) is UpstreamBadResponseError
    assert rest.calls == 1


@pytest.mark.parametrize("retry_after", ["5", "3600", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_retry_after_beyond_the_deadline_is_reported_at_once(retry_after: str) -> None:
    """The caller gets a Retry-After beyond the deadline at once."""
    rest = Script(failing(503, Retry_After=retry_after), ok())
    started = time.monotonic()

    error = await failure_of(rest, timeout=5)

    assert rest.calls == 1
    assert error.retry_after_s
    assert time.monotonic() - started < 4


async def test_a_retry_after_within_the_deadline_is_obeyed() -> None:
    """REST is not called before the time of its Retry-After."""
    rest = Script(failing(503, Retry_After="1"), ok())
    started = time.monotonic()
    async with client_of(rest) as client:
        await client.fetch(CALLER)

    assert rest.calls == 2
    assert time.monotonic() - started > 0.9


async def test_one_deadline_holds_for_the_whole_call() -> None:
    """The retry has the time that the first attempt has left."""
    calls = 0

    async def rest(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.1 if calls == 1 else 60)
        return failing(503)

    started = time.monotonic()
    error = await failure_of(rest, timeout=3)

    assert type(error) is UpstreamTimeoutError
    assert calls == 2
    assert time.monotonic() - started < 10


async def test_a_timeout_is_not_retried() -> None:
    """After a timeout no time is left for a retry."""
    calls = 0

    async def rest(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return await asyncio.sleep(60, ok())

    error = await failure_of(rest, timeout=0.2)

    assert type(error) is UpstreamTimeoutError
    assert str(error) == "SuperOffice did not answer within 0.2 seconds."
    assert calls == 1


@pytest.mark.parametrize(
    "failure",
    [*BROKEN, httpx.RemoteProtocolError(SECRET), *map(failing, (204, 302, 400, 401, 403, 500))],
    ids=repr,
)
async def test_messages_contain_neither_addresses_nor_texts_of_others(
    failure: httpx.Response | Exception,
) -> None:
    """Error messages contain no address and no text of REST or of a library."""
    error = await failure_of(Script(failure))

    shown = f"{error} {error.extensions}"
    internals = [HOST, "rest.invalid", PATH, SECRET, "disconnected", "ssl", "Basic", "ZGVtbz"]
    assert [word for word in internals if word in shown] == []


async def test_a_failed_answer_is_closed() -> None:
    """A failed answer is closed, so that its connection returns to the pool."""
    answer = failing(403)

    await failure_of(Script(answer))

    assert answer.is_closed


async def test_a_bug_is_not_an_upstream_error() -> None:
    """An exception that is no network error is not translated."""
    async with client_of(Script(ZeroDivisionError())) as client:
        with pytest.raises(ZeroDivisionError):
            await client.fetch(CALLER)


class Interrupted(httpx.AsyncByteStream):
    """A body whose connection breaks after its first byte."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"["
        raise httpx.ReadError(SECRET)


async def test_an_interrupted_answer_is_not_retried() -> None:
    """An answer whose body has begun is not fetched again."""
    rest = Script(httpx.Response(200, stream=Interrupted()), ok())

    error = await failure_of(rest)

    assert type(error) is UpstreamInterruptedError
    assert rest.calls == 1


async def test_retries_have_a_budget() -> None:
    """An outage adds a fifth to REST's load and does not double it."""
    rest = Script(failing(503))
    async with client_of(rest, breaker_failures=0, clock=FakeClock()) as client:
        for _ in range(200):
            await failed(client)

    # the reserve of 100, and a fifth of the calls
    assert rest.calls - 200 == pytest.approx(140, abs=1)


async def test_a_retry_over_the_rate_leaves_the_first_failure() -> None:
    """If no call is left for the retry, the failure is reported, with its cause, and counted."""
    rest, clock = Script(httpx.ConnectError(SECRET)), FakeClock()
    async with client_of(rest, timeout=1, breaker_failures=1, clock=clock) as client:
        client.budget = Budget(SharedRate("", 1, clock=clock), queue=5)
        error = await failed(client)

    assert rest.calls == 1
    assert type(error) is UpstreamUnavailableError
    assert type(error.__cause__) is httpx.ConnectError
    assert client.breaker.state == "open"


async def test_after_repeated_failures_rest_is_not_called() -> None:
    """With the breaker open, callers get an error and a Retry-After without a REST call."""
    rest = Script(failing(500), *[failing(400)] * 20, httpx.ConnectError(SECRET))
    async with client_of(rest, breaker_failures=2, clock=FakeClock()) as client:
        for number in range(23):
            await failed(client, Caller(((b"authorization", b"Basic %d" % number),)))
        before = rest.calls
        error = await failed(client)

    assert client.breaker.state == "open"
    assert type(error) is UpstreamUnavailableError and not error.call_was_made
    assert error.extensions == {"code": "UPSTREAM_UNAVAILABLE", "retryAfter": 5}
    assert rest.calls == before


async def test_a_call_and_its_retry_count_as_one_failure() -> None:
    """A call and its retry count as one failure for the breaker."""
    rest = Script(failing(503))
    async with client_of(rest, breaker_failures=2) as client:
        await failed(client)
        before = client.breaker.state
        await failed(client, Caller(((b"authorization", b"Basic Ym9iOmJvYg=="),)))

    assert (before, client.breaker.state) == ("closed", "open")
    assert rest.calls == 4


async def test_one_probe_closes_the_breaker() -> None:
    """After the cooldown one probe, which is not retried, closes the breaker if it succeeds."""
    rest = Script(*[failing(503)] * 3, ok())
    clock = FakeClock()
    async with client_of(rest, breaker_failures=1, clock=clock) as client:
        client.budget = Budget(SharedRate("", 100, clock=clock), queue=5)
        await failed(client)
        clock.advance(5)
        await failed(client)
        assert rest.calls == client.budget.granted == 3

        clock.advance(10)
        assert await client.fetch(CALLER) == b"[]"

    assert client.breaker.state == "closed"


async def test_timeouts_open_the_breaker() -> None:
    """Timeouts open the breaker, as failures do."""

    async def rest(request: httpx.Request) -> httpx.Response:
        return await asyncio.sleep(60, ok())

    async with client_of(rest, breaker_failures=1, timeout=0.02) as client:
        await failed(client)

    assert client.breaker.state == "open"


async def test_a_timeout_after_a_pause_of_the_machine_does_not_open_the_breaker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A timeout that comes late is ours: REST may have answered while the process stood still."""

    async def rest(request: httpx.Request) -> httpx.Response:
        time.sleep(0.1)  # noqa: ASYNC251  blocks on purpose
        return await asyncio.sleep(60, ok())

    monkeypatch.setattr(upstream_client, "_STALL_S", 0.05)
    async with client_of(rest, breaker_failures=1, timeout=0.02) as client:
        error = await failed(client)

        assert type(error) is UpstreamTimeoutError and error.call_was_made
        assert client.breaker.state == "closed"


async def test_calls_past_the_connections_wait_in_a_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls past the number of connections wait in a queue, and past its end they are refused."""
    go_on = asyncio.Event()
    started = 0

    async def rest(request: httpx.Request) -> httpx.Response:
        nonlocal started
        started += 1
        await go_on.wait()
        return ok()

    monkeypatch.setattr(upstream_client, "CALLS_WAITING", 1)
    async with client_of(rest, connections=2) as client:
        go_on.set()
        await client.fetch(CALLER)
        go_on.clear()
        calls = [asyncio.create_task(client.fetch(CALLER)) for _ in range(3)]
        await settle()
        assert (started, client.gate.busy, client.gate.waiting) == (3, 2, 1)
        error = await failed(client)
        go_on.set()
        bodies = await asyncio.gather(*calls)

    assert type(error) is UpstreamUnavailableError and not error.call_was_made
    assert "Too many calls wait" in str(error)
    assert bodies == [b"[]"] * 3


async def test_a_timeout_in_the_queue_does_not_open_the_breaker() -> None:
    """The deadline holds in the queue, and such a timeout does not count against REST."""
    rest = Script(ok())
    async with (
        client_of(rest, connections=1, breaker_failures=1, timeout=0.02) as client,
        client.gate.slot("another"),
    ):
        error = await failed(client)

        assert type(error) is UpstreamTimeoutError
        assert str(error) == "No connection was free within 0.02 seconds."
        assert not error.call_was_made
        assert client.breaker.state == "closed"
        assert client.gate.waiting == 0
    assert rest.calls == 0


async def test_a_pause_before_a_retry_frees_the_slot() -> None:
    """A call that pauses before its retry frees its slot for others."""
    rest = Script(failing(503, Retry_After="2"), ok())
    async with client_of(rest, connections=1) as client:
        pausing = asyncio.create_task(client.fetch(CALLER))
        await settle()
        assert await client.fetch(Caller(())) == b"[]"

        assert not pausing.done()
        pausing.cancel()
        await asyncio.wait([pausing])
    assert client.gate.busy == 0


async def test_after_a_429_a_caller_is_held_off() -> None:
    """After a 429 no call of this caller is made until its Retry-After; others are served."""
    rest = Script(failing(429, Retry_After="7"), ok())
    clock = FakeClock()
    async with client_of(rest, clock=clock) as client:
        first = await failed(client)
        clock.advance(3)
        held = await failed(client, Caller((*CALLER.headers, (b"accept-language", b"nb"))))
        assert rest.calls == 1
        assert await client.fetch(Caller(((b"authorization", b"Basic other"),))) == b"[]"
        clock.advance(4)
        assert await client.fetch(CALLER) == b"[]"

    assert first.extensions == {"code": "RATE_LIMITED", "upstreamStatus": 429, "retryAfter": 7}
    assert held.extensions == {"code": "RATE_LIMITED", "retryAfter": 4}


async def test_refused_calls_do_not_prolong_the_hold() -> None:
    """Calls of a caller that is held off do not prolong the hold."""
    rest = Script(failing(429, Retry_After="1"), ok())
    clock = FakeClock()
    async with client_of(rest, clock=clock) as client:
        await failed(client)
        for _ in range(9):
            clock.advance(0.1)
            await failed(client)
        clock.advance(0.1)
        assert await client.fetch(CALLER) == b"[]"


@pytest.mark.parametrize("failure", [failing(401), failing(429, Retry_After="30")], ids=repr)
@pytest.mark.parametrize("is_for_rate", [False, True], ids=["connection", "rate"])
async def test_a_waiting_call_is_not_made_after_a_refusal(
    is_for_rate: bool, failure: httpx.Response
) -> None:
    """Calls of a caller that wait for a connection or the rate are not made after its refusal."""
    script, go_on = Script(failure, ok()), asyncio.Event()

    async def rest(request: httpx.Request) -> httpx.Response:
        await go_on.wait()
        return script(request)

    async with client_of(rest, connections=2) as client:
        client.budget = Budget(SharedRate("", 5), queue=5)
        queue = client.budget.requests if is_for_rate else client.gate
        first = asyncio.create_task(failed(client))
        await settle()
        async with queue.slot("another"):
            waiting = asyncio.create_task(failed(client))
            await settle()
            assert queue.waiting == 1
            go_on.set()
            errors = [await first]
        errors.append(await waiting)

    assert script.calls == 1
    assert [error.call_was_made for error in errors] == [True, False]
    assert len({error.extensions["code"] for error in errors}) == 1


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "0"}, {"Retry_After": "soon"}], ids=repr)
async def test_a_429_without_retry_after_holds_no_caller_off(headers: dict[str, str]) -> None:
    """A 429 without a valid Retry-After is passed on and holds no caller off."""
    rest = Script(failing(429, **headers), ok())
    async with client_of(rest) as client:
        await failed(client)
        assert await client.fetch(CALLER) == b"[]"


async def test_a_503_holds_no_caller_off() -> None:
    """A 503 is about REST, so it concerns the breaker and no caller."""
    rest = Script(failing(503, Retry_After="3600"), ok())
    async with client_of(rest) as client:
        await failed(client)
        assert await client.fetch(CALLER) == b"[]"


@pytest.mark.parametrize("is_probe", [False, True])
async def test_a_cancelled_call_leaves_nothing_behind(is_probe: bool) -> None:
    """A cancelled call frees its slot, its place in the queue and its probe."""
    go_on = asyncio.Event()
    clock = FakeClock()
    is_down = is_probe

    async def rest(request: httpx.Request) -> httpx.Response:
        if is_down:
            raise httpx.ConnectError(SECRET)
        await go_on.wait()
        return ok()

    async with client_of(rest, connections=1, breaker_failures=1, clock=clock) as client:
        if is_probe:
            await failed(client)
            clock.advance(5)
            is_down = False
        call = asyncio.create_task(client.fetch(CALLER))
        await settle()
        assert client.gate.busy == 1
        call.cancel()
        await asyncio.wait([call])
        assert client.gate.busy == 0
        go_on.set()

        assert await client.fetch(CALLER) == b"[]"
