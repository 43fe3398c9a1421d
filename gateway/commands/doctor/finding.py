"""The result of a check, and how it is made from an exception."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ssl import SSLCertVerificationError, SSLError
from typing import Literal

Level = Literal["ok", "warn", "fail"]

Failures = Sequence[tuple[type[Exception] | str, str]]
"""By exception type, or pattern for a TLS error's reason: `found → advice`; first match counts."""

_NOT_TLS = "^(wrong version number|unexpected message|record layer failure)$"
_REFUSES_US = "certificate required|handshake failure"
_REFUSES_OURS = "alert (bad|unsupported|unknown ca|certificate|access|decrypt)"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    found: str
    advice: str | None = None
    """How to solve the problem."""


def failure(check: str, exc: Exception, failures: Failures, **values: object) -> Finding:
    """Return the finding for an exception, from a table whose last row matches any exception."""
    names = (getattr(exc, name, None) for name in ("verify_message", "reason"))
    reason = str(next(filter(None, names), type(exc).__name__)).replace("_", " ").lower()
    found, _, advice = next(
        text.partition(" → ")
        for key, text in failures
        if (re.search(key, reason) if isinstance(key, str) else isinstance(exc, key))
    )
    return Finding(check, "fail", found.format(reason=reason, **values), advice)


def connection_failures(scheme: str, authority: str, certificate: str) -> Failures:
    """Return the failures of a connection to `{where}`; advice names the certificates' settings."""
    check_url = f"check the port, and {scheme}(s)://"
    check_ours = f"check the dates and the authority of {certificate}"
    if_required = f"if it requires a client certificate, set or check {certificate}"
    if_private = f"if your own authority has issued it, set {authority} to its file"
    return (
        (_REFUSES_US, f"{{where}} refuses the TLS connection: {{reason}} → {if_required}"),
        (_REFUSES_OURS, f"{{where}} rejects the client certificate: {{reason}} → {check_ours}"),
        ("expired|not yet", "the {reason} → renew it, or check this machine's clock"),
        ("mismatch", "the certificate is for another host: {reason} → use a name that it has"),
        (SSLCertVerificationError, f"the certificate is not trusted: {{reason}} → {if_private}"),
        (_NOT_TLS, f"{{where}} does not speak TLS → use {scheme}:// or another port"),
        (SSLError, "{where} breaks the TLS connection: {reason} → check its TLS settings"),
        (TimeoutError, f"{{where}} does not answer → {check_url}; is a firewall in between?"),
        (ConnectionRefusedError, "nothing listens at {where} → check the port, or start a server"),
        (ConnectionResetError, f"{{where}} closes the connection → {check_url}; {if_required}"),
    )
