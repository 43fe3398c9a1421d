"""What an answer tells caches, and people who look at it, about its age.

Sources: RFC 9111 (Cache-Control, Age), RFC 9211 (Cache-Status), W3C Server Timing.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.headers import Header, vary
from gateway.sessions.snapshot import Served

__all__ = [
    "VARY",
    "OneVary",
    "aging_headers",
    "cache_headers",
    "mark_stale",
    "max_age_asked_for",
]

_NAME = "superoffice-chat-gateway"
_RAW_NAME = _NAME.encode()
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})\b")
_NO_CACHE = re.compile(r"(?:^|[,\s])no-(?:cache|store)\b")

VARY = vary(has_tenants=False)


def max_age_asked_for(headers: Iterable[Header]) -> float | None:
    """Read from a request's Cache-Control how old an answer may be, in seconds; None = any age."""
    lines = [value for name, value in headers if name == b"cache-control"]
    if not lines:
        return None
    # Several of them are one list (RFC 9110, section 5.3).
    text = b",".join(lines).decode("latin-1").lower()
    if _NO_CACHE.search(text):
        return 0
    asked = _MAX_AGE.search(text)
    return float(asked[1]) if asked else None


def cache_headers(served: Served | None, *, has_errors: bool, execute_s: float) -> dict[str, str]:
    """Make the headers of one answer out of how its snapshot was come by, if it has one."""
    headers = {"Vary": VARY, "Cache-Control": "no-store" if has_errors else "private, no-cache"}
    if served is None:
        return headers | {"Server-Timing": f"execute;dur={execute_s * 1000:.1f}"}
    if not has_errors:
        # Caches subtract the one from the other (RFC 9111, section 4.2): what is left is fresh.
        headers["Cache-Control"] = f"private, max-age={int(served.windows.ttl_s)}"
        headers["Age"] = str(int(served.age_s()))
    return headers | _of_the_moment(served, execute_s)


def aging_headers(hit: Served, execute_s: float) -> list[Header]:
    """Make those headers of a hit without errors that are others a moment later, raw."""
    age_s = hit.age_s()
    return [
        (b"age", b"%d" % age_s),
        (b"cache-status", b"%s; hit; ttl=%d" % (_RAW_NAME, max(0.0, hit.windows.ttl_s - age_s))),
        (b"server-timing", b"execute;dur=%.1f" % (execute_s * 1000)),
    ]


def mark_stale(answers: Iterable[Any], served: Served | None) -> None:
    """Say in the `extensions` of answers that they are past their time, if they are."""
    if served is None or not served.is_stale:
        return
    stale: dict[str, Any] = {"ageSeconds": int(served.age_s()), "reason": _why_stale(served)}
    if served.failure is not None:
        stale["code"] = served.failure.code
    for answer in answers:
        answer["extensions"] = {**(answer.get("extensions") or {}), "stale": stale}


def _why_stale(served: Served) -> str:
    return "stale-while-revalidate" if served.failure is None else "stale-if-error"


def _of_the_moment(served: Served, execute_s: float) -> dict[str, str]:
    times = {} if served.how == "hit" else served.snapshot.times_s
    timings = {**times, "execute": max(0.0, execute_s - sum(times.values()))}
    return {
        "Cache-Status": f"{_NAME}; {_how(served)}; ttl={_ttl(served)}{_detail(served)}",
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
    stored = "; stored" if served.is_stored else ""
    collapsed = "; collapsed" if served.how == "collapsed" else ""
    return f"fwd={served.fwd}; fwd-status=200{stored}{collapsed}"


def _ttl(served: Served) -> int:
    """Round down: less than nothing only where the snapshot is stale (RFC 9211, section 2.3)."""
    left_s = math.floor(served.left_s())
    return left_s if served.is_stale else max(0, left_s)


def _detail(served: Served) -> str:
    if served.is_stale:
        return f"; detail={_why_stale(served)}"
    return "; detail=shared" if "shared" in served.snapshot.times_s else ""


@lru_cache(256)
def _once(names: bytes) -> bytes:
    return b", ".join(dict.fromkeys(name.strip() for name in names.split(b",")))


class OneVary:
    """Names each header once in Vary, to which compression adds what may be there already.

    What else this gateway goes by comes last.
    """

    def __init__(self, app: ASGIApp, *, also: bytes = b"") -> None:
        self.app = app
        self._also = b", " + also if also else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tidy its answer."""

        async def send_tidied(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, _once(value + self._also) if name == b"vary" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self.app(scope, receive, send_tidied)
