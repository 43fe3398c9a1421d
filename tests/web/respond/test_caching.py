"""Cache headers of answers, and the freshness that requests ask for."""

import asyncio
import re
import time
from typing import Any

import httpx
import pytest

from gateway.caller import Caller
from gateway.errors import UpstreamError, UpstreamTimeoutError, UpstreamUnavailableError
from gateway.headers import in_one_line
from gateway.sessions.freshness import Served, Windows
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache
from gateway.web.inbound import max_age_of
from gateway.web.respond.caching import aging_headers, cache_headers
from tests.sessions.snapshots import snapshot_of
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import get

QUERY = "{ chatSessions { chatSessionId } }"
NAME = "superoffice-chat-gateway"
OUT_OF_SERVICE = UpstreamUnavailableError("503", upstream_status=503)
SECOND = 1_000_000_000
LOGIN = [(b"authorization", CREDENTIALS["Authorization"].encode())]
CALLER = Caller(((b"authorization", b"Basic x"),))
VARY = [
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cookie",
    "SO-AppToken",
    "SO-Culture",
    "SO-Language",
    "SO-TimeZone",
    "X-XSRF-TOKEN",
]


class Clock:
    """A clock that stands still until it is set."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


async def no_sessions(*_: Any) -> bytes:
    """Play a REST API without sessions."""
    return b"[]"


def source_at(clock: Clock, ttl_s: float = 5) -> Source:
    """Return a source whose time is `clock`, over a cache with the real time."""
    return Source(
        fetch=no_sessions,
        decode=lambda body: [],
        cache=BoundedMemoryCache(max_bytes=10**6),
        upstream_url="http://rest.invalid",
        windows=Windows(ttl_s),
        clock_ns=clock,
    )


def served_as(
    how: Any,
    *,
    fwd: Any = "miss",
    ttl_s: float = 5,
    age_s: float = 0,
    failure: UpstreamError | None = None,
    from_: Any = "upstream",
) -> Served:
    """Return what `Source.serve` returns, at this age."""
    clock = Clock()
    clock.now_ns = int(age_s * SECOND)
    snapshot = snapshot_of(origin=from_, fetch_s=0.25, decode_s=0.125)
    is_stale = how == "hit" and age_s > ttl_s
    return Served(snapshot, how, fwd, Windows(ttl_s), clock, is_stale=is_stale, failure=failure)


@pytest.mark.parametrize(
    ("served", "status"),
    [
        (served_as("hit", age_s=2), f"{NAME}; hit; ttl=3"),
        (served_as("miss"), f"{NAME}; fwd=miss; fwd-status=200; stored; ttl=5"),
        (
            served_as("miss", fwd="request"),
            f"{NAME}; fwd=request; fwd-status=200; stored; ttl=5",
        ),
        (
            served_as("collapsed", age_s=0.5),
            f"{NAME}; fwd=miss; fwd-status=200; stored; collapsed; ttl=4",
        ),
        (served_as("miss", ttl_s=0), f"{NAME}; fwd=miss; fwd-status=200; ttl=0"),
        (served_as("miss", ttl_s=0, age_s=1), f"{NAME}; fwd=miss; fwd-status=200; ttl=0"),
        (served_as("hit", age_s=5.5), f"{NAME}; hit; ttl=-1; detail=stale-while-revalidate"),
        (
            served_as("hit", age_s=7, fwd="stale", failure=UpstreamTimeoutError("late")),
            f"{NAME}; fwd=stale; ttl=-2; detail=stale-if-error",
        ),
        (
            served_as("hit", age_s=7, fwd="stale", failure=OUT_OF_SERVICE),
            f"{NAME}; fwd=stale; fwd-status=503; ttl=-2; detail=stale-if-error",
        ),
        (served_as("hit", from_="shared", age_s=1), f"{NAME}; hit; ttl=4; detail=shared"),
    ],
    ids=[
        "hit",
        "miss",
        "no-cache",
        "collapsed",
        "no TTL",
        "no TTL, a second old",
        "stale while revalidate",
        "stale after a timeout",
        "stale after a 503",
        "shared",
    ],
)
def test_cache_status_describes_the_use_of_the_cache(served: Served, status: str) -> None:
    """Cache-Status describes hits, misses and stale answers as in RFC 9211."""
    headers = cache_headers(served, has_errors=False, execute_s=1)

    assert headers["Cache-Status"] == status


@pytest.mark.parametrize(
    ("age_s", "max_age", "age"), [(0, 5, 0), (0.1, 5, 0), (3.9, 5, 3), (5, 5, 5), (9, 5, 9)]
)
def test_an_answer_is_as_fresh_as_its_snapshot(age_s: float, max_age: int, age: int) -> None:
    """`max-age` and `Age` give the freshness in whole seconds (RFC 9111, section 4.2)."""
    headers = cache_headers(served_as("hit", age_s=age_s), has_errors=False, execute_s=1)

    assert headers["Cache-Control"] == f"private, max-age={max_age}"
    assert headers["Age"] == str(age)


@pytest.mark.parametrize(("age_s", "age", "ttl"), [(0, 0, 5), (2.5, 2, 2), (7, 7, 0)])
def test_a_cached_answer_has_the_age_of_now(age_s: float, age: int, ttl: int) -> None:
    """Only these headers of it are written anew."""
    headers = aging_headers(served_as("hit", age_s=age_s), 0.0125)

    assert dict(headers) == {
        b"age": b"%d" % age,
        b"cache-status": b"%s; hit; ttl=%d" % (NAME.encode(), ttl),
        b"server-timing": b"execute;dur=12.5",
    }


def test_an_age_is_never_negative() -> None:
    """A clock that is set back does not make an answer fresh for longer."""
    headers = cache_headers(served_as("hit", age_s=-3), has_errors=False, execute_s=1)

    assert (headers["Cache-Control"], headers["Age"]) == ("private, max-age=5", "0")


@pytest.mark.parametrize(
    ("how", "execute_s", "timing"),
    [
        ("hit", 0.002, "execute;dur=2.0"),
        ("miss", 0.5, "upstream;dur=250.0, decode;dur=125.0, execute;dur=125.0"),
        ("collapsed", 0.1, "upstream;dur=250.0, decode;dur=125.0, execute;dur=0.0"),
    ],
)
def test_server_timing_splits_the_time(how: str, execute_s: float, timing: str) -> None:
    """Server-Timing splits the time in milliseconds; a hit has no time for REST."""
    headers = cache_headers(served_as(how), has_errors=False, execute_s=execute_s)

    assert headers["Server-Timing"] == timing


def test_an_answer_without_sessions_has_no_age() -> None:
    """An answer from the schema alone has no age, and may be stored and revalidated."""
    headers = cache_headers(None, has_errors=False, execute_s=0.5)

    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Server-Timing"] == "execute;dur=500.0"
    assert not {"Age", "Cache-Status"} & set(headers)


def test_an_answer_with_errors_must_not_be_cached() -> None:
    """An answer with errors must not be cached, but still has a Cache-Status."""
    headers = cache_headers(served_as("miss"), has_errors=True, execute_s=1)

    assert headers["Cache-Control"] == "no-store"
    assert "Age" not in headers
    assert headers["Cache-Status"] == f"{NAME}; fwd=miss; fwd-status=200; stored; ttl=5"


@pytest.mark.parametrize(
    ("cache_control", "max_age_s"),
    [
        ("", None),
        ("no-cache", 0),
        ("No-Cache", 0),
        ("no-store", 0),
        ("max-age=0", 0),
        ("max-age=3", 3),
        ("foo=1, max-age=3", 3),
        ("foo,max-age=3,bar", 3),
        ("max-age=3, no-cache", 0),
        ("max-age", None),
        ("max-age=", None),
        ("max-age=x", None),
        ("max-age=-1", None),
        ("max-age=99999999999", None),
        ("s-maxage=0", None),
        ("x-max-age=0", None),
        ("x-no-cache", None),
        ("only-if-cached", None),
    ],
)
def test_cache_control_of_a_request_limits_the_age(
    cache_control: str, max_age_s: float | None
) -> None:
    """Cache-Control limits the age of the answer; invalid directives are ignored."""
    assert max_age_of([(b"cache-control", cache_control.encode())]) == max_age_s


def test_several_cache_control_headers_are_combined() -> None:
    """Several Cache-Control headers are combined (RFC 9110, section 5.3)."""
    first, second = (b"cache-control", b"max-age=100"), (b"cache-control", b"no-cache")

    assert max_age_of(in_one_line([first, (b"accept", b"*/*"), second])) == 0
    assert max_age_of([]) is None


@pytest.mark.parametrize(
    ("max_age_s", "how", "fwd"),
    [
        (None, "hit", "miss"),
        (3, "hit", "miss"),
        (2, "hit", "miss"),
        (1.9, "miss", "request"),
        (0, "miss", "request"),
    ],
)
async def test_a_snapshot_that_is_too_old_for_a_request_is_fetched_again(
    max_age_s: float | None, how: str, fwd: str
) -> None:
    """A snapshot that is older than the request's limit is fetched again."""
    clock = Clock()
    source = source_at(clock)
    await source.serve(CALLER)
    clock.now_ns = 2 * SECOND

    served = await source.serve(CALLER, max_age_s=max_age_s)

    assert (served.how, served.fwd) == (how, fwd)


