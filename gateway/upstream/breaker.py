"""Circuit breaker: make no calls to a host that keeps failing.

* *closed*: calls are made.
* *open*, after failures in a row of a number of callers: calls are rejected for a while.
* *half-open*: one call, the probe, is made; its outcome closes the circuit, or opens it again for
  twice as long.

Source: M. Nygard, "Release It!", 2nd ed., chapter 5.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self, get_args

from gateway.errors import UpstreamError, UpstreamTimeoutError, UpstreamUnavailableError

logger = logging.getLogger(__name__)

_MOST_COOLDOWNS = 6

State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(kw_only=True, eq=False)
class Breaker:
    """Counts failures in a row, over all callers, and rejects calls while the circuit is open.

    Failures are `UpstreamUnavailableError` and `UpstreamTimeoutError`: a host that answers in
    another way is alive. A caller's failures count once in a cooldown: one caller alone opens the
    circuit only if nothing else was answered for many cooldowns. With `failures` 0 it never opens.
    `name` is for the log.

    While others call, a caller whose probe failed waits as long again: its calls alone may fail.
    """

    failures: int
    cooldown_s: float
    name: str = "SuperOffice"
    clock: Callable[[], float] = time.monotonic
    _cooldowns: int = 1
    _in_a_row: int = 0
    _counted_at: dict[str, float] = field(default_factory=dict)
    _open_until: float | None = None
    _probe: "Call | None" = None
    _failed_probes: set[str] = field(default_factory=set)
    _others_call: bool = False
    """Whether callers without a failed probe have called since the last one failed."""

    @property
    def state(self) -> State:
        """The state of the circuit; it is half-open while its probe is in progress."""
        if self._open_until is None:
            return "closed"
        return "open" if self._probe is None else "half_open"

    def check(self, share: str) -> None:
        """Reject a call of a share, if the circuit does.

        Raises:
            UpstreamUnavailableError: the circuit is open, or its probe is in progress.
        """
        if self._open_until is None:
            return
        left_s = self._open_until - self.clock()
        if share not in self._failed_probes:
            self._others_call = True
        elif self._others_call:
            left_s += self._cooldowns * self.cooldown_s
        if left_s > 0 or self._probe is not None:
            message = "SuperOffice keeps failing, and is not called for a moment."
            wait_s = max(1, math.ceil(left_s))
            raise UpstreamUnavailableError(message, retry_after_s=wait_s, call_was_made=False)

    def begin(self, call: "Call") -> None:
        """Begin a call; if the circuit is open, it is the probe.

        Raises:
            UpstreamUnavailableError: calls are rejected.
        """
        self.check(call.share)
        if self._open_until is not None:
            self._probe = call

    def end(self, call: "Call", outcome: BaseException | None) -> None:
        """Record the outcome of a call that has begun.

        A cancelled call, or one that could not be made, proves nothing; after such a probe, the
        next call is the probe.
        """
        is_probe = self._probe is call
        if is_probe:
            self._probe = None
        if not self.failures or (isinstance(outcome, UpstreamTimeoutError) and not call.had_time):
            return
        if isinstance(outcome, UpstreamError) and not outcome.call_was_made:
            return
        if isinstance(outcome, UpstreamUnavailableError | UpstreamTimeoutError):
            self._count_failure(outcome, call.share, is_probe=is_probe)
        elif outcome is None or isinstance(outcome, UpstreamError):
            self._in_a_row = 0
            self._counted_at.clear()
            self._failed_probes.clear()
            if self._open_until is not None:
                self._open_until = self._probe = None
                logger.info("%s answers again.", self.name)

    def _count_failure(self, failure: UpstreamError, share: str, *, is_probe: bool) -> None:
        if is_probe:
            self._cooldowns = min(2 * self._cooldowns, _MOST_COOLDOWNS)
            if share in self._failed_probes:  # all who call have had their turn
                self._failed_probes.clear()
            self._failed_probes.add(share)
            self._others_call = False
        else:
            now = self.clock()
            if now - self._counted_at.get(share, -math.inf) < self.cooldown_s:
                return
            self._counted_at[share] = now
            self._in_a_row += 1
            if self._in_a_row != self.failures:  # too few, or the circuit is open already
                return
            self._cooldowns = 1
            logger.warning(
                "%s is not called for %g seconds: the calls of %d callers in a row have failed.",
                self.name,
                self.cooldown_s,
                self._in_a_row,
            )
        requested_s = min(failure.retry_after_s or 0, _MOST_COOLDOWNS * self.cooldown_s)
        self._open_until = self.clock() + max(self._cooldowns * self.cooldown_s, requested_s)


@dataclass(slots=True, eq=False)
class Call:
    """One call of a caller under a breaker, whose outcome is counted.

    `with Call(breaker, share) as call:`, then `call.begin()` to make it.

    Between the two it may wait in the queue, and the circuit may open.
    """

    breaker: Breaker
    share: str = ""
    """The name under which its caller's failures are counted: see `RateLimits.call`."""

    check: Callable[[], object] = bool
    """Raises if the call must not be made now."""

    had_time: bool = True
    """Whether SuperOffice had half of the call's deadline: otherwise a timeout is our fault."""

    has_begun: bool = False
    """Whether it was made, once at least."""

    def __enter__(self) -> Self:
        self.breaker.check(self.share)
        return self

    def begin(self, *, had_time: bool = True) -> None:
        """Begin the call, with its first attempt or with its retry."""
        self.check()
        self.breaker.begin(self)
        if not self.has_begun:  # a retry has less time because of SuperOffice
            self.has_begun, self.had_time = True, had_time

    def lose_time(self) -> None:
        """Record that the call waits for us: a timeout is then not SuperOffice's fault."""
        self.had_time = False

    def __exit__(self, kind: object, outcome: BaseException | None, traceback: object) -> None:
        if self.has_begun:
            self.breaker.end(self, outcome)
