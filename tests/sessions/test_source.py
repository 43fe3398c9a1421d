"""REST behind the per-caller cache: when it is called, and who gets which answer."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import (
    UpstreamBadResponseError,
    UpstreamError,
    UpstreamForbiddenError,
    UpstreamTimeoutError,
    UpstreamUnauthenticatedError,
)
from gateway.headers import Header
from gateway.records.dates import AsOf
from gateway.schema.entities import chat_decoder
from gateway.sessions import snapshot as reading
from gateway.sessions.freshness import Windows
from gateway.sessions.snapshot import Stored, assemble
from gateway.sessions.source import Source
from gateway.store.memory import BoundedMemoryCache
from tests.store.fakes import Clock

KARI = Caller(((b"authorization", b"Basic kari"),))
JONAS = Caller(((b"authorization", b"Basic jonas"),))


@dataclass
class Rest:
    """Answers with the credentials it got and the number of the call, or fails as told."""

    failure: Exception | None = None
    is_broken: bool = False
    is_hung: bool = False
    calls: list[tuple[Header, ...]] = field(default_factory=list)

    async def __call__(self, headers: Sequence[Header]) -> bytes:
        """Answer one call, not at once."""
        self.calls.append(tuple(headers))
        number = len(self.calls)
        await asyncio.sleep(3_600 if self.is_hung else 0)
        if self.failure:
            raise self.failure
        return b"broken" if self.is_broken else b"%s %d" % (headers[0][1], number)


@dataclass
class Bench:
    """A source with everything around it."""

    ttl_s: float = 5.0
    max_bytes: int = 10_000
    rest: Rest = field(default_factory=Rest)
    clock: Clock = field(default_factory=Clock)
    windows: Windows | None = None

    def __post_init__(self) -> None:
        """Wire it up."""
        self.cache = BoundedMemoryCache(max_bytes=self.max_bytes, clock=self.clock)
        self.source = Source(
            fetch=self.rest,
            decode=decode,
            cache=self.cache,
            upstream_url="http://rest.invalid",
            windows=self.windows or Windows(self.ttl_s),
            clock_ns=lambda: round(self.clock() * 1e9),
        )

    async def ask(self, caller: Caller = KARI) -> object:
        """Return what the source has for the caller."""
        (answer,) = (await self.source.serve(caller)).snapshot.sessions
        return answer.text


@dataclass
class Record:
    """The one record in a body."""

    text: str
    as_of: AsOf | None = None


def decode(body: bytes) -> list[Record]:
    """Read the one record in a body."""
    if body == b"broken":
        raise UpstreamBadResponseError("not an array")
    return [Record(body.decode())]


async def test_a_fresh_snapshot_is_given_again() -> None:
    """Within its time the very same snapshot answers, and REST is not called."""
    bench = Bench()

    first = (await bench.source.serve(KARI)).snapshot
    bench.clock.advance(4.9)
    second = (await bench.source.serve(KARI)).snapshot

    assert second is first
    assert len(bench.rest.calls) == 1


async def test_an_old_snapshot_is_fetched_anew() -> None:
    """When its time is up REST is called again."""
    bench = Bench()
    await bench.ask()

    bench.clock.advance(5)

    assert await bench.ask() == "Basic kari 2"


async def test_a_hit_does_not_lengthen_the_time() -> None:
    """Someone who asks every second still sees news after five."""
    bench = Bench()

    answers = []
    for _ in range(7):
        answers.append(await bench.ask())
        bench.clock.advance(1)

    assert answers == ["Basic kari 1"] * 5 + ["Basic kari 2"] * 2


async def test_a_snapshot_says_when_it_was_fetched() -> None:
    """The time is on the source's clock, stays when it is given again, and is on each record."""
    bench = Bench()
    bench.clock.advance(7)

    await bench.ask()
    bench.clock.advance(3)
    snapshot = (await bench.source.serve(KARI)).snapshot

    assert snapshot.as_of.fetched_ns == 1_007_000_000_000
    assert snapshot.sessions[0].as_of is snapshot.as_of


async def test_a_snapshot_weighs_a_multiple_of_its_json() -> None:
    """What the cache counts is memory, and records take more of it than their JSON."""
    bench = Bench()

    snapshot = (await bench.source.serve(KARI)).snapshot

    assert snapshot.size_bytes > len(b"Basic kari 1")
    assert bench.cache.size_bytes == snapshot.size_bytes


