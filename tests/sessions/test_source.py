"""The source: REST behind a cache of snapshots per caller."""

import asyncio
import json
import threading
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
from gateway.store.shared_rate import SharedRate
from gateway.upstream.body_memory import BodyMemory
from gateway.upstream.budget import Budget
from tests.clock import FakeClock
from tests.waiting import PATIENCE_S, settle

KARI = Caller(((b"authorization", b"Basic kari"),))
JONAS = Caller(((b"authorization", b"Basic jonas"),))


@dataclass
class Rest:
    """Answers with the caller's credentials and the number of the call, or raises `failure`."""

    failure: Exception | None = None
    is_broken: bool = False
    is_hung: bool = False
    calls: list[tuple[Header, ...]] = field(default_factory=list)

    async def __call__(self, caller: Caller, trace: Sequence[Header]) -> bytes:
        """Answer one call asynchronously."""
        self.calls.append((*caller.headers, *trace))
        number = len(self.calls)
        await asyncio.sleep(3_600 if self.is_hung else 0)
        if self.failure:
            raise self.failure
        return b"broken" if self.is_broken else b"%s %d" % (caller.headers[0][1], number)


@dataclass
class Bench:
    """A source with its cache, clock and REST API."""

    ttl_s: float = 5.0
    max_bytes: int = 10_000
    rest: Rest = field(default_factory=Rest)
    clock: FakeClock = field(default_factory=FakeClock)
    windows: Windows | None = None

    def __post_init__(self) -> None:
        """Build the cache and the source."""
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
        """Return what the source serves to the caller."""
        (answer,) = (await self.source.serve(caller)).snapshot.sessions
        return answer.text


@dataclass
class Record:
    """The one record of a body."""

    text: str
    as_of: AsOf | None = None


def decode(body: bytes) -> list[Record]:
    """Decode the one record of a body."""
    if body == b"broken":
        raise UpstreamBadResponseError("not an array")
    return [Record(body.decode())]


async def test_a_fresh_snapshot_is_served_again() -> None:
    """Within its TTL the same snapshot is served, and REST is not called."""
    bench = Bench()

    first = (await bench.source.serve(KARI)).snapshot
    bench.clock.advance(4.9)
    second = (await bench.source.serve(KARI)).snapshot

    assert second is first
    assert len(bench.rest.calls) == 1


async def test_an_expired_snapshot_is_fetched_again() -> None:
    """After its TTL a snapshot is fetched again."""
    bench = Bench()
    await bench.ask()

    bench.clock.advance(5)

    assert await bench.ask() == "Basic kari 2"


async def test_a_hit_does_not_prolong_the_ttl() -> None:
    """A caller who sends a request every second gets new sessions after five."""
    bench = Bench()

    answers = []
    for _ in range(7):
        answers.append(await bench.ask())
        bench.clock.advance(1)

    assert answers == ["Basic kari 1"] * 5 + ["Basic kari 2"] * 2


async def test_a_snapshot_has_the_time_of_its_fetch() -> None:
    """The time of the fetch is on the snapshot and on each record."""
    bench = Bench()
    bench.clock.advance(7)

    await bench.ask()
    bench.clock.advance(3)
    snapshot = (await bench.source.serve(KARI)).snapshot

    assert snapshot.as_of.fetched_ns == 1_007_000_000_000
    assert snapshot.sessions[0].as_of is snapshot.as_of


async def test_the_size_of_a_snapshot_exceeds_its_json() -> None:
    """The cache counts memory, and records take more of it than their JSON."""
    bench = Bench()

    snapshot = (await bench.source.serve(KARI)).snapshot

    assert snapshot.size_bytes > len(b"Basic kari 1")
    assert bench.cache.size_bytes == snapshot.size_bytes


async def test_with_a_ttl_of_0_each_request_calls_rest() -> None:
    """With a TTL of 0 each request calls REST, and nothing is cached."""
    bench = Bench(ttl_s=0)

    assert [await bench.ask(), await bench.ask()] == ["Basic kari 1", "Basic kari 2"]
    assert bench.cache.size_bytes == 0


