"""Callers that REST has asked to slow down, and until when."""

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from gateway.caller import Caller
from gateway.errors import UpstreamHeldOffError
from gateway.headers import Header

__all__ = ["Holds"]

# A mistake of REST, or of a proxy before it, must not lock a caller out for a day.
_LONGEST_S = 60
_MOST = 10_000


class Holds:
    """Answers in REST's place for callers whose time has not come yet.

    A caller is known by a digest of its credentials, in whichever language it asks; the digest's
    key is nobody else's.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def check(self, headers: Sequence[Header]) -> None:
        """Do nothing, unless the caller is held off.

        Raises:
            UpstreamHeldOffError: it is; the error says for how many seconds more.
        """
        if not self._until:
            return
        now = self._clock()
        self._forget(now)
        left_s = self._until.get(self._name(headers), now) - now
        if left_s > 0:
            message = "SuperOffice has asked this user to slow down."
            raise UpstreamHeldOffError(message, retry_after_s=math.ceil(left_s))

    def add(self, headers: Sequence[Header], seconds: float) -> None:
        """Hold a caller off, for a minute at most."""
        name = self._name(headers)
        self._until.pop(name, None)
        self._until[name] = self._clock() + min(seconds, _LONGEST_S)
        if len(self._until) > _MOST:
            self._until.popitem(last=False)

    def _forget(self, now: float) -> None:
        # From the oldest on, as far as they are over: a longer hold keeps shorter ones behind it
        # for a minute at most.
        while self._until and next(iter(self._until.values())) <= now:
            self._until.popitem(last=False)

    def _name(self, headers: Sequence[Header]) -> str:
        return Caller(tuple(headers)).credentials().digest(self._key, b"")