async def test_without_a_ttl_nothing_is_used_again() -> None:
    """At 0 each request sees REST as it is."""
    bench = Bench(ttl_s=0)

    assert [await bench.ask(), await bench.ask()] == ["Basic kari 1", "Basic kari 2"]
    assert bench.cache.size_bytes == 0


async def test_without_a_ttl_the_cache_is_left_alone() -> None:
    """What is not to be used again is in no memory, not for a moment."""
    no_cache: Any = None
    source = Source(
        fetch=Rest(),
        decode=decode,
        cache=no_cache,
        upstream_url="http://rest.invalid",
        windows=Windows(0),
    )

    [session] = (await source.serve(KARI)).snapshot.sessions

    assert session.text == "Basic kari 1"


async def test_without_a_ttl_requests_at_the_same_time_still_share() -> None:
    """A flight has no age: who waits for it gets what is new."""
    bench = Bench(ttl_s=0)

    answers = await asyncio.gather(*(bench.ask() for _ in range(20)))

    assert answers == ["Basic kari 1"] * 20


async def test_a_hundred_requests_at_once_are_one_call() -> None:
    """However many ask for the same caller, REST is called once."""
    bench = Bench()

    answers = await asyncio.gather(*(bench.ask() for _ in range(100)))

    assert answers == ["Basic kari 1"] * 100
    assert len(bench.rest.calls) == 1


async def test_a_shared_failure_is_one_call_too() -> None:
    """REST is not asked a hundred times because it failed once."""
    bench = Bench(rest=Rest(UpstreamTimeoutError("late")))

    outcomes = await asyncio.gather(*(bench.ask() for _ in range(100)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {UpstreamTimeoutError}
    assert len(bench.rest.calls) == 1


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamTimeoutError("late"),
        UpstreamError("500"),
        UpstreamUnauthenticatedError("401"),
        UpstreamForbiddenError("403"),
        RuntimeError("a bug"),
    ],
)
async def test_a_failure_is_not_kept(failure: Exception) -> None:
    """The next request tries again, and can succeed."""
    bench = Bench(rest=Rest(failure))
    with pytest.raises(type(failure)):
        await bench.ask()

    bench.rest.failure = None

    assert await bench.ask() == "Basic kari 2"


async def test_a_body_that_cannot_be_decoded_is_not_kept() -> None:
    """A broken answer costs one request, and its error says that REST answered 200."""
    bench = Bench(rest=Rest(is_broken=True))
    with pytest.raises(UpstreamBadResponseError) as caught:
        await bench.ask()

    bench.rest.is_broken = False

    assert caught.value.extensions["upstreamStatus"] == 200
    assert await bench.ask() == "Basic kari 2"


class Forgetful(BoundedMemoryCache):
    """A cache that keeps what has expired, so that only a deletion empties it."""

    async def get(self, key: str, default: object = None, **_: object) -> None:
        """Find nothing fresh."""


@pytest.mark.parametrize(
    ("failure", "is_kept"),
    [
        (UpstreamUnauthenticatedError("401"), False),
        (UpstreamForbiddenError("403"), False),
        (UpstreamTimeoutError("late"), True),
        (UpstreamError("500"), True),
    ],
)
async def test_a_caller_whom_rest_turns_away_loses_what_was_kept(
    failure: UpstreamError, is_kept: bool
) -> None:
    """Nothing of an answer stays in memory for credentials that are no longer good."""
    bench = Bench()
    cache = Forgetful(max_bytes=10_000, clock=bench.clock)
    source = Source(
        fetch=bench.rest,
        decode=decode,
        cache=cache,
        upstream_url="http://rest.invalid",
        windows=Windows(5),
    )
    await source.serve(KARI)

    bench.rest.failure = failure
    with pytest.raises(type(failure)):
        await source.serve(KARI)

    assert (cache.size_bytes > 0) is is_kept


