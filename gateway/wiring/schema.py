"""The schema and what reads requests for it, from the settings."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from strawberry.extensions import SchemaExtension

from gateway.errors import SettingsError
from gateway.observe.operations import OperationNames
from gateway.schema.build import SchemaOptions
from gateway.schema.guard.limits import Limits
from gateway.settings import Settings
from gateway.store.shared import SharedCache
from gateway.web.read.manifests import read_manifests
from gateway.web.read.persisted import Documents
from gateway.web.read.request import Reader

if TYPE_CHECKING:
    from gateway.observe.tracing import Tracing

_PERSISTED_QUERIES_BYTES = 16 * 2**20


def tracing_for(names: OperationNames) -> "Tracing":
    """Return the tracing.

    Raises:
        SettingsError: its packages are not installed.
    """
    try:
        from gateway.observe.tracing import Tracing  # with all of OpenTelemetry
    except ImportError as exc:
        raise SettingsError(
            "GATEWAY_TRACING=on: OpenTelemetry is not installed; install the gateway from its own "
            "source or wheel with the extra `tracing`: pip install '.[tracing]'"
        ) from exc
    return Tracing(names)


def trusted_documents(settings: Settings) -> dict[str, str]:
    """Return the trusted documents by their ids.

    Raises:
        SettingsError: they cannot be read, or are required and missing.
    """
    if settings.trusted_documents:
        return read_manifests(settings.trusted_documents)
    if settings.trusted_documents_only:
        raise SettingsError(
            "GATEWAY_TRUSTED_DOCUMENTS_ONLY=on: there are none; set GATEWAY_TRUSTED_DOCUMENTS, for "
            "example GATEWAY_TRUSTED_DOCUMENTS=persisted-documents.json"
        )
    return {}


def schema_options(
    settings: Settings,
    manifest: Mapping[str, str],
    extensions: tuple[Callable[[], SchemaExtension], ...] = (),
) -> SchemaOptions:
    """Return what the schema has, and what it allows."""
    return SchemaOptions(
        extensions=extensions,
        hidden=settings.hidden_fields,
        introspection=settings.introspection,
        suggestions=settings.suggestions,
        secret=settings.cache_secret.get_secret_value().encode(),
        trusted=frozenset(manifest.values()) if settings.trusted_documents_only else None,
        limits=Limits(
            tokens=settings.max_tokens,
            depth=settings.max_depth,
            aliases=settings.max_aliases,
            cost=settings.max_cost,
            work=settings.max_work,
        ),
    )


def request_reader(
    settings: Settings,
    manifest: Mapping[str, str],
    shared: SharedCache | None,
    prepare: Callable[[str], Awaitable[None]],
) -> Reader:
    """Return the reader of requests."""
    is_persisting = settings.persisted_queries and not settings.trusted_documents_only
    stored_bytes = _PERSISTED_QUERIES_BYTES if is_persisting else 0
    secret = settings.cache_secret.get_secret_value().encode()
    documents = Documents(stored_bytes, manifest, shared=shared, secret=secret)
    return Reader(documents, prepare, settings)
