"""Processes that share a cache: one REST call for all of them, and no failure but REST's own."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import UpstreamError, UpstreamTimeoutError, UpstreamUnauthenticatedError
from gateway.sessions.freshness import Windows
from gateway.sessions.revocations import Revocations
from gateway.sessions.source import Source
from gateway.store import lease
from gateway.store.shared import SharedCache
from tests.sessions.test_source import JONAS, KARI, Bench, Rest
from tests.store.fakes import Clock
from tests.store.remote import Remote

SECRET = b"s" * 32


@dataclass
class Machines:
    """Several gateways over one REST side and one shared cache."""

    windows: Windows = field(default_factory=lambda: Windows(5))
    rest: Rest = field(default_factory=Rest)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """Start the cache."""
        self.remote = Remote(self.clock)

    def source(self, secret: bytes = SECRET) -> Source:
        """Start one more gateway, with an empty memory."""
        bench = Bench(rest=self.rest, clock=self.clock, windows=self.windows)
        shared = SharedCache(
            self.remote, max_bytes=10_000, answer_s=0.25, turn_s=10, clock=self.clock
        )
        return replace(bench.source, shared=shared, secret=secret, revocations=Revocations(shared))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes look again at once."""
    monkeypatch.setattr(lease, "_FIRST_POLL_S", 0)
    monkeypatch.setattr(lease, "_LATER_POLLS_S", 0)


async def text(source: Source, caller: Caller = KARI, **more: Any) -> str:
    """Return what a gateway has for the caller."""
    (session,) = (await source.serve(caller, **more)).snapshot.sessions
    return str(session.text)


async def test_many_gateways_are_one_rest_call() -> None:
    """At the same time, and later within the TTL."""
    machines = Machines()
    sources = [machines.source() for _ in range(5)]

    at_once = await asyncio.gather(*(text(s) for s in sources for _ in range(3)))
    later = await text(machines.source())

    assert [*at_once, later] == ["Basic kari 1"] * 16


async def test_a_shared_snapshot_is_a_hit_with_its_age() -> None:
    """REST was not asked for it; what it counts from is REST's answer, not its arrival here."""
    machines = Machines()
    await machines.source().serve(KARI)
    machines.clock.advance(3)

    served = await machines.source().serve(KARI)

    assert (served.how, served.age_s(), served.snapshot.origin) == ("hit", 3, "shared")


async def test_a_shared_snapshot_is_no_fresher_for_being_shared() -> None:
    """After its TTL it is fetched anew, wherever it came from."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(3)
    source = machines.source()
    await text(source)

    machines.clock.advance(2)

    assert await text(source) == "Basic kari 2"


@pytest.mark.parametrize("ahead_s", [-60, 60])
async def test_clocks_that_differ_make_nothing_younger_or_older(ahead_s: float) -> None:
    """The age of what is shared is told by the clock of the cache."""
    machines = Machines()
    other = replace(machines.source(), clock_ns=lambda: round((machines.clock() + ahead_s) * 1e9))
    await text(machines.source())
    machines.clock.advance(4)
    served = await other.serve(KARI)
    assert (served.how, round(served.age_s(), 6)) == ("hit", 4)

    machines.clock.advance(2)
    assert await text(other) == "Basic kari 2"


async def test_what_is_shared_is_sealed() -> None:
    """Neither who asked nor what was answered can be read there."""
    machines = Machines()
    await text(machines.source())

    [(name, (value, _))] = machines.remote.entries.items()
    assert value is not None
    for secret in (b"kari", b"Basic", SECRET):
        assert secret not in value
        assert secret.decode() not in name


async def test_one_callers_entry_does_not_open_for_another() -> None:
    """Not even where it was put in the other's place."""
    machines = Machines()
    source = machines.source()
    await text(source)
    kept = machines.remote.entries
    kept[source.key_of(JONAS)] = kept[source.key_of(KARI)]

    assert await text(machines.source(), JONAS) == "Basic jonas 2"


async def test_gateways_with_different_secrets_share_nothing() -> None:
    """Neither finds what the other has put there."""
    machines = Machines()
    await text(machines.source())

    assert await text(machines.source(b"t" * 32)) == "Basic kari 2"


async def test_who_wants_it_younger_asks_rest() -> None:
    """And shares what comes of it."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(3)

    assert await text(machines.source(), max_age_s=2) == "Basic kari 2"
    assert await text(machines.source()) == "Basic kari 2"


async def test_who_joins_a_flight_that_found_a_shared_answer_may_want_it_younger() -> None:
    """Then REST is asked after all."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(3)
    source = machines.source()

    any_age, young = await asyncio.gather(text(source), text(source, max_age_s=2))

    assert (any_age, young) == ("Basic kari 1", "Basic kari 2")


