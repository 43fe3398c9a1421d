"""Whether the cache that processes share can be used."""

import asyncio

from gateway.commands.doctor.finding import Finding
from gateway.store.redis import ping_s

__all__ = ["shared_cache"]

_TIMEOUT_S = 2.0
_SLOW_MS = 50


async def shared_cache(url: str) -> Finding:
    """Ping it."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            took_ms = 1000 * await ping_s(url, timeout_s=_TIMEOUT_S)
    except PermissionError:
        advice = "check the user and the password in GATEWAY_CACHE_URL"
        return Finding("Redis", "fail", "it does not let us in", advice)
    except OSError as exc:
        advice = "until it is there each process has its own cache; check GATEWAY_CACHE_URL"
        found = f"it cannot be used: {str(exc) or type(exc).__name__}"
        return Finding("Redis", "fail", found, advice)
    if took_ms > _SLOW_MS:
        found, advice = f"it answers in {took_ms:.0f} ms", "have one that is nearer"
        return Finding("Redis", "warn", found, advice)
    return Finding("Redis", "ok", f"it answers in {took_ms:.1f} ms")