async def test_with_a_ttl_of_0_the_cache_is_not_used() -> None:
    """With a TTL of 0 no snapshot is stored, not even for a moment."""
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


async def test_with_a_ttl_of_0_simultaneous_requests_share_a_call() -> None:
    """Simultaneous requests share a call also with a TTL of 0."""
    bench = Bench(ttl_s=0)

    answers = await asyncio.gather(*(bench.ask() for _ in range(20)))

    assert answers == ["Basic kari 1"] * 20


async def test_a_hundred_requests_at_once_are_one_call() -> None:
    """A hundred simultaneous requests of a caller cost one REST call."""
    bench = Bench()

    answers = await asyncio.gather(*(bench.ask() for _ in range(100)))

    assert answers == ["Basic kari 1"] * 100
    assert len(bench.rest.calls) == 1


async def test_simultaneous_requests_share_a_failed_call() -> None:
    """A hundred simultaneous requests share a failed REST call."""
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
    ids=repr,
)
async def test_a_failure_is_not_cached(failure: Exception) -> None:
    """After a failure the next request calls REST again."""
    bench = Bench(rest=Rest(failure))
    with pytest.raises(type(failure)):
        await bench.ask()

    bench.rest.failure = None

    assert await bench.ask() == "Basic kari 2"


async def test_an_invalid_body_is_not_cached() -> None:
    """An invalid body is not cached, and its error has the status 200 of REST."""
    bench = Bench(rest=Rest(is_broken=True))
    with pytest.raises(UpstreamBadResponseError) as caught:
        await bench.ask()

    bench.rest.is_broken = False

    assert caught.value.extensions["upstreamStatus"] == 200
    assert await bench.ask() == "Basic kari 2"


class NeverHits(BoundedMemoryCache):
    """A cache without hits, so that only a deletion empties it."""

    async def get(self, key: str, default: object = None, **_: object) -> None:
        """Return a miss."""


@pytest.mark.parametrize(
    ("failure", "is_cached"),
    [
        (UpstreamUnauthenticatedError("401"), False),
        (UpstreamForbiddenError("403"), False),
        (UpstreamTimeoutError("late"), True),
        (UpstreamError("500"), True),
    ],
    ids=repr,
)
async def test_rejected_credentials_delete_the_cached_snapshot(
    failure: UpstreamError, is_cached: bool
) -> None:
    """After rejected credentials no answer stays in memory; other failures keep it."""
    bench = Bench()
    cache = NeverHits(max_bytes=10_000, clock=bench.clock)
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

    assert (cache.size_bytes > 0) is is_cached


async def test_an_old_answer_does_not_come_back_after_a_401() -> None:
    """After a 401 only REST can let the caller in again, also if the clock is set back."""
    bench = Bench()
    await bench.ask()
    bench.clock.advance(5)
    bench.rest.failure = UpstreamUnauthenticatedError("401")
    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask()

    bench.clock.now = 1000.0  # a snapshot in the cache would be fresh again

    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask()


async def test_a_401_of_another_caller_changes_nothing() -> None:
    """A 401 of one caller does not delete the snapshot of another."""
    bench = Bench()
    await bench.ask(KARI)
    bench.rest.failure = UpstreamUnauthenticatedError("401")
    with pytest.raises(UpstreamUnauthenticatedError):
        await bench.ask(JONAS)

    assert await bench.ask(KARI) == "Basic kari 1"


async def test_two_callers_never_share_a_snapshot() -> None:
    """Callers that alternate have their own snapshots."""
    bench = Bench()

    answers = [await bench.ask(caller) for caller in (KARI, JONAS, KARI, JONAS)]

    assert answers == ["Basic kari 1", "Basic jonas 2", "Basic kari 1", "Basic jonas 2"]


async def test_two_callers_never_share_a_call() -> None:
    """Simultaneous requests of two callers do not share a REST call."""
    bench = Bench(ttl_s=0)

    answers = await asyncio.gather(*(bench.ask(caller) for caller in (KARI, JONAS) * 10))

    assert answers == ["Basic kari 1", "Basic jonas 2"] * 10


