"""Processes that share a cache: one REST call for all, and no failures but REST's."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.caller import Caller
from gateway.errors import UpstreamError, UpstreamTimeoutError, UpstreamUnauthenticatedError
from gateway.headers import Header
from gateway.sessions.freshness import Windows
from gateway.sessions.source import Source
from gateway.store import lease
from gateway.store.shared import SharedCache
from gateway.store.shared_times import SharedTimes
from tests.clock import FakeClock
from tests.sessions.test_source import JONAS, KARI, Bench, Rest
from tests.store.remote import Remote
from tests.waiting import settle

SECRET = b"s" * 32


@dataclass
class Machines:
    """Several gateways over one REST API and one shared cache."""

    windows: Windows = field(default_factory=lambda: Windows(5))
    rest: Rest = field(default_factory=Rest)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        """Create the shared cache."""
        self.remote = Remote(self.clock)

    def source(self, secret: bytes = SECRET) -> Source:
        """Start another gateway, with an empty memory."""
        bench = Bench(rest=self.rest, clock=self.clock, windows=self.windows)
        shared = SharedCache(
            self.remote, max_bytes=10_000, answer_s=0.25, lease_wait_s=10, clock=self.clock
        )
        return replace(bench.source, shared=shared, secret=secret, rejections=SharedTimes(shared))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the pauses between polls of a lease."""
    monkeypatch.setattr(lease, "_FIRST_POLL_S", 0)
    monkeypatch.setattr(lease, "_LATER_POLLS_S", 0)


async def text(source: Source, caller: Caller = KARI, **more: Any) -> str:
    """Return what a gateway serves to the caller."""
    (session,) = (await source.serve(caller, **more)).snapshot.sessions
    return str(session.text)


async def test_many_gateways_share_one_rest_call() -> None:
    """Several gateways share one REST call, at the same time and within the TTL."""
    machines = Machines()
    sources = [machines.source() for _ in range(5)]

    at_once = await asyncio.gather(*(text(s) for s in sources for _ in range(3)))
    later = await text(machines.source())

    assert [*at_once, later] == ["Basic kari 1"] * 16


async def test_a_shared_snapshot_is_a_hit_with_its_age() -> None:
    """A shared snapshot is a hit, whose age counts from REST's answer."""
    machines = Machines()
    await machines.source().serve(KARI)
    machines.clock.advance(3)

    served = await machines.source().serve(KARI)

    assert (served.how, served.age_s(), served.result) == ("hit", 3, "shared")


async def test_a_shared_snapshot_expires_after_its_ttl() -> None:
    """A shared snapshot expires as one of the own process does."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(3)
    source = machines.source()
    await text(source)

    machines.clock.advance(2)

    assert await text(source) == "Basic kari 2"


@pytest.mark.parametrize("ahead_s", [-60, 60])
async def test_the_age_does_not_depend_on_the_clocks_of_gateways(ahead_s: float) -> None:
    """The age of a shared snapshot is by the clock of the cache."""
    machines = Machines()
    other = replace(machines.source(), clock_ns=lambda: round((machines.clock() + ahead_s) * 1e9))
    await text(machines.source())
    machines.clock.advance(4)
    served = await other.serve(KARI)
    assert (served.how, round(served.age_s(), 6)) == ("hit", 4)

    machines.clock.advance(2)
    assert await text(other) == "Basic kari 2"


async def test_an_answer_whose_call_began_before_a_change_is_not_shared() -> None:
    """Another gateway that knows of the change calls REST: the answer may lack it."""
    machines = Machines()
    other = machines.source()

    async def during_a_change(caller: Caller, trace: Sequence[Header]) -> bytes:
        machines.clock.advance(1)
        other.invalidate(other.clock_ns())
        machines.clock.advance(1)
        return await machines.rest(caller, trace)

    first = await text(replace(machines.source(), fetch=during_a_change))
    machines.clock.advance(0.5)

    assert (first, await text(other)) == ("Basic kari 1", "Basic kari 2")


async def test_after_a_change_gateways_share_one_rest_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was stored since is used, although it is older than the change was at first."""
    monkeypatch.setattr(lease, "_FIRST_POLL_S", 0.01)
    monkeypatch.setattr(lease, "_LATER_POLLS_S", 0.01)
    machines, may_answer = Machines(), asyncio.Event()

    async def slow(caller: Caller, trace: Sequence[Header]) -> bytes:
        await may_answer.wait()
        return await machines.rest(caller, trace)

    sources = [replace(machines.source(), fetch=slow) for _ in range(3)]
    for source in sources:
        source.invalidate(source.clock_ns())
    machines.clock.advance(0.001)
    first, *others = [asyncio.create_task(text(source)) for source in sources]
    await settle()
    may_answer.set()
    await first
    machines.clock.advance(0.01)

    assert await asyncio.gather(first, *others) == ["Basic kari 1"] * 3


