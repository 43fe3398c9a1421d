"""The answers of a gateway for each known fault of REST and the network.

With application/json the status is 200 and the code shows the fault; with graphql-response+json
the status shows it, too.
"""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.upstream.client import PATH
from tests.support import Gateway
from tests.upstream.faulty import (
    BODY,
    DATA,
    MARKER,
    FaultyRest,
    Play,
    answer,
    ask,
    closes,
    drips,
    failure_of,
    faulty_rest,
    gateway_to,
    head,
    leaks_in,
    resets,
    sends_in_parts,
    stalls,
)

pytestmark = pytest.mark.socket

MARKED = json.dumps([{"ChatSessionId": 1, "CustomerName": MARKER}]).encode()
LOGIN_PAGE = f"<!DOCTYPE html><html><title>{MARKER}</title></html>".encode()
CHUNKED = head("Content-Type: application/json", "Transfer-Encoding: chunked")


@dataclass(frozen=True)
class Fault:
    """A fault of REST and the expected answer."""

    play: Play
    code: str
    status: int
    upstream_status: int | None = None
    calls: int = 1


def bad_body(body: bytes, *headers: str, content_type: str = "application/json") -> Fault:
    """A 200 with an unusable body."""
    play = answer(body, *headers, content_type=content_type)
    return Fault(play, "UPSTREAM_BAD_RESPONSE", 502, upstream_status=200)


def bad_http(play: Play) -> Fault:
    """Invalid or incomplete HTTP."""
    return Fault(play, "UPSTREAM_BAD_RESPONSE", 502)


def broken(play: Play) -> Fault:
    """A connection that breaks, also at the retry."""
    return Fault(play, "UPSTREAM_UNAVAILABLE", 503, calls=2)


def interrupted(play: Play) -> Fault:
    """A connection that breaks within the body."""
    return Fault(play, "UPSTREAM_UNAVAILABLE", 503)


def slow(play: Play) -> Fault:
    """An answer that does not arrive in time."""
    return Fault(play, "UPSTREAM_TIMEOUT", 504)


def refused(status: int, code: str, http_status: int, *headers: str, calls: int = 1) -> Fault:
    """Another status than 200, with an HTML page."""
    play = answer(LOGIN_PAGE, *headers, status=f"{status} {MARKER}", content_type="text/html")
    if status in {204, 304}:
        play = head(*headers, status=f"{status} {MARKER}")
    return Fault(play, code, http_status, upstream_status=status, calls=calls)


def refused_as(status: int, play: bytes, code: str, http_status: int) -> Fault:
    """Another status than 200, in one packet with a body that breaks HTTP."""
    return Fault(play, code, http_status, upstream_status=status)


