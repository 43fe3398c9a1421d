"""The shared cache, and the sources of changes: Redis and webhooks.

redis is imported only if it is used: the import takes a twentieth of a start.
"""

from gateway.live.bus import Bus, RedisBus
from gateway.settings import Settings
from gateway.settings.parse import webhook_secrets
from gateway.store.shared import SharedCache
from gateway.tenants.path import SourceOf
from gateway.web.webhooks import Webhooks

_REDIS_TIMEOUT_S = 0.1


def shared_cache(settings: Settings) -> SharedCache | None:
    """Return the cache that processes share, if a Redis is set."""
    if settings.redis_url is None:
        return None
    from gateway.store.redis import RedisCache

    return SharedCache(
        RedisCache(settings.redis_url),
        max_bytes=settings.max_upstream_bytes,
        answer_s=_REDIS_TIMEOUT_S,
        lease_wait_s=settings.upstream_timeout,
    )


def bus(settings: Settings) -> Bus:
    """Return the bus that carries news between processes."""
    if settings.redis_url is None:
        return Bus(receives_all=settings.workers == 1)
    from gateway.store.redis import Channel

    return RedisBus(Channel(settings.redis_url, timeout_s=_REDIS_TIMEOUT_S))


def webhooks(
    settings: Settings, bus: Bus, source_of: SourceOf, shared: SharedCache | None
) -> Webhooks | None:
    """Return the receiver of webhooks about served tenants, if a secret is set."""
    if settings.webhook_secret is None:
        return None
    return Webhooks(
        webhook_secrets(settings.webhook_secret),
        bus.publish,
        concerns=lambda name: source_of(name) is not None,
        shared=shared,
    )
