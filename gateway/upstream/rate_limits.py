"""Callers that SuperOffice has accepted, refused, or asked to slow down."""

import hashlib
import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from cachetools import LRUCache, TLRUCache

from gateway.caller import STRANGERS, Caller
from gateway.errors import UpstreamRateLimitedError, UpstreamUnauthenticatedError

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

    @contextmanager
    def call(self, caller: Caller) -> Iterator[tuple[str, str, Callable[[], None]]]:
        """Make a call in the block, whose outcome counts; yield its caller's shares, and a check.

        The shares are those of slots and of failures. Unauthenticated clients have one together, as
        forged credentials cost nothing; but until the first caller is accepted, each has its own of
        failures. The check raises as this does: another call may be refused while this one waits.

        Raises:
            UpstreamRateLimitedError: the caller is rate-limited; the error has the seconds left.
            UpstreamUnauthenticatedError: SuperOffice has just refused the same credentials.
        """
        credentials = repr(caller.credentials().headers).encode()
        name = hashlib.blake2b(credentials, key=self._key, digest_size=16).hexdigest()
        self._check(name)
        owner = caller.owner()
        share = owner if name in self._accepted else STRANGERS
        try:
            yield share, share if self._accepted else owner, partial(self._check, name)
        except UpstreamUnauthenticatedError as exc:
            if exc.call_was_made:
                self._accepted.pop(name, None)
                self._refused[name] = self._clock() + _REFUSED_S
            raise
        except UpstreamRateLimitedError as exc:
            if exc.retry_after_s and exc.call_was_made:
                self._until[name] = self._clock() + min(exc.retry_after_s, _LONGEST_S)
            raise
        self._accepted[name] = True

    def _check(self, name: str) -> None:
        if (until := self._until.get(name)) is not None:
            message = "SuperOffice has asked this user to slow down."
            wait_s = max(1, math.ceil(until - self._clock()))
            raise UpstreamRateLimitedError(message, retry_after_s=wait_s, call_was_made=False)
        if name in self._refused:
            message = "SuperOffice does not accept these credentials; they may have expired."
            raise UpstreamUnauthenticatedError(message, upstream_status=401, call_was_made=False)
