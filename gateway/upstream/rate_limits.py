"""Callers that SuperOffice has asked to slow down, and until when."""

import math
import secrets
import time
from collections.abc import Callable, Sequence

from cachetools import TLRUCache

from gateway.caller import Caller
from gateway.errors import UpstreamHeldOffError
from gateway.headers import Header

# A mistake of SuperOffice, or of a proxy before it, must not lock a caller out for a day.
_LONGEST_S = 60
_MOST = 10_000


class RateLimits:
    """Rejects the calls of a rate-limited caller, so that SuperOffice does not have to.

    A caller is known by a digest of its credentials, in every language; the digest's key is used
    nowhere else.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._until: TLRUCache[str, float] = TLRUCache(
            _MOST, ttu=lambda _, until, __: until, timer=clock
        )

    def check(self, headers: Sequence[Header]) -> None:
        """Do nothing, unless the caller is rate-limited.

        Raises:
            UpstreamHeldOffError: it is; the error says for how many more seconds.
        """
        if not self._until:
            return
        until = self._until.get(self._name(headers))
        if until is not None:
            message = "SuperOffice has asked this user to slow down."
            retry_after_s = max(1, math.ceil(until - self._clock()))
            raise UpstreamHeldOffError(message, retry_after_s=retry_after_s)

    def add(self, headers: Sequence[Header], seconds: float) -> None:
        """Limit a caller, for a minute at most."""
        self._until[self._name(headers)] = self._clock() + min(seconds, _LONGEST_S)

    def _name(self, headers: Sequence[Header]) -> str:
        return Caller(tuple(headers)).credentials().digest(self._key, b"")
