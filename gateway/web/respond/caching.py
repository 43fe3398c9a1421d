"""Headers and extensions with an answer's age and origin.

Sources: RFC 9111 (Cache-Control, Age), RFC 9211 (Cache-Status), W3C Server Timing.
"""

import math
from collections.abc import Iterable
from typing import Any

from gateway.headers import Header, Use, names
from gateway.sessions.freshness import Served

_NAME = "superoffice-chat-gateway"
_RAW_NAME = _NAME.encode()

VARY = ", ".join(names(Use.VARY, has_tenants=False))


def cache_headers(served: Served | None, *, has_errors: bool, execute_s: float) -> dict[str, str]:
    """Return the headers of an answer; `served` is the snapshot that it was made from, if any."""
    headers = {"Vary": VARY, "Cache-Control": "no-store" if has_errors else "private, no-cache"}
    if served is None:
        return headers | {"Server-Timing": f"execute;dur={execute_s * 1000:.1f}"}
    if not has_errors:
        # Caches subtract Age from max-age: the remaining lifetime (RFC 9111, section 4.2).
        headers["Cache-Control"] = f"private, max-age={int(served.windows.ttl_s)}"
        headers["Age"] = str(int(served.age_s()))
    return headers | _status_and_timing(served, execute_s)


def aging_headers(hit: Served, execute_s: float) -> list[Header]:
    """Return the raw headers of a cached answer that change from moment to moment."""
    age_s = hit.age_s()
    return [
        (b"age", b"%d" % age_s),
        (b"cache-status", b"%s; hit; ttl=%d" % (_RAW_NAME, max(0.0, hit.windows.ttl_s - age_s))),
        (b"server-timing", b"execute;dur=%.1f" % (execute_s * 1000)),
    ]


def mark_stale(answers: Iterable[Any], served: Served | None) -> None:
    """Add `extensions.stale` to answers that were made from a stale snapshot."""
    if served is None or not served.is_stale:
        return
    stale: dict[str, object] = {"ageSeconds": int(served.age_s()), "reason": served.result}
    if served.failure is not None:
        stale["code"] = served.failure.code
    for answer in answers:
        answer["extensions"] = {**(answer.get("extensions") or {}), "stale": stale}


def _status_and_timing(served: Served, execute_s: float) -> dict[str, str]:
    times = {} if served.how == "hit" else served.snapshot.times_s
    timings = {**times, "execute": max(0.0, execute_s - sum(times.values()))}
    return {
        "Cache-Status": f"{_NAME}; {_how(served)}; {_ttl_and_detail(served)}",
        "Server-Timing": ", ".join(
            f"{name};dur={seconds * 1000:.1f}" for name, seconds in timings.items()
        ),
    }


def _how(served: Served) -> str:
    if served.failure is not None:
        status = served.failure.extensions.get("upstreamStatus")
        return f"fwd={served.fwd}" + (f"; fwd-status={status}" if status else "")
    if served.how == "hit":
        return "hit"
    stored = "; stored" if served.windows.ttl_s else ""
    collapsed = "; collapsed" if served.how == "collapsed" else ""
    return f"fwd={served.fwd}; fwd-status=200{stored}{collapsed}"


def _ttl_and_detail(served: Served) -> str:
    """Return the remaining lifetime, negative only for a stale snapshot (RFC 9211, 2.3)."""
    ttl_s = math.floor(served.left_s())
    if served.is_stale:
        return f"ttl={ttl_s}; detail={served.result}"
    detail = "; detail=shared" if served.snapshot.origin == "shared" else ""
    return f"ttl={max(0, ttl_s)}{detail}"