async def test_shared_entries_are_encrypted() -> None:
    """Neither the caller nor the answer is readable in the shared cache."""
    machines = Machines()
    await text(machines.source())

    [(name, (value, _))] = machines.remote.entries.items()
    assert value is not None
    for secret in (b"kari", b"Basic", SECRET):
        assert secret not in value
        assert secret.decode() not in name


async def test_one_callers_entry_does_not_open_for_another() -> None:
    """An entry that is moved to another caller's name does not open."""
    machines = Machines()
    source = machines.source()
    await text(source)
    entries = machines.remote.entries
    entries[source.key_of(JONAS)] = entries[source.key_of(KARI)]

    assert await text(machines.source(), JONAS) == "Basic jonas 2"


async def test_gateways_with_different_secrets_share_nothing() -> None:
    """Gateways with different secrets do not find each other's entries."""
    machines = Machines()
    await text(machines.source())

    assert await text(machines.source(b"t" * 32)) == "Basic kari 2"


async def test_a_request_for_a_younger_answer_calls_rest() -> None:
    """A request for a younger answer calls REST, and its snapshot is shared."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(3)

    assert await text(machines.source(), max_age_s=2) == "Basic kari 2"
    assert await text(machines.source()) == "Basic kari 2"


@pytest.mark.parametrize("is_poll", [False, True])
async def test_a_collapsed_request_may_need_a_younger_answer(*, is_poll: bool) -> None:
    """A request that was collapsed into a lookup calls REST if the shared answer is too old."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(3)
    source = machines.source()

    young_text = text(source, max_age_s=2, is_poll=is_poll)
    any_age, young = await asyncio.gather(text(source), young_text)

    assert (any_age, young) == ("Basic kari 1", "Basic kari 2")


async def test_a_call_of_another_process_can_have_begun_too_early() -> None:
    """A request for a younger answer waits for the call of another process, and calls REST."""
    machines = Machines()
    before = asyncio.create_task(text(machines.source()))
    while not machines.rest.calls:  # noqa: ASYNC110  waits a few steps only
        await asyncio.sleep(0)
    machines.clock.advance(3)

    later = text(machines.source(), max_age_s=1)

    assert [*await asyncio.gather(later, before)] == ["Basic kari 2", "Basic kari 1"]


async def test_a_401_deletes_the_shared_entry() -> None:
    """A 401 deletes the caller's shared entry."""
    machines = Machines()
    await text(machines.source())
    machines.clock.advance(5)
    machines.rest.failure = UpstreamUnauthenticatedError("401")

    with pytest.raises(UpstreamUnauthenticatedError):
        await text(machines.source())

    assert not machines.remote.entries


async def test_a_new_gateway_can_serve_a_stale_shared_answer() -> None:
    """A gateway that starts while REST is down serves a stale shared answer."""
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


async def reject_caller(machines: Machines, source: Source, **more: Any) -> None:
    """Let REST reject the caller at this gateway, and fail from then on."""
    machines.rest.failure = UpstreamUnauthenticatedError("401")
    assert await failure_of(source, **more) is UpstreamUnauthenticatedError
    machines.rest.failure = UpstreamTimeoutError("late")


async def reject_in_outage(machines: Machines, source: Source, **more: Any) -> None:
    """Let REST reject the caller at this gateway during an outage of the shared cache."""
    machines.remote.failure = TimeoutError()
    await reject_caller(machines, source, **more)
    machines.remote.failure = None
    machines.clock.advance(1)