FAULTS = {
    # The body of a 200
    "null": bad_body(b"null"),
    "object": bad_body(json.dumps({"Message": MARKER}).encode()),
    "number": bad_body(b"42"),
    "string": bad_body(json.dumps(MARKER).encode()),
    "empty body": bad_body(b""),
    "HTML": bad_body(LOGIN_PAGE, content_type="text/html"),
    "XML": bad_body(b"<?xml version='1.0'?><ArrayOf/>", content_type="application/xml"),
    "JSON called HTML": bad_body(MARKED, content_type="text/html; charset=utf-8"),
    "HTML called JSON": bad_body(LOGIN_PAGE),
    "cut JSON": bad_body(MARKED[:-4]),
    "trailing junk": bad_body(MARKED + MARKER.encode()),
    "two documents": bad_body(MARKED + MARKED),
    "invalid UTF-8": bad_body(MARKED.replace(b"7", b"\xff")),
    "200,000 levels": bad_body(b"[" * 200_000),
    "200,000 levels, closed": bad_body(b"[" * 200_000 + b"]" * 200_000),
    "5,000 digits": bad_body(b'[{"ChatSessionId": ' + b"9" * 5_000 + b"}]"),
    "corrupt gzip": bad_body(MARKED, "Content-Encoding: gzip"),
    "cut gzip": bad_body(gzip.compress(MARKED)[:-4], "Content-Encoding: gzip"),
    "unknown Content-Encoding": bad_body(MARKED, f"Content-Encoding: {MARKER}"),
    "gzip declared twice": bad_body(gzip.compress(MARKED), "Content-Encoding: gzip, gzip"),
    # HTTP itself
    "garbage": bad_http(f"\0\1\2 {MARKER}\r\n\r\n".encode()),
    "the same Content-Length twice": bad_http(answer(MARKED, f"Content-Length: {len(MARKED)}")),
    "two Content-Lengths": bad_http(answer(MARKED, "Content-Length: 3")),
    "Content-Length is no number": bad_http(head(f"Content-Length: {MARKER}")),
    "bad chunk": bad_http(CHUNKED + b"zz\r\n" + MARKED + b"\r\n"),
    "bad chunk after the head": bad_http(sends_in_parts(CHUNKED, b"zz\r\n" + MARKED)),
    "bad chunk after a good one": bad_http(sends_in_parts(CHUNKED, b"1\r\n[\r\n", b"zz\r\n")),
    "a chunk that is longer than it says": bad_http(sends_in_parts(CHUNKED, b"1\r\n[]\r\n")),
    # The connection
    "close before the answer": broken(closes()),
    "reset before the answer": broken(resets()),
    "cut head": broken(closes(f"HTTP/1.1 200 OK\r\nX-Note: {MARKER}".encode())),
    "reset in the head": broken(resets(f"HTTP/1.1 200 OK\r\nX-Note: {MARKER}".encode())),
    "close before the body": broken(closes(head("Content-Length: 9"))),
    "reset before the body": broken(resets(head("Content-Length: 9"))),
    "close in the body": interrupted(closes(answer(MARKED)[:-4])),
    "close in the chunks": interrupted(closes(CHUNKED + b"%x\r\n" % len(MARKED) + MARKED)),
    "reset in the body": interrupted(resets(answer(MARKED)[:-4])),
    # Time
    "no answer": slow(stalls()),
    "stall in the head": slow(stalls(b"HTTP/1.1 200 OK\r\nContent-Type:")),
    "stall in the body": slow(stalls(answer(MARKED)[:-4])),
    "a byte a second": slow(drips(answer(MARKED), every_s=0.9)),
    # Other statuses
    **{
        f"{status}": refused(status, "UPSTREAM_ERROR", 502)
        for status in (206, 304, 400, 404, 409, 410, 418, 500, 501, 599)
    },
    **{
        f"{status}": refused(
            status, "UPSTREAM_ERROR", 502, f"Location: https://{MARKER.lower()}.invalid/"
        )
        for status in (301, 302, 307, 308)
    },
    "204": refused(204, "UPSTREAM_BAD_RESPONSE", 502),
    "401": refused(401, "UNAUTHENTICATED", 401, f'WWW-Authenticate: Basic realm="{MARKER}"'),
    "401, a long challenge": refused(
        401, "UNAUTHENTICATED", 401, f"WWW-Authenticate: Negotiate {MARKER}{'A' * 9_000}"
    ),
    "401, many headers": refused(401, "UNAUTHENTICATED", 401, *["X-Note: x"] * 500),
    "401, longer than it says": refused_as(
        401, head("Content-Length: 2", status="401 No") + LOGIN_PAGE, "UNAUTHENTICATED", 401
    ),
    "403": refused(403, "FORBIDDEN", 403),
    "403, called chunked": refused_as(
        403, head("Transfer-Encoding: chunked", status="403 No") + LOGIN_PAGE, "FORBIDDEN", 403
    ),
    "429, a bad chunk": refused_as(
        429, head("Transfer-Encoding: chunked", status="429 No") + b"zz\r\n", "RATE_LIMITED", 429
    ),
    "429": refused(429, "RATE_LIMITED", 429),
    **{
        f"{status}": refused(status, "UPSTREAM_UNAVAILABLE", 503, calls=2)
        for status in (502, 503, 504)
    },
    "503 for an hour": refused(503, "UPSTREAM_UNAVAILABLE", 503, "Retry-After: 3600"),
}