async def test_a_snapshot_fetched_for_one_request_is_there_for_the_next() -> None:
    """A fresh snapshot for one request serves the next ones."""
    clock = Clock()
    source = source_at(clock)
    await source.serve(CALLER)
    clock.now_ns = 2 * SECOND
    fresh = await source.serve(CALLER, max_age_s=0)

    assert (await source.serve(CALLER)).snapshot is fresh.snapshot


async def test_simultaneous_requests_share_one_fetch() -> None:
    """One of several simultaneous requests is a miss, the others are collapsed into it."""
    source = source_at(Clock())

    all_served = await asyncio.gather(*(source.serve(CALLER) for _ in range(3)))

    assert [served.how for served in all_served] == ["miss", "collapsed", "collapsed"]
    assert len({served.snapshot for served in all_served}) == 1


def cache_status(answer: httpx.Response) -> str:
    """Return Cache-Status without the remaining seconds."""
    return re.sub(r"; ttl=\d+$", "", answer.headers["cache-status"]).removeprefix(f"{NAME}; ")


def _status(answer: httpx.Response) -> str:
    return answer.headers["cache-status"].removeprefix(f"{NAME}; ")


MISS = "fwd=miss; fwd-status=200; stored"
ON_REQUEST = "fwd=request; fwd-status=200; stored"


