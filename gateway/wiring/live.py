"""What all processes share, and how they learn of changes: Redis, polling, webhooks.

redis is imported where a gateway uses it: it takes a twentieth of a start.
"""

from gateway.live.bus import Bus, RedisBus
from gateway.live.pace import Rhythm
from gateway.settings import Settings
from gateway.settings.parse import webhook_secrets
from gateway.store.shared import SharedCache
from gateway.tenants.path import SourceOf
from gateway.web.webhooks import Webhooks

_REDIS_TIMEOUT_S = 0.1
_INTERVAL_WITHOUT_CACHE_S = 5.0


def shared_cache(settings: Settings) -> SharedCache | None:
    """Return the cache that processes share, if there is one."""
    if settings.redis_url is None:
        return None
    from gateway.store.redis import RedisCache

    return SharedCache(
        RedisCache(settings.redis_url),
        max_bytes=settings.max_upstream_bytes,
        answer_s=_REDIS_TIMEOUT_S,
        turn_s=settings.upstream_timeout,
    )


def rhythm(settings: Settings) -> Rhythm:
    """Return how often SuperOffice is polled for subscriptions."""
    interval_s = settings.live_interval or settings.cache_ttl or _INTERVAL_WITHOUT_CACHE_S
    return Rhythm(interval_s=interval_s)


def bus(settings: Settings) -> Bus:
    """Return the bus that carries news between processes."""
    if settings.redis_url is None:
        return Bus(is_whole=settings.workers == 1)
    from gateway.store.redis import Channel

    return RedisBus(Channel(settings.redis_url, timeout_s=_REDIS_TIMEOUT_S))


def webhooks(
    settings: Settings, bus: Bus, source_of: SourceOf, shared: SharedCache | None
) -> Webhooks | None:
    """Return the receiver of webhooks about the tenants that are served, if there is a secret."""
    if settings.webhook_secret is None:
        return None
    return Webhooks(
        webhook_secrets(settings.webhook_secret),
        bus.publish,
        concerns=lambda name: source_of(name) is not None,
        shared=shared,
    )