@pytest.fixture
async def rest() -> AsyncIterator[FaultyRest]:
    """Return a REST API that answers normally until a test changes it."""
    async with faulty_rest() as running:
        yield running


@pytest.fixture
def fault() -> Fault | None:
    """Return None for tests without a fault."""
    return None


@pytest.fixture
async def gateway(rest: FaultyRest, fault: Fault | None) -> AsyncIterator[Gateway]:
    """Return a gateway over `rest`, with a timeout of a second for slow faults."""
    is_slow = fault is not None and fault.code == "UPSTREAM_TIMEOUT"
    async with gateway_to(rest.url, upstream_timeout=1 if is_slow else 10) as running:
        yield running


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_fault_is_reported_by_its_code(
    fault: Fault,
    rest: FaultyRest,
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code, path and statuses are right, nothing leaks, and the next request is answered."""
    caplog.set_level(logging.INFO, "gateway")
    rest.play(fault.play)

    failure = await failure_of(rest, gateway)

    assert failure.as_json.status_code == 200
    assert failure.as_json.json()["data"] == {"chatSessions": None}
    assert failure.error["extensions"]["code"] == fault.code
    assert failure.error["path"] == ["chatSessions"]
    assert failure.error["extensions"].get("upstreamStatus") == fault.upstream_status
    assert failure.as_graphql.status_code == fault.status
    assert failure.calls == fault.calls
    assert failure.took_s < 15
    assert failure.afterwards.json() == {"data": DATA}
    assert leaks_in(failure.texts) == []
    assert leaks_in(caplog.text + "".join(capsys.readouterr())) == []


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(closes(), id="close"),
        pytest.param(resets(), id="reset"),
        pytest.param(resets(head("Content-Length: 9")), id="reset before the body"),
        pytest.param(answer(status="502 Bad Gateway"), id="502"),
        pytest.param(answer(status="504 Gateway Timeout"), id="504"),
        pytest.param(answer(status="503 Service Unavailable"), id="503"),
    ],
)
async def test_a_transient_failure_is_hidden_by_the_retry(
    failure: Play, rest: FaultyRest, gateway: Gateway
) -> None:
    """The retry after a transient failure brings the data."""
    rest.play(failure, answer())

    response = await ask(gateway)

    assert response.json() == {"data": DATA}
    assert rest.calls == 2


@pytest.mark.parametrize(
    ("retry_after", "expected_s"),
    [
        ("7", 7),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("9" * 5_000, 86_400),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
async def test_clients_get_the_retry_after_of_rest(
    retry_after: str, expected_s: int | None, rest: FaultyRest, gateway: Gateway
) -> None:
    """A valid Retry-After of REST is in the error and in a header."""
    rest.play(
        answer(LOGIN_PAGE, f"Retry-After: {retry_after}", status="429 Too Many Requests"),
    )

    failure = await failure_of(rest, gateway)

    assert failure.calls == 1
    assert failure.error["extensions"].get("retryAfter") == expected_s
    assert failure.as_graphql.headers.get("retry-after") == (
        None if expected_s is None else f"{expected_s}"
    )


async def test_a_401_of_rest_gets_our_own_challenge(rest: FaultyRest, gateway: Gateway) -> None:
    """A 401 has our own WWW-Authenticate (RFC 9110, section 15.5.2)."""
    rest.play(answer(status="401 Unauthorized"))

    failure = await failure_of(rest, gateway)

    assert "SoTicket" in failure.as_graphql.headers["www-authenticate"]


@pytest.mark.parametrize(
    "headers",
    [[f"WWW-Authenticate: Negotiate {'A' * 60_000}"], ["X-Note: x"] * 500],
    ids=["a long challenge", "many headers"],
)
async def test_a_401_of_any_length_invalidates_the_cache(
    rest: FaultyRest, headers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a 401 the old answer is not served, also if SuperOffice fails afterwards."""
    monkeypatch.setattr("gateway.upstream.rate_limits._REFUSED_S", 0.01)
    unauthorized = answer(b"no", *headers, status="401 Unauthorized")
    rest.play(answer(), unauthorized, answer(status="500 Internal Server Error"))
    async with gateway_to(rest.url, cache_ttl=0.01, stale_if_error=60) as gateway:
        codes = []
        for _ in range(3):
            errors = (await ask(gateway)).json().get("errors", [])
            codes.append([error["extensions"]["code"] for error in errors])
            await asyncio.sleep(0.02)

    assert codes == [[], ["UNAUTHENTICATED"], ["UPSTREAM_ERROR"]]


async def test_a_connection_that_closes_during_a_request_is_replaced(
    rest: FaultyRest, gateway: Gateway
) -> None:
    """A request on a kept-alive connection that closes just then is retried."""
    rest.play(answer(), closes(), answer())

    responses = [await ask(gateway, user=f"{number}") for number in range(2)]

    assert [one.json() for one in responses] == [{"data": DATA}] * 2
    assert (rest.calls, rest.connections) == (3, 2)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "500 Oops"])
