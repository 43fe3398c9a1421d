"""Callers that SuperOffice has accepted, refused, or asked to slow down."""

import hashlib
import math
import secrets
import time
from collections.abc import Callable

from cachetools import LRUCache, TLRUCache

from gateway.caller import STRANGERS, Caller
from gateway.errors import UpstreamHeldOffError, UpstreamUnauthenticatedError

# A mistake of SuperOffice, or of a proxy before it, must not lock a caller out for a day.
_LONGEST_S = 60
_REFUSED_S = 5
_MOST = 10_000


class RateLimits:
    """Rejects the calls of a rate-limited or refused caller, so that SuperOffice does not have to.

    A caller is identified by a digest of its credentials, without its language; the digest's key is
    used nowhere else. A refusal counts for five seconds: an account may be unlocked.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        # Separate, so that refusals of forged credentials, which cost nothing, evict no rate limit.
        self._until, self._refused = self._times(), self._times()
        self._accepted: LRUCache[str, bool] = LRUCache(_MOST)

    def _times(self) -> "TLRUCache[str, float]":
        return TLRUCache(_MOST, ttu=lambda _, until, __: until, timer=self._clock)

    def check(self, name: str) -> None:
        """Reject a call, if its caller is rate-limited or was refused.

        Raises:
            UpstreamHeldOffError: it is rate-limited; the error says for how many more seconds.
            UpstreamUnauthenticatedError: SuperOffice has just refused the same credentials.
        """
        if (until := self._until.get(name)) is not None:
            message = "SuperOffice has asked this user to slow down."
            retry_after_s = max(1, math.ceil(until - self._clock()))
            raise UpstreamHeldOffError(message, retry_after_s=retry_after_s)
        if name in self._refused:
            message = "SuperOffice does not accept these credentials; they may have expired."
            error = UpstreamUnauthenticatedError(message, upstream_status=401)
            error.call_was_made = False
            raise error

    def share_of(self, name: str, caller: Caller) -> str:
        """Return the name under which a caller's slots and failures are counted.

        Unauthenticated clients share one, as forged credentials cost nothing; but until the first
        caller is accepted, each caller has its own.
        """
        is_known = not self._accepted or name in self._accepted
        return caller.owner() if is_known else STRANGERS

    def add(self, name: str, seconds: float) -> None:
        """Limit a caller, for a minute at most."""
        self._until[name] = self._clock() + min(seconds, _LONGEST_S)

    def accepted(self, name: str) -> None:
        """Record that SuperOffice has accepted the caller's credentials."""
        self._accepted[name] = True

    def refused(self, name: str) -> None:
        """Record that SuperOffice has refused the caller's credentials (401)."""
        self._accepted.pop(name, None)
        self._refused[name] = self._clock() + _REFUSED_S

    def name(self, caller: Caller) -> str:
        """Return the name of the caller in this process."""
        credentials = repr(caller.credentials().headers).encode()
        return hashlib.blake2b(credentials, key=self._key, digest_size=16).hexdigest()