async def test_trace_headers_are_sent_and_not_part_of_the_key() -> None:
    """Trace headers are sent with the REST call of their request, and the cache ignores them."""
    bench = Bench()

    await bench.source.serve(KARI, [(b"traceparent", b"1")])
    await bench.source.serve(KARI, [(b"traceparent", b"2")])

    assert bench.rest.calls == [(*KARI.headers, (b"traceparent", b"1"))]


async def test_each_source_has_a_random_secret_by_default() -> None:
    """Without a setting each source has a random secret, which is in no repr."""
    one, other = Bench().source, Bench().source

    assert one.secret != other.secret
    assert one.secret not in repr(one).encode()


async def test_an_answer_too_large_for_the_cache_is_served() -> None:
    """An answer too large for the cache is served, with a REST call each time."""
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
async def test_served_has_the_cache_status(
    passed_s: float, max_age_s: float | None, how: str, fwd: str
) -> None:
    """The result shows whether a hit, a miss, or a too old snapshot was found."""
    bench = Bench()
    await bench.ask()

    bench.clock.advance(passed_s)
    served = await bench.source.serve(KARI, max_age_s=max_age_s)

    assert (served.how, served.fwd) == (how, fwd)


async def test_a_poll_may_request_an_age_below_a_second() -> None:
    """A poll may request an age below a second, so that frequent polls see changes."""
    bench = Bench()
    await bench.ask()

    bench.clock.advance(0.5)

    assert (await bench.source.serve(KARI, max_age_s=0.25, is_poll=True)).how == "miss"


@pytest.mark.parametrize(("is_poll", "calls"), [(True, 1), (False, 2)])
async def test_a_poll_joins_a_call_that_began_before(*, is_poll: bool, calls: int) -> None:
    """Its limit is for the age of the answer: a slow call must not be followed by another."""
    bench = Bench()
    first = asyncio.create_task(bench.source.serve(KARI))
    while not bench.rest.calls:  # noqa: ASYNC110  waits a few steps only
        await asyncio.sleep(0)
    bench.clock.advance(3)

    await asyncio.gather(first, bench.source.serve(KARI, max_age_s=1, is_poll=is_poll))

    assert len(bench.rest.calls) == calls


async def test_a_request_that_joins_a_poll_does_not_wait_behind_polls() -> None:
    """Those of many subscribers may wait for the budget; both get the answer of one call."""
    budget, bench = Budget(SharedRate("a tenant", 1), queue=9), Bench()

    async def fetch(caller: Caller, trace: Sequence[Header]) -> bytes:
        await budget.take(caller.owner(), longest_s=60)
        return await bench.rest(caller, trace)

    bench.source.fetch = fetch
    async with budget.polls.slot("another"):
        poll = asyncio.create_task(bench.source.serve(KARI, is_poll=True))
        await settle()
        has_waited = budget.polls.waiting
        async with asyncio.timeout(5):
            served = await bench.source.serve(KARI)
            assert (await poll).snapshot is served.snapshot

    assert has_waited
    assert len(bench.rest.calls) == 1


