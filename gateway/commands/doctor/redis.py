"""Whether the shared cache can be used."""

import asyncio
import time

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from gateway.commands.doctor.finding import Finding

_TIMEOUT_S = 2.0
_SLOW_MS = 50


async def shared_cache(url: str) -> Finding:
    """Ping Redis."""
    client = Redis.from_url(url, socket_connect_timeout=_TIMEOUT_S)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await client.ping()
            started = time.perf_counter()
            await client.ping()
            took_ms = (time.perf_counter() - started) * 1000
    except AuthenticationError:
        advice = "check the user and the password in GATEWAY_CACHE_URL"
        return Finding("Redis", "fail", "the credentials are not accepted", advice)
    except (RedisError, OSError, ValueError) as exc:  # it parses numbers without a check
        advice = "check GATEWAY_CACHE_URL; until Redis works, each process has its own cache"
        return Finding("Redis", "fail", f"cannot be used: {type(exc).__name__}", advice)
    finally:
        await client.aclose()
    if took_ms > _SLOW_MS:
        advice = "use a Redis that is nearer"
        return Finding("Redis", "warn", f"answers in {took_ms:.0f} ms", advice)
    return Finding("Redis", "ok", f"answers in {took_ms:.1f} ms")
