"""What the client sends to REST, when it tries again, and what it says when REST fails."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamInterruptedError,
    UpstreamNotCalledError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.headers import Header
from gateway.upstream import client as upstream_client
from gateway.upstream.client import PATH, UpstreamClient
from tests.support import loaded
from tests.upstream.clock import FakeClock

HOST = "rest.invalid:8443"
SECRET = "/home/rest/private"
CALLER: list[Header] = [(b"authorization", b"Basic ZGVtbzpkZW1v")]

OURS = {
    (b"host", HOST.encode()),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip"),
    (b"user-agent", b"superoffice-chat-gateway"),
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the random pause before a retry take a millisecond."""
    monkeypatch.setattr("random.uniform", lambda low, high: 0.001)


class Script:
    """Plays REST: gives its answers in turn, the last of them for ever; an exception is raised."""

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


def good() -> httpx.Response:
    """Make the answer of a REST that is well."""
    return httpx.Response(200, content=b"[]")


def failing(status: int, **headers: str) -> httpx.Response:
    """Make an answer with another status, and a text that is nobody's business."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=sent, text=SECRET)


@contextlib.asynccontextmanager
async def client_of(
    rest: Any, *, host: str = HOST, **options: Any
) -> AsyncIterator[UpstreamClient]:
    """Make a client whose network is `rest`; `options` are settings, and its clock."""
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
    """Make one call that has to fail."""
    async with client_of(rest, **options) as client:
        return await failed(client)


async def failed(client: UpstreamClient, caller: list[Header] = CALLER) -> UpstreamError:
    """Make one call that has to fail, with a client that is there already."""
    # A task of its own: Python 3.11 stops tracing, and coverage counting, every coroutine that a
    # timeout was thrown through, even where one further in catches it.
    call = asyncio.create_task(client.fetch(caller))
    await asyncio.wait([call])
    with pytest.raises(UpstreamError) as caught:
        call.result()
    return caught.value


async def settle() -> None:
    """Let every task get as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_gives_the_body_of_a_200() -> None:
    """As bytes: what they mean is not its business."""
    async with client_of(Script(good())) as client:
        assert await client.fetch(CALLER) == b"[]"


async def test_it_calls_the_one_endpoint_without_query_or_body() -> None:
    """REST's operation takes no parameters."""
    rest = Script(good())
    async with client_of(rest) as client:
        await client.fetch(CALLER)

    [request] = rest.requests
    assert request.method == "GET"
    assert str(request.url) == f"https://{HOST}/crm{PATH}"
    assert request.content == b""


async def test_without_headers_only_ours_go_out() -> None:
    """Nothing about this machine or this process is added."""
    rest = Script(good())
    async with client_of(rest) as client:
        await client.fetch([])

    assert {(name.lower(), value) for name, value in rest.requests[0].headers.raw} == OURS


async def test_the_callers_headers_go_out_byte_for_byte() -> None:
    """In any bytes, in their order, repeated ones too."""
    sent = [
        (b"x-xsrf-token", b"\xe6\xf8\xe5 \xff%20=="),
        (b"cookie", b'a=1; b="x, y"; a=2'),
        (b"so-apptoken", b"t" * 4_000),
        (b"accept-language", b"nb"),
        (b"accept-language", b"en;q=0.5"),
        (b"so-language", b""),
    ]
    rest = Script(good())
    async with client_of(rest) as client:
        await client.fetch(sent)

    raw = rest.requests[0].headers.raw
    assert [header for header in raw if (header[0].lower(), header[1]) not in OURS] == sent


async def test_one_callers_headers_do_not_stay_for_the_next() -> None:
    """The client remembers nobody."""
    rest = Script(good())
    async with client_of(rest) as client:
        await client.fetch([(b"authorization", b"Basic first"), (b"so-apptoken", b"first")])
        await client.fetch([(b"authorization", b"Basic second")])

    second = rest.requests[1].headers
    assert second["authorization"] == "Basic second"
    assert "so-apptoken" not in second


async def test_a_cookie_that_rest_sets_is_not_kept() -> None:
    """It was for one caller; on `localhost`, too, where cookie rules differ."""
    rest = Script(httpx.Response(200, headers={"Set-Cookie": "id=1; Path=/"}, content=b"[]"))
    async with client_of(rest, host="localhost") as client:
        await client.fetch(CALLER)
        await client.fetch(CALLER)

    assert "cookie" not in rest.requests[1].headers