async def test_a_large_answer_is_decoded_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other tasks run meanwhile, and `complete` gets all sessions at the end."""
    monkeypatch.setattr(reading, "_LARGEST_ON_THE_LOOP", 100)
    monkeypatch.setattr(reading, "_PART_BYTES", 100)
    sessions = [{"ChatSessionId": n, "TopicId": 4, "Status": "InQueue"} for n in range(99)]
    body = json.dumps(sessions, separators=(",", ":")).encode()
    loop, decoded = asyncio.get_running_loop(), list[int]()

    def decode_part(part: bytes) -> Sequence[Any]:
        has_run = threading.Event()
        loop.call_soon_threadsafe(has_run.set)
        assert has_run.wait(PATIENCE_S)
        part_sessions = chat_decoder.decode(part)
        decoded.append(len(part_sessions))
        return part_sessions

    completed: list[int] = []
    snapshot = await assemble(
        Stored(body, 0, 0),
        decode_part,
        lambda all_sessions: completed.append(len(all_sessions)),
        None,
        origin="upstream",
        fetch_s=0,
    )

    assert [session.chat_session_id for session in snapshot.sessions] == [*range(99)]
    assert decoded == [2] * 49 + [1]
    assert completed == [99]


@pytest.mark.parametrize("body", [b"broken", b"[]", b'[1,{"a":', b'[{"a":1},{"a":2},{"a":3}'])
async def test_an_invalid_large_answer_has_the_error_of_a_small_one(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """An invalid body has the same error whether it is decoded in parts or whole."""

    async def outcome(size: int) -> str:
        monkeypatch.setattr(reading, "_LARGEST_ON_THE_LOOP", size)
        monkeypatch.setattr(reading, "_PART_BYTES", size)
        stored, decode = Stored(body, 0, 0), chat_decoder.decode
        try:
            snapshot = await assemble(stored, decode, bool, None, origin="upstream", fetch_s=0)
        except UpstreamBadResponseError as exc:
            return f"{exc} {exc.extensions}"
        return f"{len(snapshot.sessions)} sessions"

    assert await outcome(1) == await outcome(1_000)


async def test_a_small_snapshot_has_room_for_answers() -> None:
    """An empty list, which is polled as often as others, can have cached answers."""
    bench = Bench(max_bytes=10**6)
    snapshot = (await bench.source.serve(KARI)).snapshot

    snapshot.attachments.add("a request", "an answer", 30_000)

    assert snapshot.attachments.get("a request") == "an answer"
    assert snapshot.size_bytes == snapshot.own_bytes + 30_000
    peeked = bench.source.peek(bench.source.key_of(KARI))
    assert peeked is not None
    assert peeked.snapshot is snapshot
    assert bench.cache.size_bytes == snapshot.size_bytes


async def test_the_memory_of_a_snapshot_grows_with_its_answer() -> None:
    """The limit of the cache would not hold if long answers, or many sessions, counted as few."""

    async def memory(length: int, count: int) -> int:
        sessions = [Record("") for _ in range(count)]
        stored = Stored(bytes(length), 0, 0)
        more: dict[str, Any] = {"origin": "upstream", "fetch_s": 0}
        return (await assemble(stored, lambda _: sessions, bool, None, **more)).own_bytes

    small = await memory(100, 1)
    assert await memory(10_100, 1) > small + 10_000
    assert await memory(100, 101) >= small + 50_000


async def test_the_number_of_small_snapshots_is_limited() -> None:
    """Each takes 2.4 kB beside its sessions, and a caller can have one for each language."""
    bench = Bench(max_bytes=100_000)
    for number in range(100):
        await bench.ask(Caller((*KARI.headers, (b"accept-language", b"x%d" % number))))

    assert bench.cache.count < 40


@pytest.mark.parametrize(
    ("age_s", "max_age_s", "is_found"), [(4, None, True), (5, None, False), (2, 1, False)]
)
async def test_peek_makes_no_call(age_s: float, max_age_s: float | None, is_found: bool) -> None:
    """`peek` returns a snapshot that is fresh and young enough, without a REST call."""
    bench = Bench()
    key = bench.source.key_of(KARI)
    assert bench.source.peek(key) is None

    await bench.ask()
    bench.clock.advance(age_s)

    assert (bench.source.peek(key, max_age_s=max_age_s) is not None) is is_found
    assert len(bench.rest.calls) == 1


async def test_an_invalidated_snapshot_is_not_fresh() -> None:
    """A snapshot from before a change is not served; one from after it is."""
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


async def test_a_snapshot_from_the_future_is_not_fresh() -> None:
    """A snapshot from before the clock was set back has an unknown age, so it is fetched again."""
    bench = Bench(windows=Windows(5, if_error_s=3_600))
    served = [await bench.source.serve(KARI)]
    bench.source.clock_ns = lambda: round(bench.clock() * 1e9) - 1_800 * 10**9
    served += [await bench.source.serve(KARI) for _ in range(2)]

    assert [(one.how, one.fwd) for one in served] == [
        ("miss", "miss"),
        ("miss", "stale"),
        ("hit", "miss"),
    ]


async def test_after_an_invalidation_the_clock_may_be_set_back() -> None:
    """Snapshots from after the clock was set back are cached."""
    bench = Bench()
    bench.source.invalidate(bench.source.clock_ns())
    bench.clock.advance(-3_600)

    served = [await bench.source.serve(KARI) for _ in range(2)]

    assert [one.how for one in served] == ["miss", "hit"]


async def test_a_call_from_before_a_change_does_not_serve_later_requests() -> None:
    """A call from before a change serves its own request; later requests share another."""
    bench = Bench()
    before = asyncio.create_task(bench.ask())
    while not bench.rest.calls:  # noqa: ASYNC110  waits a few steps only
        await asyncio.sleep(0)
    bench.clock.advance(1)
    bench.source.invalidate(bench.source.clock_ns())

    later = await asyncio.gather(*(bench.ask() for _ in range(3)))

    assert await before == "Basic kari 1"
    assert later == ["Basic kari 2"] * 3
    assert await bench.ask() == "Basic kari 2"


async def begun(bench: Bench, call: asyncio.Task[object], took_s: float) -> None:
    """Wait until a call is made, and let this much time pass."""
    while not bench.rest.calls:  # noqa: ASYNC110  waits a few steps only
        await asyncio.sleep(0)
    assert not call.done()
    bench.clock.advance(took_s)


async def test_a_call_that_began_too_early_does_not_serve_a_request_for_a_younger_answer() -> None:
    """The answer to a slow call has the data of its beginning, however young it is."""
    bench = Bench()
    before = asyncio.create_task(bench.ask())
    await begun(bench, before, took_s=3)

    anyone = asyncio.create_task(bench.ask())
    later = await asyncio.gather(*(bench.source.serve(KARI, max_age_s=1) for _ in range(3)))

    assert [await before, await anyone] == ["Basic kari 1"] * 2
    assert [served.snapshot.sessions[0].text for served in later] == ["Basic kari 2"] * 3
    assert len(bench.rest.calls) == 2


async def test_a_call_that_began_soon_enough_is_shared() -> None:
    """A call of the last second is accepted in any case, so that a page's requests share one."""
    bench = Bench()
    before = asyncio.create_task(bench.ask())
    await begun(bench, before, took_s=0.9)

    served = await bench.source.serve(KARI, max_age_s=0)

    assert (served.how, await before) == ("collapsed", "Basic kari 1")


