"""A number of calls in any second, shared by all processes through Redis where there is one.

Kept libraries were tried. aiolimiter lets 19 calls through in a second at a rate of 10, and
`limits` cannot reserve a time to come: whoever waits has to ask again and again.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable

from gateway.store.shared import SharedCache

# The times of the last calls, in milliseconds by the clock of Redis, some of them still to come.
_RESERVE = """
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('lindex', KEYS[1], ARGV[1] - 1)
local at = math.max(now, oldest and oldest + 1000 or 0)
if at - now <= tonumber(ARGV[2]) then
  redis.call('lpush', KEYS[1], string.format('%.0f', at))
  redis.call('ltrim', KEYS[1], 0, ARGV[1] - 1)
  redis.call('pexpire', KEYS[1], at - now + 1000)
end
return at - now
"""


class SharedRate:
    """Reserves times for calls, so that no second has more than `per_second`.

    Without Redis, also while it fails, this process uses its own part: `per_second` divided by the
    number of `workers`, and at least one.
    """

    def __init__(
        self,
        name: str,
        per_second: int,
        *,
        workers: int = 1,
        shared: SharedCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.per_second = per_second
        self._key = f"rate:{hashlib.sha256(name.encode()).hexdigest()}"
        self._shared = shared
        self._clock = clock
        self._times: deque[float] = deque(maxlen=max(1, per_second // workers))

    async def reserve(self, longest_s: float) -> float:
        """Return in how many seconds the call may be made; past `longest_s` nothing is reserved."""
        if (shared := self._shared) is not None:
            remote, arguments = shared.remote, (self.per_second, int(longest_s * 1000))
            wait_ms = await shared.attempt(
                lambda: remote.client.eval(_RESERVE, 1, remote.build_key(self._key), *arguments)
            )
            if wait_ms is not None:
                return int(wait_ms) / 1000
        now = at = self._clock()
        if len(self._times) == self._times.maxlen:
            at = max(now, self._times[0] + 1)
        if at - now <= longest_s:
            self._times.append(at)
        return at - now
