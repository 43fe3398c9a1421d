"""What the client sends to REST, when it tries again, and what it says when REST fails."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.caller import Header
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamRateLimitedError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
    UpstreamUnavailableError,
)
from gateway.upstream.client import PATH, UpstreamClient

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
    rest: Any, *, host: str = HOST, timeout_s: float = 5
) -> AsyncIterator[UpstreamClient]:
    """Make a client whose network is `rest`."""
    client = UpstreamClient(
        url=f"https://{host}/crm",
        connect_timeout_s=1,
        timeout_s=timeout_s,
        connections=8,
        max_bytes=1_000,
        transport=httpx.MockTransport(rest),
    )
    try:
        yield client
    finally:
        await client.aclose()


async def failure_of(rest: Any, **options: Any) -> UpstreamError:
    """Make one call that has to fail."""
    async with client_of(rest, **options) as client:
        # A task of its own: Python 3.11 stops tracing, and coverage counting, every coroutine that
        # a timeout was thrown through, even where one further in catches it.
        call = asyncio.create_task(client.fetch(CALLER))
        await asyncio.wait([call])
        with pytest.raises(UpstreamError) as caught:
            call.result()
    return caught.value


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
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
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

    error = await failure_of(rest, timeout_s=5)

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
        await asyncio.sleep(0.3 if calls == 1 else 60)
        return failing(503)

    started = time.monotonic()
    error = await failure_of(rest, timeout_s=0.8)

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

    error = await failure_of(rest, timeout_s=0.2)

    assert type(error) is UpstreamTimeoutError
    assert str(error) == "REST did not answer within 0.2 seconds."
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
