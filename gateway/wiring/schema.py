"""The options of the schema, the tracing and the trusted documents, from the settings."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.errors import SettingsError
from gateway.observe.operations import OperationNames
from gateway.schema.build import SchemaOptions
from gateway.schema.guard.limits import Limits
from gateway.settings import Settings
from gateway.web.read.manifests import read_manifests

if TYPE_CHECKING:
    from gateway.observe.tracing import Tracing


def tracing_for(names: OperationNames) -> "Tracing":
    """Return the tracing.

    Raises:
        SettingsError: its packages are not installed.
    """
    try:
        from gateway.observe.tracing import Tracing  # imports all of OpenTelemetry
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


def schema_options(settings: Settings, manifest: Mapping[str, str]) -> SchemaOptions:
    """Return the options of the schema."""
    return SchemaOptions(
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