async def test_a_caller_whom_rest_turns_away_loses_it_everywhere() -> None:
    """What was shared goes too."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(5)
    machines.rest.failure = UpstreamUnauthenticatedError("401")

    with pytest.raises(UpstreamUnauthenticatedError):
        await text(machines.source())

    assert not machines.remote.entries


async def test_a_gateway_that_has_just_started_has_something_to_fall_back_on() -> None:
    """REST is down, but another process was answered before."""
    machines = Machines(Windows(5, if_error_s=60))
    await text(machines.source())
    machines.clock.advance(20)
    machines.rest.failure = UpstreamTimeoutError("late")

    served = await machines.source().serve(KARI)

    assert served.is_stale
    assert served.age_s() == 20
    machines.clock.advance(60)
    with pytest.raises(UpstreamTimeoutError):
        await machines.source().serve(KARI)


async def turned_away(machines: Machines, source: Source, **more: Any) -> None:
    """Have REST turn Kari away when this gateway asks, and fail from then on."""
    machines.rest.failure = UpstreamUnauthenticatedError("401")
    assert await failure(source, **more) is UpstreamUnauthenticatedError
    machines.rest.failure = UpstreamTimeoutError("late")


async def failure(source: Source, **more: Any) -> type:
    """Return what kind of failure Kari is told of by this gateway."""
    # Gathered, for the sake of coverage: see `Gateway.post`.
    [failed] = await asyncio.gather(source.serve(KARI, **more), return_exceptions=True)
    return type(failed)


@pytest.mark.parametrize("revalidate_s", [0, 10])
async def test_after_a_401_no_gateway_gives_what_is_old(revalidate_s: float) -> None:
    """Whatever it has in its memory; until REST accepts the caller again."""
    machines = Machines(Windows(5, while_revalidate_s=revalidate_s, if_error_s=60))
    one, other = machines.source(), machines.source()
    await text(one)
    await text(other)
    machines.clock.advance(10)
    await turned_away(machines, one, max_age_s=1)

    for source in (one, other, machines.source()):
        assert await failure(source) is UpstreamTimeoutError

    machines.clock.advance(8)
    machines.rest.failure = None
    await text(other)
    machines.clock.advance(6)
    machines.rest.failure = UpstreamTimeoutError("late")
    assert await text(one) == await text(other)


async def test_a_401_is_told_as_soon_as_the_cache_works_again() -> None:
    """It was away when REST turned the caller away."""
    machines = Machines(Windows(5, if_error_s=60))
    one, other = machines.source(), machines.source()
    await text(one)
    await text(other)
    machines.clock.advance(6)
    machines.remote.failure = TimeoutError()
    await turned_away(machines, one)
    machines.remote.failure = None
    machines.clock.advance(1)
    assert await failure(one) is UpstreamTimeoutError

    machines.rest.failure = None
    await text(one, JONAS)
    machines.rest.failure = UpstreamTimeoutError("late")

    assert await failure(other) is UpstreamTimeoutError


@pytest.mark.parametrize(("waited_s", "calls"), [(9.99, 1), (10, 0)])
async def test_nobody_waits_longer_than_rest_may_take(waited_s: float, calls: int) -> None:
    """Neither for another process alone, nor for that and then for REST."""
    machines = Machines(rest=Rest(is_hung=True))
    source = machines.source()
    lease = f"{source.key_of(KARI)}:lease"
    machines.remote.entries[lease] = (b"another's", machines.clock() + 2)
    waiting = asyncio.create_task(text(source))
    for _ in range(10):
        for _ in range(20):
            await asyncio.sleep(0)
        machines.clock.advance(waited_s / 10)
        machines.remote.entries[lease] = (b"another's", machines.clock() + 2)
    if calls:
        del machines.remote.entries[lease]

    with pytest.raises(UpstreamTimeoutError):
        await waiting
    assert len(machines.rest.calls) == calls


async def test_an_answer_that_cannot_be_read_is_not_shared() -> None:
    """What REST sent by mistake stays where it came in."""
    machines = Machines(rest=Rest(is_broken=True))

    with pytest.raises(UpstreamError):
        await text(machines.source())

    assert not machines.remote.entries


async def test_a_failing_cache_fails_no_request() -> None:
    """Each gateway goes on by itself."""
    machines = Machines(Windows(5, if_error_s=60))
    machines.remote.failure = TimeoutError()

    answers = [await text(machines.source()), await text(machines.source())]

    assert answers == ["Basic kari 1", "Basic kari 2"]
    machines.rest.failure = UpstreamTimeoutError("late")
    with pytest.raises(UpstreamTimeoutError):
        await text(machines.source())


async def test_without_a_ttl_nothing_is_shared() -> None:
    """Then not even this process would use it again."""
    machines = Machines(Windows(0))

    await text(machines.source())

    assert machines.remote.calls == 0