async def test_an_old_answer_does_not_come_back_after_a_401() -> None:
    """Cached, expired, refused: from then on only REST can let the caller in again."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(5)
    bench.rest.failure = UpstreamUnauthenticatedError("401")
    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask()

    bench.clock.now = 1000.0  # were it still kept, it would be fresh again

    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask()


async def test_another_callers_401_takes_nothing_away() -> None:
    """What one caller loses the others keep."""
    bench = Bench()
    await bench.ask(KARI)
    bench.rest.failure = UpstreamUnauthenticatedError("401")
    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask(JONAS)

    assert await bench.ask(KARI) == "Basic kari 1"


async def test_two_callers_never_share_a_snapshot() -> None:
    """One after the other, each has its own answer and keeps it."""
    bench = Bench()

    answers = [await bench.ask(who) for who in (KARI, JONAS, KARI, JONAS)]

    assert answers == ["Basic kari 1", "Basic jonas 2", "Basic kari 1", "Basic jonas 2"]


async def test_two_callers_never_share_a_flight() -> None:
    """At the same time, too, each has its own."""
    bench = Bench(ttl_s=0)

    answers = await asyncio.gather(*(bench.ask(who) for who in (KARI, JONAS) * 10))

    assert answers == ["Basic kari 1", "Basic jonas 2"] * 10


async def test_the_headers_of_a_trace_go_along_and_tell_no_callers_apart() -> None:
    """They reach REST with the call that the request starts, and the cache ignores them."""
    bench = Bench()

    await bench.source.serve(KARI, [(b"traceparent", b"1")])
    await bench.source.serve(KARI, [(b"traceparent", b"2")])

    assert bench.rest.calls == [(*KARI.headers, (b"traceparent", b"1"))]


async def test_sources_with_different_secrets_name_callers_differently() -> None:
    """A secret that nobody set is a new one each time."""
    one, other = Bench().source, Bench().source

    assert one.secret != other.secret
    assert one.secret not in repr(one).encode()


async def test_an_answer_too_large_to_keep_is_still_given() -> None:
    """It costs a REST call each time."""
    bench = Bench(max_bytes=5)

    assert [await bench.ask(), await bench.ask()] == ["Basic kari 1", "Basic kari 2"]


@pytest.mark.parametrize(
    ("passed_s", "max_age_s", "how", "fwd"),
    [
        (0, None, "hit", "miss"),
        (4.9, None, "hit", "miss"),
        (2, 3, "hit", "miss"),
        (4, 3, "miss", "request"),
        (1.1, 0, "miss", "request"),
        (0.9, 0, "hit", "miss"),
        (5, None, "miss", "stale"),
        (9.9, None, "miss", "stale"),
        (10, None, "miss", "miss"),
    ],
)
async def test_a_request_is_told_how_its_snapshot_was_come_by(
    passed_s: float, max_age_s: float | None, how: str, fwd: str
) -> None:
    """From the cache, or from REST because there was nothing, or nothing young enough."""
    bench = Bench()
    await bench.ask()

    bench.clock.advance(passed_s)
    served = await bench.source.serve(KARI, max_age_s=max_age_s)

    assert (served.how, served.fwd) == (how, fwd)


async def test_a_poll_may_ask_for_less_than_a_second() -> None:
    """Otherwise one that comes twice a second would be given the same again and again."""
    bench = Bench()
    await bench.ask()

    bench.clock.advance(0.5)

    assert (await bench.source.serve(KARI, max_age_s=0.25, is_poll=True)).how == "miss"


async def test_a_large_answer_is_decoded_in_parts_with_turns_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many sessions there are; what depends on all of them is worked out at the end."""
    monkeypatch.setattr(reading, "_PART_BYTES", 100)
    sessions = [{"ChatSessionId": n, "TopicId": 4, "Status": "InQueue"} for n in range(99)]
    body = json.dumps(sessions, separators=(",", ":")).encode()
    turns = [0]
    decoded: list[tuple[int, int]] = []

    def noted(part: bytes) -> Sequence[Any]:
        found = chat_decoder.decode(part)
        decoded.append((len(found), turns[0]))
        return found

    async def count() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    completed: list[int] = []
    snapshot = await assemble(
        Stored(body, 0, 0),
        noted,
        lambda all_of_them: completed.append(len(all_of_them)),
        None,
        origin="upstream",
        fetch_s=0,
    )
    counting.cancel()

    assert [session.chat_session_id for session in snapshot.sessions] == [*range(99)]
    assert len({turn for _, turn in decoded}) == len(decoded) == 50
    assert completed == [99]


