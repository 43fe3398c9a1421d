"""Whether the shared cache can be used."""

import asyncio

from gateway.commands.doctor.finding import Finding
from gateway.store.redis import ping_s

_TIMEOUT_S = 2.0
_SLOW_MS = 50


async def shared_cache(url: str) -> Finding:
    """Ping Redis."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            took_ms = 1000 * await ping_s(url, timeout_s=_TIMEOUT_S)
    except PermissionError:
        advice = "check the user and the password in GATEWAY_CACHE_URL"
        return Finding("Redis", "fail", "the credentials are not accepted", advice)
    except OSError as exc:
        advice = "check GATEWAY_CACHE_URL; until Redis works, each process has its own cache"
        return Finding("Redis", "fail", f"cannot be used: {str(exc) or type(exc).__name__}", advice)
    if took_ms > _SLOW_MS:
        advice = "use a Redis that is nearer"
        return Finding("Redis", "warn", f"answers in {took_ms:.0f} ms", advice)
    return Finding("Redis", "ok", f"answers in {took_ms:.1f} ms")
