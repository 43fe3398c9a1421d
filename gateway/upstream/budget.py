"""The budget of REST calls per second: calls beyond it wait, or are refused."""

import asyncio
import math
from contextvars import ContextVar
from dataclasses import replace

from gateway.caller import STRANGERS
from gateway.errors import UpstreamRateLimitedError, UpstreamUnavailableError
from gateway.store.shared_rate import SharedRate
from gateway.upstream.gate import Gate

IS_POLL: ContextVar[bool] = ContextVar("is_poll", default=False)
"""Whether a call is that of a live subscription, which can wait for the next poll."""

_LONGEST_OF_POLL_S = 2
_LONGEST_S = 60  # the script in Redis ignores reservations further ahead


class Budget:
    """Limits the rate at which calls begin; waiting callers take turns, as in `Gate`.

    A call takes its time from the budget, and then waits for a connection. If SuperOffice stops
    answering, many calls wait: `spread` keeps them from beginning at once when it answers again.
    """

    def __init__(self, rate: SharedRate, *, queue: int) -> None:
        self.rate = rate
        self._begun = replace(rate, name=f"{rate.name} begun")
        self.turns = Gate(slots=1, queue=queue)
        self.granted = self.refused = 0
        self._is_known_paused = False
        """Whether an authenticated caller has its turn, and waits for its time."""

    async def take(self, share: str, *, longest_s: float) -> None:
        """Wait until a call may begin.

        A poll of a live subscription waits two seconds at most, and only behind calls of
        unauthenticated clients.

        Raises:
            UpstreamRateLimitedError: it may not begin within `longest_s`.
        """
        if IS_POLL.get():
            if self._is_known_paused or self.turns.has_known_waiting:
                raise self._refusal(0)
            longest_s = min(longest_s, _LONGEST_OF_POLL_S)
        now = asyncio.get_running_loop().time
        ends_at = now() + longest_s
        try:
            async with asyncio.timeout(longest_s), self.turns.slot(share):
                left_s = min(_LONGEST_S, max(0, ends_at - now()))
                wait_s = await self.rate.reserve(left_s)
                if wait_s > left_s:
                    raise self._refusal(wait_s)
                if wait_s:
                    self._is_known_paused = share != STRANGERS
                    try:
                        await asyncio.sleep(wait_s)
                    finally:
                        self._is_known_paused = False
        except (TimeoutError, UpstreamUnavailableError) as exc:
            raise self._refusal(self.turns.waiting / self.rate.per_second) from exc
        self.granted += 1

    async def spread(self, *, longest_s: float) -> None:
        """Wait until a call that has its connection may begin; raise as `take`."""
        longest_s = min(_LONGEST_S, longest_s)
        wait_s = await self._begun.reserve(longest_s)
        if wait_s > longest_s:
            raise self._refusal(wait_s)
        if wait_s:
            await asyncio.sleep(wait_s)

    def _refusal(self, wait_s: float) -> UpstreamRateLimitedError:
        self.refused += 1
        message = "The gateway's budget of calls to SuperOffice is used up for the moment."
        retry_after_s = max(1, math.ceil(wait_s))
        return UpstreamRateLimitedError(message, retry_after_s=retry_after_s, call_was_made=False)
