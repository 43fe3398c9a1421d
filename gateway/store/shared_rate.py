"""A limit on the calls in any second, shared by all processes through Redis, if there is one.

No library fits: aiolimiter lets 19 calls through in a second at a rate of 10, and `limits`
cannot reserve a future time: a waiting call has to poll.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from gateway.store.shared import SharedCache


@dataclass(eq=False)
class SharedRate:
    """Reserves times for calls, so that no second has more than `per_second`.

    Without Redis, and while it fails, this process uses its own part: `per_second` divided by the
    number of `workers`, and at least one.
    """

    name: str
    per_second: int
    _: KW_ONLY
    workers: int = 1
    shared: SharedCache | None = None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._key = f"rate:{hashlib.sha256(self.name.encode()).hexdigest()}"
        self._times: deque[float] = deque(maxlen=max(1, self.per_second // self.workers))

    async def reserve(self, longest_s: float) -> float:
        """Return the seconds until the call may be made; past `longest_s` nothing is reserved."""
        if self.shared is not None:
            wait_s = await self.shared.reserve(self._key, self.per_second, longest_s)
            if wait_s is not None:
                return wait_s
        now = at = self.clock()
        if len(self._times) == self._times.maxlen:
            at = max(now, self._times[0] + 1)
        if at - now <= longest_s:
            self._times.append(at)
        return at - now