@pytest.mark.parametrize("body", [b"broken", b"[]", b'[1,{"a":', b'[{"a":1},{"a":2},{"a":3}'])
async def test_a_large_answer_is_refused_as_a_small_one(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """Whichever part is wrong."""

    async def outcome(size: int) -> str:
        monkeypatch.setattr(reading, "_PART_BYTES", size)
        stored, decode = Stored(body, 0, 0), chat_decoder.decode
        try:
            made = await assemble(stored, decode, bool, None, origin="upstream", fetch_s=0)
        except UpstreamBadResponseError as exc:
            return f"{exc} {exc.extensions}"
        return f"{len(made.sessions)} sessions"

    assert await outcome(1) == await outcome(1_000)


async def test_a_small_snapshot_has_room_for_answers() -> None:
    """Nobody's empty list is polled as often as anybody's."""
    bench = Bench(max_bytes=10**6)
    snapshot = (await bench.source.serve(KARI)).snapshot

    snapshot.attachments.add("a request", "an answer", 30_000)

    assert snapshot.attachments.get("a request") == "an answer"
    assert snapshot.size_bytes == snapshot.own_bytes + 30_000
    peeked = bench.source.peek(bench.source.key_of(KARI))
    assert peeked is not None
    assert peeked.snapshot is snapshot
    assert bench.cache.size_bytes == snapshot.size_bytes


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "is_there"), [(4, None, True), (5, None, False), (2, 1, False)]
)
async def test_looking_for_a_snapshot_calls_nobody(
    age_s: float, max_age_s: float | None, is_there: bool
) -> None:
    """It is there while it is fresh, for those for whom it is young enough."""
    bench = Bench()
    key = bench.source.key_of(KARI)
    assert bench.source.peek(key) is None

    await bench.ask()
    bench.clock.advance(age_s)

    assert (bench.source.peek(key, max_age_s=max_age_s) is not None) is is_there
    assert len(bench.rest.calls) == 1


async def test_what_was_read_before_a_change_is_not_fresh() -> None:
    """Neither for who can wait nor for who cannot; what is read afterwards is."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(1)

    bench.source.invalidate(bench.source.clock_ns())
    peeked = bench.source.peek(bench.source.key_of(KARI))
    served = await bench.source.serve(KARI)
    again = await bench.source.serve(KARI)

    assert peeked is None
    assert (served.how, served.fwd) == ("miss", "stale")
    assert again.how == "hit"
    assert len(bench.rest.calls) == 2


async def test_what_was_read_before_the_clock_was_set_back_is_not_fresh() -> None:
    """Its age is unknown; it may be kept for an hour, for when SuperOffice fails."""
    bench = Bench(windows=Windows(5, if_error_s=3_600))
    served = [await bench.source.serve(KARI)]
    bench.source.clock_ns = lambda: round(bench.clock() * 1e9) - 1_800 * 10**9
    served += [await bench.source.serve(KARI) for _ in range(2)]

    assert [(one.how, one.fwd) for one in served] == [
        ("miss", "miss"),
        ("miss", "stale"),
        ("hit", "miss"),
    ]


async def test_after_a_change_the_clock_may_be_set_back() -> None:
    """What is read then is cached as ever."""
    bench = Bench()
    bench.source.invalidate(bench.source.clock_ns())
    bench.clock.advance(-3_600)

    served = [await bench.source.serve(KARI) for _ in range(2)]

    assert [one.how for one in served] == ["miss", "hit"]


async def test_a_call_under_way_at_a_change_is_not_for_those_who_ask_later() -> None:
    """It may have seen the time before; for who asked before that is good enough."""
    bench = Bench()
    before = asyncio.create_task(bench.ask())
    while not bench.rest.calls:  # noqa: ASYNC110  it is a matter of steps
        await asyncio.sleep(0)
    bench.clock.advance(1)
    bench.source.invalidate(bench.source.clock_ns())

    later = await asyncio.gather(*(bench.ask() for _ in range(3)))

    assert await before == "Basic kari 1"
    assert later == ["Basic kari 2"] * 3
    assert await bench.ask() == "Basic kari 2"


async def test_a_known_key_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has one HMAC, whoever made it: neither a hit nor a miss needs another."""
    bench = Bench()
    key = bench.source.key_of(KARI)
    digests: list[bytes] = []
    digest = Caller.digest

    def counted(caller: Caller, secret: bytes, context: bytes) -> str:
        digests.append(context)
        return digest(caller, secret, context)

    monkeypatch.setattr(Caller, "digest", counted)
    hows = [(await bench.source.serve(KARI, key=key)).how for _ in range(2)]

    assert (hows, digests) == (["miss", "hit"], [])