async def test_a_cached_answer_is_as_old_as_the_beginning_of_its_call() -> None:
    """An answer that took three seconds is too old for `max-age=1` when it arrives."""
    bench = Bench()
    before = asyncio.create_task(bench.ask())
    await begun(bench, before, took_s=3)
    await before
    key = bench.source.key_of(KARI)

    assert bench.source.peek(key, max_age_s=1) is None
    assert bench.source.peek(key, max_age_s=3) is not None
    assert (await bench.source.serve(KARI, max_age_s=1)).how == "miss"


async def test_a_known_key_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose key is known needs no further HMAC."""
    bench = Bench()
    key = bench.source.key_of(KARI)
    digests: list[bytes] = []
    digest = Caller.digest

    def record(caller: Caller, secret: bytes, context: bytes) -> str:
        digests.append(context)
        return digest(caller, secret, context)

    monkeypatch.setattr(Caller, "digest", record)
    hows = [(await bench.source.serve(KARI, key=key)).how for _ in range(2)]

    assert (hows, digests) == (["miss", "hit"], [])


async def test_the_bodies_of_a_user_in_all_languages_are_one_share() -> None:
    """A user who asks in many languages has no more memory for SuperOffice's bodies."""
    shares: list[str] = []

    class Bodies(BodyMemory):
        def hold(self, share: str) -> Any:
            shares.append(share)
            return super().hold(share)

    bench = Bench()
    bench.source.bodies = Bodies()
    in_german = Caller((*KARI.headers, (b"accept-language", b"de")))
    for caller in (KARI, in_german, JONAS):
        await bench.ask(caller)

    assert shares[0] == shares[1] != shares[2]
