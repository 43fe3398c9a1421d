"""The shared cache, and the sources of changes: Redis and webhooks.

redis is imported only if it is used: the import takes a twentieth of a start.
"""

from collections.abc import Callable, Coroutine
from functools import partial

from gateway.live.bus import Bus
from gateway.live.watcher import Watchers
from gateway.sessions.source import Source
from gateway.settings import Settings
from gateway.settings.parse import webhook_secrets
from gateway.store.keyed_cache import KeyedCache
from gateway.store.shared import SharedCache
from gateway.store.shared_times import SharedTimes
from gateway.tenants.path import SourceOf
from gateway.web.webhooks import Webhooks

_REDIS_TIMEOUT_S = 0.1

Background = Callable[[], Coroutine[object, object, None]]
"""Runs until it is cancelled, or has done its work."""


def shared_cache(settings: Settings) -> tuple[SharedCache | None, list[Background]]:
    """Return the cache that processes share, and what it runs in the background."""
    url = settings.redis_url
    if url is None:
        return None, []
    from gateway.store.redis import RedisCache, report_missing_rights

    cache = SharedCache(
        RedisCache(url),
        max_bytes=settings.max_upstream_bytes,
        answer_s=_REDIS_TIMEOUT_S,
        lease_wait_s=settings.upstream_timeout,
    )
    return cache, [partial(report_missing_rights, url), cache.end_outages]


def bus(settings: Settings, source_of: SourceOf, watchers_of: KeyedCache[Source, Watchers]) -> Bus:
    """Return the bus for news of changes, which processes share through Redis."""
    url, channel = settings.redis_url, None
    if url is not None:
        from gateway.store.redis import Channel

        channel = Channel(url, timeout_s=_REDIS_TIMEOUT_S)
    is_alone = url is None and settings.workers == 1
    return Bus(source_of, watchers_of, receives_all=is_alone, channel=channel)


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
        known=SharedTimes(shared),
    )
