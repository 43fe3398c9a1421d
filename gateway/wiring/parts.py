"""The parts of an app that the settings make what they are."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from strawberry.extensions import SchemaExtension

from gateway import headers
from gateway.caller import CallerPolicy
from gateway.errors import SettingsError
from gateway.live.bus import Bus, LocalBus
from gateway.live.pace import Rhythm
from gateway.live.redis_bus import RedisBus
from gateway.observe.operations import OperationNames
from gateway.schema.build import SchemaOptions
from gateway.schema.guard.limits import Limits
from gateway.settings import Settings
from gateway.store.memory import BoundedMemoryCache
from gateway.store.redis import RedisCache
from gateway.store.shared import SharedCache
from gateway.tenants.path import SourceOf
from gateway.web.read.persisted import Documents, read_manifest
from gateway.web.read.request import Reader
from gateway.web.webhooks import Webhooks

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from gateway.observe.tracing import Tracing

_REDIS_TIMEOUT_S = 0.1
_INTERVAL_WITHOUT_CACHE_S = 5.0
_PERSISTED_QUERIES_BYTES = 16 * 2**20


def shared_cache(settings: Settings) -> SharedCache | None:
    """Return the cache that processes share, if there is one."""
    if settings.redis_url is None:
        return None
    return SharedCache(
        RedisCache(settings.redis_url),
        max_bytes=settings.max_upstream_bytes,
        answer_s=_REDIS_TIMEOUT_S,
        turn_s=settings.upstream_timeout,
    )


def caller_policy(settings: Settings) -> CallerPolicy:
    """Return how callers are read."""
    app_token = settings.app_token.get_secret_value().encode() if settings.app_token else None
    return CallerPolicy(app_token, settings.forward_cookie_names)


def tracing_of(names: OperationNames, provider: "TracerProvider | None") -> "Tracing":
    """Return what traces.

    Raises:
        SettingsError: its packages are not installed.
    """
    try:
        from gateway.observe.tracing import Tracing  # with all of OpenTelemetry
    except ImportError as exc:
        raise SettingsError(
            "GATEWAY_TRACING=on: OpenTelemetry is not installed; "
            "pip install 'superoffice-chat-gateway[tracing]'"
        ) from exc
    return Tracing(names, provider)


def trusted_documents(settings: Settings) -> dict[str, str]:
    """Return the trusted documents by their ids.

    Raises:
        SettingsError: they cannot be read, or there have to be some.
    """
    if settings.trusted_documents:
        return read_manifest(settings.trusted_documents)
    if settings.trusted_documents_only:
        raise SettingsError(
            "GATEWAY_TRUSTED_DOCUMENTS_ONLY=on: there are none; set GATEWAY_TRUSTED_DOCUMENTS, for "
            "example GATEWAY_TRUSTED_DOCUMENTS=persisted-documents.json"
        )
    return {}


def schema_options(
    settings: Settings,
    manifest: Mapping[str, str],
    extensions: tuple[Callable[[], SchemaExtension], ...],
) -> SchemaOptions:
    """Return what the schema has, and what it allows."""
    return SchemaOptions(
        extensions=extensions,
        hidden=settings.hidden_field_names,
        introspection=settings.introspection,
        suggestions=settings.suggestions,
        trusted=frozenset(manifest.values()) if settings.trusted_documents_only else None,
        limits=Limits(
            characters=settings.max_characters,
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            root_fields=settings.max_root_fields,
            directives=settings.max_directives,
            repeats=settings.max_repeats,
            cost=settings.max_cost,
        ),
    )


def request_reader(
    settings: Settings, manifest: Mapping[str, str], shared: SharedCache | None
) -> Reader:
    """Return what reads requests."""
    keeps_queries = settings.persisted_queries and not settings.trusted_documents_only
    cache = BoundedMemoryCache(max_bytes=_PERSISTED_QUERIES_BYTES) if keeps_queries else None
    secret = settings.cache_secret.get_secret_value().encode()
    return Reader(
        Documents(cache, manifest, shared=shared, secret=secret),
        body_bytes=settings.max_body_bytes,
        batch=settings.max_batch,
        variables_bytes=settings.max_variables_bytes,
    )


def rhythm(settings: Settings) -> Rhythm:
    """Return how often REST is looked at for subscriptions."""
    interval_s = settings.live_interval or settings.cache_ttl or _INTERVAL_WITHOUT_CACHE_S
    return Rhythm(interval_s=interval_s, slowest_s=settings.live_slowest)


def bus_of(settings: Settings) -> Bus:
    """Return what carries news between processes."""
    if settings.redis_url is not None:
        return RedisBus(settings.redis_url, timeout_s=_REDIS_TIMEOUT_S)
    return LocalBus(is_alone=settings.workers == 1)


def webhooks_of(
    settings: Settings, bus: Bus, source_of: SourceOf, shared: SharedCache | None
) -> Webhooks | None:
    """Return what takes webhooks about the tenants that are served, if any are taken."""
    if settings.webhook_secret is None:
        return None
    secret = settings.webhook_secret.get_secret_value().encode()
    return Webhooks(
        secret, bus.publish, concerns=lambda name: source_of(name) is not None, shared=shared
    )


def cross_origin(settings: Settings) -> list[Middleware]:
    """Return the middleware for pages of other sites, if some may ask."""
    origins = settings.allowed_origins
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(origins),
            # With `*`, any page could read what a visitor's cookies open.
            allow_credentials="*" not in origins,
            allow_methods=["GET", "POST"],
            allow_headers=headers.cors(has_tenants=settings.environment is not None),
            expose_headers=headers.EXPOSED,
            max_age=600,
        )
    ]