async def test_a_failure_is_not_hidden_by_an_older_answer(status: str, rest: FaultyRest) -> None:
    """A caller who has lost a right does not see the older answer."""
    rest.play(answer(), answer(status=status))
    async with gateway_to(rest.url, cache_ttl=0.1) as gateway:
        await ask(gateway)
        await asyncio.sleep(0.2)
        response = await ask(gateway)

    assert response.json()["data"] == {"chatSessions": None}
    assert rest.calls == 2


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (301, "http://{host}" + PATH),
        (302, "//{host}/login"),
        (307, "http://{host}" + PATH),
        (308, "http://{host}" + PATH),
    ],
)
async def test_a_redirect_to_another_host_is_not_followed(
    status: int, target: str, rest: FaultyRest, gateway: Gateway
) -> None:
    """Credentials are for one host, and no connection is made to the other."""
    async with faulty_rest() as elsewhere:
        location = target.format(host=f"127.0.0.1:{elsewhere.port}")
        rest.play(answer(b"", f"Location: {location}", status=f"{status} Moved"))
        response = await ask(gateway)

    assert response.json()["errors"][0]["extensions"]["code"] == "UPSTREAM_ERROR"
    assert rest.calls == 1
    assert elsewhere.connections == 0


async def test_an_answer_that_comes_faster_than_it_is_read_is_complete(
    rest: FaultyRest, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once what was received has been read, aiohttp goes on with the rest."""
    monkeypatch.setattr("gateway.upstream.transport._READ_AHEAD", 2**10)
    rest.play(answer(BODY + b" " * 2**19))

    assert (await ask(gateway)).json() == {"data": DATA}


async def test_a_closed_connection_is_not_reused(rest: FaultyRest, gateway: Gateway) -> None:
    """A connection that REST closed after a keep-alive answer is not reused."""
    rest.play(closes(answer(BODY, "Connection: keep-alive")))

    responses = [await ask(gateway, user=f"{number}") for number in range(3)]

    assert [one.json() for one in responses] == [{"data": DATA}] * 3
    assert rest.connections == 3


@pytest.mark.parametrize(
    ("failure", "timeout_s"),
    [
        pytest.param(stalls(), 1, id="stall"),
        pytest.param(stalls(answer()[:-4]), 1, id="stall in the body"),
        pytest.param(answer(bytes(2**21)), 10, id="too large"),
        pytest.param(resets(answer()[:-4]), 10, id="reset"),
        pytest.param(answer(status="500 Oops"), 10, id="500"),
    ],
)
async def test_a_failed_call_frees_its_connection(
    failure: Play, timeout_s: float, rest: FaultyRest
) -> None:
    """With one connection only, the call after a failed one succeeds."""
    rest.play(failure)
    async with gateway_to(rest.url, upstream_timeout=timeout_s, upstream_connections=1) as gateway:
        failed = await ask(gateway)
        rest.play(answer())
        response = await ask(gateway)

    assert "errors" in failed.json()
    assert response.json() == {"data": DATA}
