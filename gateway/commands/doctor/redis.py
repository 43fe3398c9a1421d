"""Whether the cache that processes share can be used."""

import asyncio
import time

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from gateway.commands.doctor.finding import Finding

__all__ = ["shared_cache"]

_TIMEOUT_S = 2.0
_SLOW_MS = 50


async def shared_cache(url: str) -> Finding:
    """Ping it."""
    client = Redis.from_url(url, socket_connect_timeout=_TIMEOUT_S)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await client.ping()
            started = time.perf_counter()
            await client.ping()
            took_ms = (time.perf_counter() - started) * 1000
    except AuthenticationError:
        advice = "check the user and the password in GATEWAY_CACHE_URL"
        return Finding("Redis", "fail", "it does not let us in", advice)
    except (RedisError, OSError) as exc:
        advice = "until it is there each process has its own cache; check GATEWAY_CACHE_URL"
        return Finding("Redis", "fail", f"it cannot be used: {type(exc).__name__}", advice)
    finally:
        await client.aclose()
    if took_ms > _SLOW_MS:
        found, advice = f"it answers in {took_ms:.0f} ms", "have one that is nearer"
        return Finding("Redis", "warn", found, advice)
    return Finding("Redis", "ok", f"it answers in {took_ms:.1f} ms")
