"""The budget of REST calls per second: calls beyond it wait, or are refused."""

import asyncio
import math
from contextlib import suppress
from contextvars import ContextVar

from gateway.errors import UpstreamRateLimitedError, UpstreamUnavailableError
from gateway.store.shared_rate import SharedRate
from gateway.upstream.gate import Gate

_LONGEST_S = 60  # the script in Redis ignores reservations further ahead
_AHEAD_S = 0.2  # for a reservation: two of the longest round trips to Redis
_PER_POLL = 3


class Poll:
    """A poll of a live subscription, which can wait for the next one, until a request joins it."""

    is_joined = False
    turn: asyncio.Timeout | None = None

    def join(self) -> None:
        """Let it take its turn among requests."""
        self.is_joined = True
        if self.turn is not None:
            with suppress(RuntimeError):  # the wait has just ended
                self.turn.reschedule(0)


POLL: ContextVar[Poll | None] = ContextVar("poll", default=None)
"""The poll for which a call is made; None for a request."""


class Budget:
    """Limits the rate at which calls begin; waiting callers take turns, as in `Gate`.

    All workers reserve times for the calls of the next 0.2 seconds. Live polls have turns of their
    own, one for three of requests: while both wait, polls get between a quarter and half of the
    budget, however many there are of either.
    """

    def __init__(self, rate: SharedRate, *, queue: int) -> None:
        self.rate = rate
        slots = math.ceil(rate.per_second * _AHEAD_S / rate.workers)
        self.requests = Gate(slots=slots, queue=queue)
        self.polls = Gate(slots=math.ceil(slots / _PER_POLL), queue=queue)
        self.granted = self.refused = 0

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a turn."""
        return self.requests.waiting + self.polls.waiting

    async def take(self, share: str, *, longest_s: float) -> None:
        """Wait until a call may begin.

        Raises:
            UpstreamRateLimitedError: it may not begin within `longest_s`.
        """
        now = asyncio.get_running_loop().time
        ends_at = now() + longest_s
        # A call that may not wait for a time still waits for the reply of Redis.
        turn = asyncio.timeout(max(_AHEAD_S, longest_s))
        turns, poll = self.requests, POLL.get()
        if poll is not None and not poll.is_joined:
            turns, poll.turn = self.polls, turn
        try:
            async with turn, turns.slot(share):
                if poll is not None:
                    poll.turn = None
                left_s = min(_LONGEST_S, max(0, ends_at - now()))
                wait_s = await self.rate.reserve(left_s)
                if wait_s > left_s:
                    raise self._refusal(wait_s)
                if wait_s:
                    await asyncio.sleep(wait_s)
        except (TimeoutError, UpstreamUnavailableError) as exc:
            if poll is not None and poll.is_joined and turns is self.polls:
                await self.take(share, longest_s=longest_s)
                return
            raise self._refusal(turns.waiting / self.rate.per_second) from exc
        self.granted += 1

    def _refusal(self, wait_s: float) -> UpstreamRateLimitedError:
        self.refused += 1
        message = "The gateway's budget of calls to SuperOffice is used up for the moment."
        retry_after_s = max(1, math.ceil(wait_s))
        return UpstreamRateLimitedError(message, retry_after_s=retry_after_s, call_was_made=False)