async def test_a_cookie_that_rest_sets_is_not_sent_with_the_retry() -> None:
    """An answer that failed leaves nothing behind either."""
    rest = Script(failing(503, Set_Cookie="id=1; Path=/"), good())
    async with client_of(rest, host="localhost") as client:
        await client.fetch(CALLER)

    assert "cookie" not in rest.requests[1].headers


async def test_the_callers_own_cookie_goes_out_unmixed() -> None:
    """What REST set for somebody is not added to what a caller sends."""
    rest = Script(httpx.Response(200, headers={"Set-Cookie": "id=1; Path=/"}, content=b"[]"))
    async with client_of(rest, host="localhost") as client:
        await client.fetch(CALLER)
        await client.fetch([(b"cookie", b"id=2")])

    assert rest.requests[1].headers.get_list("cookie") == ["id=2"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["https://elsewhere.invalid/", PATH])
async def test_a_redirect_is_not_followed(status: int, target: str) -> None:
    """Wherever it points: the credentials are for one address."""
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


@pytest.mark.parametrize("trouble", [*BROKEN, *map(failing, (502, 503, 504))], ids=repr)
async def test_after_a_passing_trouble_it_tries_once_more(
    trouble: httpx.Response | Exception,
) -> None:
    """The caller does not notice."""
    rest = Script(trouble, good())
    async with client_of(rest) as client:
        assert await client.fetch(CALLER) == b"[]"

    assert rest.calls == 2


@pytest.mark.parametrize("trouble", [*BROKEN, *map(failing, (502, 503, 504))], ids=repr)
async def test_it_tries_no_more_than_twice(trouble: httpx.Response | Exception) -> None:
    """Then the caller is told that REST is not available."""
    rest = Script(trouble)

    error = await failure_of(rest)

    assert type(error) is UpstreamUnavailableError
    assert rest.calls == 2


async def test_the_retry_sends_the_same_headers() -> None:
    """Credentials included."""
    rest = Script(failing(503), good())
    async with client_of(rest) as client:
        await client.fetch(CALLER)

    first, second = rest.requests
    assert first.headers.raw == second.headers.raw


async def test_the_second_trouble_is_the_one_reported() -> None:
    """It is the newer one, and may say more."""
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
async def test_what_a_retry_cannot_cure_is_not_tried_again(
    status: int, kind: type[UpstreamError]
) -> None:
    """A wrong password sent twice is two failed log-ins."""
    rest = Script(failing(status))

    error = await failure_of(rest)

    assert type(error) is kind
    assert rest.calls == 1


@pytest.mark.parametrize(
    "exc", [httpx.RemoteProtocolError("illegal status line"), httpx.RemoteProtocolError("")]
)
async def test_what_is_not_http_is_a_bad_response_at_once(exc: Exception) -> None:
    """A server that talks nonsense would do so again."""
    rest = Script(exc)

    error = await failure_of(rest)

    assert type(error) is UpstreamBadResponseError
    assert rest.calls == 1


async def test_a_body_that_is_too_large_is_not_fetched_again() -> None:
    """Once was enough."""
    rest = Script(httpx.Response(200, content=bytes(1_001)))

    error = await failure_of(rest)

    assert type(error) is UpstreamBadResponseError
    assert rest.calls == 1