@pytest.mark.parametrize(
    ("headers", "settings", "status", "calls"),
    [
        ({}, {}, "hit", 1),
        ({"Cache-Control": "no-cache"}, {}, "hit", 1),
        ({"Cache-Control": "no-store"}, {}, "hit", 1),
        ({"Cache-Control": "max-age=0"}, {}, "hit", 1),
        ({"Cache-Control": "max-age=60"}, {}, "hit", 1),
        ({"Accept-Language": "de"}, {}, MISS, 2),
        ({}, {"cache_ttl": 0}, "fwd=miss; fwd-status=200", 2),
    ],
    ids=[
        "an equal request",
        "no-cache",
        "no-store",
        "max-age=0",
        "max-age=60",
        "another language",
        "no TTL",
    ],
)
async def test_the_second_request_uses_the_cache(
    rest: RestSide, headers: dict[str, str], settings: dict[str, Any], status: str, calls: int
) -> None:
    """The second request is a hit unless it differs, or there is no cache."""
    async with gateway_over(rest, **settings) as gateway:
        await gateway.post(QUERY)
        answer = await gateway.post(QUERY, headers={**CREDENTIALS, **headers})

    assert (cache_status(answer), rest.calls) == (status, calls)


@pytest.mark.parametrize("directive", ["no-cache", "no-store", "max-age=0"])
@pytest.mark.parametrize(
    ("settings", "status", "calls"),
    [({}, ON_REQUEST, 2), ({"client_cache_control": False}, "hit", 1)],
    ids=["allowed", "ignored"],
)
async def test_a_client_can_ask_for_a_fresh_answer(
    rest: RestSide,
    directive: str,
    settings: dict[str, Any],
    status: str,
    calls: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client can ask for a fresh answer if that is allowed, but not again within a second."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0.01)
    async with gateway_over(rest, **settings) as gateway:
        await gateway.post(QUERY)
        await asyncio.sleep(0.02)
        answer = await gateway.post(QUERY, headers={**CREDENTIALS, "Cache-Control": directive})

    assert (cache_status(answer), rest.calls) == (status, calls)


async def test_several_fields_are_one_miss(gateway: Gateway, rest: RestSide) -> None:
    """Fields of one request share one REST call, which does not count as collapsed."""
    answer = await gateway.post("{ a: chatSessions { id } b: chatSessions { id } }")

    assert (cache_status(answer), rest.calls) == (MISS, 1)


async def test_simultaneous_requests_are_collapsed(gateway: Gateway, rest: RestSide) -> None:
    """Of two simultaneous requests one calls REST, and the other waits for it."""

    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.02)
        return httpx.Response(200, json=[])

    rest.answer = slow

    answers = await asyncio.gather(gateway.post(QUERY), gateway.post(QUERY))

    assert sorted(map(cache_status, answers)) == [MISS, f"{MISS}; collapsed"]
    assert rest.calls == 1


