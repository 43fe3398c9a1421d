"""What there is to tell of a request when it is over: to the log, and to the metrics."""

from typing import Any

from starlette.types import Scope

from gateway.observe.metrics import OK, Timings

__all__ = ["Account", "account_of", "digest_shown"]

_ACCOUNT = "gateway.account"
_DIGEST_SHOWN = 12


class Account:
    """Filled in by whoever knows; nothing of it is free text of the client's."""

    __slots__ = (
        "_told",
        "answered_s",
        "cache",
        "caller",
        "is_routine",
        "operation",
        "outcome",
        "sent_bytes",
        "tenant",
        "timings",
        "upstream_s",
    )

    def __init__(self) -> None:
        self.operation: str | None = None
        """The name that is told of the operation; None where there is none."""

        self.outcome = OK
        """`ok`, or the code of the first error."""

        self.cache: str | None = None
        """How the snapshot was come by."""

        self.caller: str | None = None
        """The start of the key of the caller's snapshot: an HMAC, and too short to be looked up."""

        self.answered_s: float | None = None
        """How long the first answer took, of those that come one after the other."""

        self.tenant: str | None = None
        """Whose sessions were asked for, where there are several."""

        self.is_routine = False
        """Whether it comes by itself, all the time, so that its line is for those who debug."""

        self.upstream_s: float | None = None
        self.sent_bytes = 0
        self.timings: Timings | None = None
        """Where such requests are counted, once that was looked up."""

        self._told: dict[str, Any] | None = None

    def repeat(self, earlier: "Account") -> None:
        """Tell of a request that gets the very answer of an earlier one."""
        self.operation, self.caller, self.cache = earlier.operation, earlier.caller, "hit"
        self.tenant = earlier.tenant

    def told(self) -> dict[str, Any]:
        """Return what the log says of it; nothing may be filled in afterwards."""
        if self._told is None:
            upstream_ms = None if self.upstream_s is None else round(self.upstream_s * 1000, 1)
            known = {
                "operation": self.operation,
                "outcome": None if self.operation is None else self.outcome,
                "cache": self.cache,
                "upstream_ms": upstream_ms,
                "tenant": self.tenant,
                "caller": self.caller,
            }
            self._told = {name: value for name, value in known.items() if value is not None}
        return self._told


def account_of(scope: Scope) -> Account:
    """Return the account of a request, which its scope carries."""
    account: Account | None = scope.get(_ACCOUNT)
    if account is None:
        account = scope[_ACCOUNT] = Account()
    return account


def digest_shown(key: str) -> str:
    """Return as much of a snapshot's key as tells callers apart in a log."""
    return key[:_DIGEST_SHOWN]