async def failure_of(source: Source, **more: Any) -> type:
    """Return the type of the error that the caller gets at this gateway."""
    # Gathered for coverage: see `Gateway.post`.
    [failed] = await asyncio.gather(source.serve(KARI, **more), return_exceptions=True)
    return type(failed)


@pytest.mark.parametrize("revalidate_s", [0, 10])
async def test_after_a_401_no_gateway_serves_stale_answers(revalidate_s: float) -> None:
    """After a 401 no gateway serves stale answers until REST accepts the caller again."""
    machines = Machines(Windows(5, while_revalidate_s=revalidate_s, if_error_s=60))
    one, other = machines.source(), machines.source()
    await text(one)
    await text(other)
    machines.clock.advance(10)
    await reject_caller(machines, one, max_age_s=1)

    for source in (one, other, machines.source()):
        assert await failure_of(source) is UpstreamTimeoutError

    machines.clock.advance(8)
    machines.rest.failure = None
    await text(other)
    machines.clock.advance(6)
    machines.rest.failure = UpstreamTimeoutError("late")
    assert await text(one) == await text(other)


async def test_after_a_401_no_gateway_serves_stale_answers_while_rest_is_called() -> None:
    """A 401 is shared even if stale-while-revalidate is the only window."""
    machines = Machines(Windows(5, while_revalidate_s=60))
    one, other = machines.source(), machines.source()
    await text(one)
    await text(other)
    machines.clock.advance(10)
    await reject_caller(machines, one, max_age_s=1)

    assert await failure_of(other) is UpstreamTimeoutError


async def test_a_401_is_shared_after_an_outage_of_the_cache() -> None:
    """A 401 during an outage of the shared cache reaches other gateways after it."""
    machines = Machines(Windows(5, if_error_s=60))
    one, other = machines.source(), machines.source()
    await text(one)
    await text(other)
    machines.clock.advance(6)
    await reject_in_outage(machines, one)
    assert await failure_of(one) is UpstreamTimeoutError

    machines.rest.failure = None
    await text(one, JONAS)
    machines.rest.failure = UpstreamTimeoutError("late")

    assert await failure_of(other) is UpstreamTimeoutError


async def test_after_an_outage_an_answer_from_before_a_401_is_not_used() -> None:
    """The gateway that saw it calls REST again, and then makes the entry useless for all."""
    machines = Machines(Windows(30))
    source = machines.source()
    await text(source)
    machines.clock.advance(2)
    await reject_in_outage(machines, source, max_age_s=1)
    assert await failure_of(source) is UpstreamTimeoutError

    machines.rest.failure = None
    await text(source, JONAS)
    machines.rest.failure = UpstreamTimeoutError("late")

    assert await failure_of(machines.source()) is UpstreamTimeoutError


@pytest.mark.parametrize(("waited_s", "calls"), [(9.99, 1), (10, 0)])
async def test_the_wait_for_another_process_and_rest_has_one_timeout(
    waited_s: float, calls: int
) -> None:
    """A request waits no longer than REST's timeout for another process and REST together."""
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


async def test_without_a_wait_for_another_process_rest_has_its_own_timeout() -> None:
    """A call that follows no wait may take longer than a wait."""
    source = Machines().source()
    assert source.shared is not None
    source.shared.lease_wait_s = 0

    assert await text(source) == "Basic kari 1"


async def test_an_invalid_answer_is_not_shared() -> None:
    """An invalid answer of REST is not shared."""
    machines = Machines(rest=Rest(is_broken=True))

    with pytest.raises(UpstreamError):
        await text(machines.source())

    assert not machines.remote.entries


async def test_a_failing_cache_fails_no_request() -> None:
    """With a failing cache each gateway continues by itself."""
    machines = Machines(Windows(5, if_error_s=60))
    machines.remote.failure = TimeoutError()

    answers = [await text(machines.source()), await text(machines.source())]

    assert answers == ["Basic kari 1", "Basic kari 2"]
    machines.rest.failure = UpstreamTimeoutError("late")
    with pytest.raises(UpstreamTimeoutError):
        await text(machines.source())


async def test_with_a_ttl_of_0_nothing_is_shared() -> None:
    """With a TTL of 0 the shared cache is not called."""
    machines = Machines(Windows(0))

    await text(machines.source())

    assert machines.remote.calls == 0