async def test_an_answer_has_its_freshness(gateway: Gateway) -> None:
    """A fresh answer has a max-age, an age of 0 and Server-Timing."""
    answer = await gateway.post(QUERY)

    assert re.fullmatch(r"private, max-age=[45]", answer.headers["cache-control"])
    assert answer.headers["age"] == "0"
    assert re.fullmatch(
        r"upstream;dur=\d+\.\d, decode;dur=\d+\.\d, execute;dur=\d+\.\d",
        answer.headers["server-timing"],
    )


@pytest.mark.parametrize("is_batch", [False, True])
async def test_a_stale_answer_says_so_and_why(rest: RestSide, is_batch: bool) -> None:
    """A stale answer says so in its headers and in its extensions."""
    async with gateway_over(rest, cache_ttl=0.01, stale_if_error=60) as gateway:
        await gateway.post(QUERY)
        await asyncio.sleep(0.02)
        rest.answer = lambda _: httpx.Response(500)
        body: Any = {"query": QUERY}
        response = await gateway.http.post(
            "/graphql", json=[body] if is_batch else body, headers=CREDENTIALS
        )

    (answer,) = response.json() if is_batch else [response.json()]
    assert answer["data"] == {"chatSessions": [{"chatSessionId": 1}]}
    assert answer["extensions"]["stale"] == {
        "ageSeconds": 0,
        "reason": "stale-if-error",
        "code": "UPSTREAM_ERROR",
    }
    assert _status(response) == "fwd=stale; fwd-status=500; ttl=-1; detail=stale-if-error"


async def test_a_stale_answer_is_sent_while_rest_is_called(rest: RestSide) -> None:
    """A stale answer is sent at once; after the REST call, answers are fresh."""
    async with gateway_over(rest, stale_while_revalidate=60) as gateway:
        await gateway.post(QUERY)
        access = gateway.app.state.edge.door.read("/graphql", LOGIN).access
        access.source.clock_ns = lambda: time.time_ns() + 6 * SECOND
        rest.body = []
        stale, _, fresh = [await gateway.post(QUERY) for _ in range(3)]

    assert stale.json()["extensions"]["stale"]["reason"] == "stale-while-revalidate"
    assert _status(stale).endswith("detail=stale-while-revalidate")
    assert fresh.json() == {"data": {"chatSessions": []}}
    assert rest.calls == 2


@pytest.mark.parametrize(
    "query", ["{ chatSessions { nope } }", "{", "{ chatSessions(limit: -1) { id } }"]
)
async def test_an_error_must_not_be_cached(gateway: Gateway, query: str) -> None:
    """An error of the query or of a field must not be cached."""
    answer = await gateway.post(query)

    assert answer.headers["cache-control"] == "no-store"


async def test_a_refused_request_must_not_be_cached(gateway: Gateway) -> None:
    """The answer to a refused request must not be cached, and varies like any other."""
    answer = await gateway.http.put("/graphql")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"].split(", ") == VARY


@pytest.mark.parametrize("sessions", [1, 100])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_vary_names_each_header_once(
    gateway: Gateway, rest: RestSide, sessions: int, coding: str
) -> None:
    """Vary names each header that can change the answer, compressed or not."""
    rest.body = [{"ChatSessionId": number} for number in range(sessions)]

    answer = await gateway.post(QUERY, headers={**CREDENTIALS, "Accept-Encoding": coding})

    assert answer.headers["vary"].split(", ") == VARY


async def test_vary_names_origin_with_cors(rest: RestSide) -> None:
    """With CORS, Vary names Origin, too."""
    async with gateway_over(rest, cors_origins="https://console.example") as gateway:
        answer = await get(gateway, QUERY)

    assert answer.headers["vary"].split(", ") == [*VARY, "Origin"]


async def test_health_checks_vary_by_the_coding_alone(gateway: Gateway) -> None:
    """Health checks do not depend on the caller."""
    assert (await gateway.http.get("/healthz")).headers["vary"] == "Accept-Encoding"
