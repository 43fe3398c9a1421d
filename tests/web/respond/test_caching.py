"""What an answer tells caches, and how fresh a request can ask it to be."""

import asyncio
import re
import time
from typing import Any

import httpx
import pytest

from gateway.caller import Caller
from gateway.errors import UpstreamError, UpstreamTimeoutError, UpstreamUnavailableError
from gateway.sessions.freshness import Served, Windows
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache
from gateway.web.inbound import max_age_of
from gateway.web.respond.caching import cache_headers
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
    """Stands still until it is moved."""

    now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


async def no_rest(headers: Any) -> bytes:
    """Play a REST side that has no sessions."""
    return b"[]"


def source_at(clock: Clock, ttl_s: float = 5) -> Source:
    """Return a source whose time is `clock`'s, over a cache whose time is the real one."""
    return Source(
        fetch=no_rest,
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
    """Return what a request got, at some age."""
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
)
def test_cache_status_tells_how_an_answer_was_come_by(served: Served, status: str) -> None:
    """In the words of RFC 9211."""
    headers = cache_headers(served, has_errors=False, execute_s=1)

    assert headers["Cache-Status"] == status


@pytest.mark.parametrize(
    ("age_s", "max_age", "age"), [(0, 5, 0), (0.1, 5, 0), (3.9, 5, 3), (5, 5, 5), (9, 5, 9)]
)
def test_an_answer_is_fresh_for_what_is_left_of_its_snapshot(
    age_s: float, max_age: int, age: int
) -> None:
    """`max-age` less `Age`, as RFC 9111 has it (section 4.2), in whole seconds."""
    headers = cache_headers(served_as("hit", age_s=age_s), has_errors=False, execute_s=1)

    assert headers["Cache-Control"] == f"private, max-age={max_age}"
    assert headers["Age"] == str(age)


def test_an_answer_of_the_future_has_no_negative_age() -> None:
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
def test_server_timing_tells_where_the_time_went(how: str, execute_s: float, timing: str) -> None:
    """In milliseconds; a hit has not waited for REST, and who joins a flight has not for all."""
    headers = cache_headers(served_as(how), has_errors=False, execute_s=execute_s)

    assert headers["Server-Timing"] == timing


def test_an_answer_without_sessions_has_no_age() -> None:
    """The schema does not come from REST; it may be kept, and asked after."""
    headers = cache_headers(None, has_errors=False, execute_s=0.5)

    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["Server-Timing"] == "execute;dur=500.0"
    assert not {"Age", "Cache-Status"} & set(headers)


def test_an_answer_with_errors_is_not_kept() -> None:
    """It is no answer to the next one who asks, but it still says how it came about."""
    headers = cache_headers(served_as("miss"), has_errors=True, execute_s=1)

    assert headers["Cache-Control"] == "no-store"
    assert "Age" not in headers
    assert headers["Cache-Status"] == f"{NAME}; fwd=miss; fwd-status=200; stored; ttl=5"


@pytest.mark.parametrize(
    ("cache_control", "asked"),
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
def test_a_request_says_how_old_an_answer_may_be(cache_control: str, asked: float | None) -> None:
    """What is not understood asks for nothing."""
    assert max_age_of([(b"cache-control", cache_control.encode())]) == asked


def test_several_lines_of_cache_control_are_one() -> None:
    """The second counts as well (RFC 9110, section 5.3)."""
    first, second = (b"cache-control", b"max-age=100"), (b"cache-control", b"no-cache")

    assert max_age_of([first, (b"accept", b"*/*"), second]) == 0
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
    """The request's own limit counts, besides the time to live."""
    clock = Clock()
    source = source_at(clock)
    await source.serve(CALLER)
    clock.now_ns = 2 * SECOND

    served = await source.serve(CALLER, max_age_s=max_age_s)

    assert (served.how, served.fwd) == (how, fwd)


async def test_a_snapshot_fetched_for_one_request_is_there_for_the_next() -> None:
    """Whoever asks for a fresh answer refreshes the cache for all."""
    clock = Clock()
    source = source_at(clock)
    await source.serve(CALLER)
    clock.now_ns = 2 * SECOND
    fresh = await source.serve(CALLER, max_age_s=0)

    assert (await source.serve(CALLER)).snapshot is fresh.snapshot


async def test_requests_at_the_same_time_share_one_flight() -> None:
    """One of them is a miss, the others are collapsed into it."""
    source = source_at(Clock())

    all_served = await asyncio.gather(*(source.serve(CALLER) for _ in range(3)))

    assert [served.how for served in all_served] == ["miss", "collapsed", "collapsed"]
    assert len({served.snapshot for served in all_served}) == 1


def cache_status(answer: httpx.Response) -> str:
    """Return Cache-Status without the seconds that are left."""
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
        ({"Cache-Control": "no-cache"}, {"client_cache_control": False}, "hit", 1),
        ({"Cache-Control": "max-age=0"}, {"client_cache_control": False}, "hit", 1),
        ({"Accept-Language": "de"}, {}, MISS, 2),
        ({}, {"cache_ttl": 0}, "fwd=miss; fwd-status=200", 2),
    ],
)
async def test_the_second_request_costs_a_rest_call_or_not(
    rest: RestSide, headers: dict[str, str], settings: dict[str, Any], status: str, calls: int
) -> None:
    """It is answered from the cache unless it asks otherwise, and is heeded."""
    async with gateway_over(rest, **settings) as gateway:
        await gateway.post(QUERY)
        answer = await gateway.post(QUERY, headers={**CREDENTIALS, **headers})

    assert (cache_status(answer), rest.calls) == (status, calls)