@pytest.mark.parametrize("retry_after", ["5", "3600", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_wait_longer_than_the_deadline_is_not_begun(retry_after: str) -> None:
    """The caller is told at once, and for how long."""
    rest = Script(failing(503, Retry_After=retry_after), good())
    started = time.monotonic()

    error = await failure_of(rest, timeout=5)

    assert rest.calls == 1
    assert error.retry_after_s
    assert time.monotonic() - started < 4


async def test_a_wait_within_the_deadline_is_kept() -> None:
    """REST is not called before the time it gave."""
    rest = Script(failing(503, Retry_After="1"), good())
    started = time.monotonic()
    async with client_of(rest) as client:
        await client.fetch(CALLER)

    assert rest.calls == 2
    assert time.monotonic() - started > 0.9


async def test_one_deadline_holds_for_the_whole_call() -> None:
    """The retry gets what the first attempt has left."""
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


async def test_a_timeout_is_not_tried_again() -> None:
    """There is no time left for it."""
    calls = 0

    async def rest(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return await asyncio.sleep(60, good())

    error = await failure_of(rest, timeout=0.2)

    assert type(error) is UpstreamTimeoutError
    assert str(error) == "SuperOffice did not answer within 0.2 seconds."
    assert calls == 1


@pytest.mark.parametrize(
    "trouble",
    [*BROKEN, httpx.RemoteProtocolError(SECRET), *map(failing, (204, 302, 400, 401, 403, 500))],
    ids=repr,
)
async def test_messages_hold_neither_address_nor_foreign_words(
    trouble: httpx.Response | Exception,
) -> None:
    """Everything in the error is written for the client."""
    error = await failure_of(Script(trouble))

    shown = f"{error} {error.extensions}"
    foreign = [HOST, "rest.invalid", PATH, SECRET, "disconnected", "ssl", "Basic", "ZGVtbz"]
    assert [word for word in foreign if word in shown] == []


async def test_the_answer_of_a_failure_is_closed() -> None:
    """Its connection goes back to the pool."""
    answer = failing(403)

    await failure_of(Script(answer))

    assert answer.is_closed


async def test_a_bug_is_not_taken_for_an_upstream_error() -> None:
    """Only what the network does wrong is translated."""
    async with client_of(Script(ZeroDivisionError())) as client:
        with pytest.raises(ZeroDivisionError):
            await client.fetch(CALLER)


class Interrupted(httpx.AsyncByteStream):
    """A body whose connection breaks after its first byte."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"["
        raise httpx.ReadError(SECRET)


async def test_an_answer_that_breaks_off_is_not_fetched_again() -> None:
    """A byte of it has been used."""
    rest = Script(httpx.Response(200, stream=Interrupted()), good())

    error = await failure_of(rest)

    assert type(error) is UpstreamInterruptedError
    assert rest.calls == 1


async def test_when_the_budget_is_spent_there_is_no_retry() -> None:
    """An outage does not double REST's load."""
    rest = Script(failing(503))
    async with client_of(rest, breaker_failures=0, clock=FakeClock()) as client:
        for _ in range(200):
            await failed(client)

    assert rest.calls - 200 == pytest.approx(140, abs=1)  # a hundred, and a fifth of the calls


async def test_a_rest_side_that_fails_again_and_again_is_left_alone() -> None:
    """Whoever calls next is told so at once, without a call, and when to come back."""
    rest = Script(failing(500), *[failing(400)] * 20, httpx.ConnectError(SECRET))
    async with client_of(rest, breaker_failures=2, clock=FakeClock()) as client:
        for number in range(23):
            await failed(client, [(b"authorization", b"Basic %d" % number)])
        before = rest.calls
        error = await failed(client)

    assert client.breaker.state == "open"
    assert type(error) is UpstreamNotCalledError
    assert error.extensions == {"code": "UPSTREAM_UNAVAILABLE", "retryAfter": 5}
    assert rest.calls == before


async def test_a_call_and_its_retry_count_as_one_failure() -> None:
    """So as not to be left alone for half as many failures as were allowed for."""
    rest = Script(failing(503))
    async with client_of(rest, breaker_failures=2) as client:
        await failed(client)
        before = client.breaker.state
        await failed(client, [(b"authorization", b"Basic Ym9iOmJvYg==")])

    assert (before, client.breaker.state) == ("closed", "open")
    assert rest.calls == 4


async def test_a_rest_side_that_is_well_again_is_found_out_by_one_call() -> None:
    """And there it stays: the probe is not tried again, the next time is."""
    rest = Script(*[failing(503)] * 3, good())
    clock = FakeClock()
    async with client_of(rest, breaker_failures=1, clock=clock) as client:
        await failed(client)
        clock.advance(5)
        await failed(client)
        assert rest.calls == 3

        clock.advance(10)
        assert await client.fetch(CALLER) == b"[]"

    assert client.breaker.state == "closed"


async def test_timeouts_open_the_breaker_too() -> None:
    """A REST side that hangs costs more than one that refuses."""

    async def rest(request: httpx.Request) -> httpx.Response:
        return await asyncio.sleep(60, good())

    async with client_of(rest, breaker_failures=1, timeout=0.02) as client:
        await failed(client)

    assert client.breaker.state == "open"


async def test_no_more_calls_than_connections_are_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others wait in line, and the line has an end."""
    go_on = asyncio.Event()
    at_rest = 0

    async def rest(request: httpx.Request) -> httpx.Response:
        nonlocal at_rest
        at_rest += 1
        await go_on.wait()
        return good()

    monkeypatch.setattr(upstream_client, "CALLS_WAITING", 1)
    async with client_of(rest, connections=2) as client:
        calls = [asyncio.create_task(client.fetch(CALLER)) for _ in range(3)]
        await settle()
        assert (at_rest, client.gate.busy, client.gate.waiting) == (2, 2, 1)
        error = await failed(client)
        go_on.set()
        bodies = await asyncio.gather(*calls)

    assert type(error) is UpstreamNotCalledError
    assert "Too many calls wait" in str(error)
    assert bodies == [b"[]"] * 3


async def test_the_deadline_holds_in_the_line_too() -> None:
    """And says nothing about REST, which was never asked."""
    rest = Script(good())
    async with (
        client_of(rest, connections=1, breaker_failures=1, timeout=0.02) as client,
        client.gate.slot(),
    ):
        error = await failed(client)

        assert type(error) is UpstreamTimeoutError
        assert client.breaker.state == "closed"
        assert client.gate.waiting == 0
    assert rest.calls == 0


async def test_who_pauses_before_a_retry_lets_others_through() -> None:
    """A pause is no call."""
    rest = Script(failing(503, Retry_After="2"), good())
    async with client_of(rest, connections=1) as client:
        pausing = asyncio.create_task(client.fetch(CALLER))
        await settle()
        assert await client.fetch([]) == b"[]"

        assert not pausing.done()
        pausing.cancel()
        await asyncio.wait([pausing])
    assert client.gate.busy == 0


async def test_a_caller_that_was_too_fast_is_held_off() -> None:
    """Until the time REST gave, no call of that caller's is made; others are served."""
    rest = Script(failing(429, Retry_After="7"), good())
    clock = FakeClock()
    async with client_of(rest, clock=clock) as client:
        first = await failed(client)
        clock.advance(3)
        held = await failed(client, [*CALLER, (b"accept-language", b"nb")])
        assert rest.calls == 1
        assert await client.fetch([(b"authorization", b"Basic other")]) == b"[]"
        clock.advance(4)
        assert await client.fetch(CALLER) == b"[]"

    assert first.extensions == {"code": "RATE_LIMITED", "upstreamStatus": 429, "retryAfter": 7}
    assert held.extensions == {"code": "RATE_LIMITED", "retryAfter": 4}


async def test_being_held_off_does_not_prolong_it() -> None:
    """However impatient the caller is."""
    rest = Script(failing(429, Retry_After="1"), good())
    clock = FakeClock()
    async with client_of(rest, clock=clock) as client:
        await failed(client)
        for _ in range(9):
            clock.advance(0.1)
            await failed(client)
        clock.advance(0.1)
        assert await client.fetch(CALLER) == b"[]"


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "0"}, {"Retry_After": "soon"}], ids=repr)
async def test_a_429_that_names_no_time_holds_nobody_off(headers: dict[str, str]) -> None:
    """It is passed on, and that is all."""
    rest = Script(failing(429, **headers), good())
    async with client_of(rest) as client:
        await failed(client)
        assert await client.fetch(CALLER) == b"[]"


async def test_a_503_holds_no_caller_off() -> None:
    """It is about REST, not about who asked; that is the breaker's business."""
    rest = Script(failing(503, Retry_After="3600"), good())
    async with client_of(rest) as client:
        await failed(client)
        assert await client.fetch(CALLER) == b"[]"


@pytest.mark.parametrize("is_probe", [False, True])
async def test_a_call_that_is_cancelled_leaves_nothing_behind(is_probe: bool) -> None:
    """No slot, no place in line, no probe that is out for ever."""
    go_on = asyncio.Event()
    clock = FakeClock()
    is_down = is_probe

    async def rest(request: httpx.Request) -> httpx.Response:
        if is_down:
            raise httpx.ConnectError(SECRET)
        await go_on.wait()
        return good()

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