@pytest.mark.parametrize("directive", ["no-cache", "no-store", "max-age=0"])
async def test_a_client_can_ask_for_an_answer_no_older_than_a_second(
    rest: RestSide, directive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A younger one it gets all the same, so that it cannot multiply REST calls."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0.01)
    async with gateway_over(rest) as gateway:
        await gateway.post(QUERY)
        await asyncio.sleep(0.02)
        answer = await gateway.post(QUERY, headers={**CREDENTIALS, "Cache-Control": directive})

    assert (cache_status(answer), rest.calls) == (ON_REQUEST, 2)


async def test_several_fields_are_one_miss(gateway: Gateway, rest: RestSide) -> None:
    """Fields that ask at once share one call, which is not called collapsed."""
    answer = await gateway.post("{ a: chatSessions { id } b: chatSessions { id } }")

    assert (cache_status(answer), rest.calls) == (MISS, 1)


async def test_requests_at_the_same_time_are_collapsed(gateway: Gateway, rest: RestSide) -> None:
    """One of them waits for REST, the other for it."""

    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.02)
        return httpx.Response(200, json=[])

    rest.answer = slow

    answers = await asyncio.gather(gateway.post(QUERY), gateway.post(QUERY))

    assert sorted(map(cache_status, answers)) == [MISS, f"{MISS}; collapsed"]
    assert rest.calls == 1


async def test_an_answer_tells_its_freshness(gateway: Gateway) -> None:
    """A fresh one is good for the time to live, less what the request took."""
    answer = await gateway.post(QUERY)

    assert re.fullmatch(r"private, max-age=[45]", answer.headers["cache-control"])
    assert answer.headers["age"] == "0"
    assert re.fullmatch(
        r"upstream;dur=\d+\.\d, decode;dur=\d+\.\d, execute;dur=\d+\.\d",
        answer.headers["server-timing"],
    )


@pytest.mark.parametrize("is_batch", [False, True])
async def test_an_old_answer_says_so_and_why(rest: RestSide, is_batch: bool) -> None:
    """In the headers for caches, in the answer for people and programs."""
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


async def test_an_old_answer_is_given_at_once_while_rest_is_asked(rest: RestSide) -> None:
    """It says so; the next one is new, and nothing of the old one is left in it."""
    async with gateway_over(rest, stale_while_revalidate=60) as gateway:
        await gateway.post(QUERY)
        access = gateway.app.state.edge.door.read("/graphql", LOGIN).access
        access.source.clock_ns = lambda: time.time_ns() + 6 * SECOND
        rest.body = []
        old, _, new = [await gateway.post(QUERY) for _ in range(3)]

    assert old.json()["extensions"]["stale"]["reason"] == "stale-while-revalidate"
    assert _status(old).endswith("detail=stale-while-revalidate")
    assert new.json() == {"data": {"chatSessions": []}}
    assert rest.calls == 2


@pytest.mark.parametrize(
    "query", ["{ chatSessions { nope } }", "{", "{ chatSessions(limit: -1) { id } }"]
)
async def test_an_error_is_not_for_caches(gateway: Gateway, query: str) -> None:
    """Neither of the query nor of a field."""
    answer = await gateway.post(query)

    assert answer.headers["cache-control"] == "no-store"


async def test_a_refusal_is_not_for_caches(gateway: Gateway) -> None:
    """It depends on headers, like any answer."""
    answer = await gateway.http.put("/graphql")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["vary"].split(", ") == VARY


@pytest.mark.parametrize("sessions", [1, 100])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_vary_names_each_header_once(
    gateway: Gateway, rest: RestSide, sessions: int, coding: str
) -> None:
    """All that can change the answer, whether it is compressed or not."""
    rest.body = [{"ChatSessionId": number} for number in range(sessions)]

    answer = await gateway.post(QUERY, headers={**CREDENTIALS, "Accept-Encoding": coding})

    assert answer.headers["vary"].split(", ") == VARY


async def test_vary_names_the_origin_where_it_matters(rest: RestSide) -> None:
    """With CORS, the answer's headers depend on it."""
    async with gateway_over(rest, cors_origins="https://console.example") as gateway:
        answer = await get(gateway, QUERY)

    assert answer.headers["vary"].split(", ") == [*VARY, "Origin"]


async def test_what_varies_by_nothing_says_nothing(gateway: Gateway) -> None:
    """No Vary is made up."""
    assert "vary" not in (await gateway.http.get("/healthz")).headers
