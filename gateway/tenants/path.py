"""Which tenant a request is for: `/graphql/{tenant}`, or `X-Tenant` if the path cannot change."""

from collections.abc import Callable, Collection, Sequence

from gateway.errors import BadRequestError, TenantMissingError, TenantNotFoundError
from gateway.headers import Header
from gateway.sessions.source import Source
from gateway.settings.tenant_names import canonical_tenant

__all__ = ["FindSource", "SourceOf", "TenantSources"]

_HEADER = b"x-tenant"

FindSource = Callable[[str, Sequence[Header]], Source]
"""Finds where the sessions of a request with this path and these headers come from."""

SourceOf = Callable[[str], Source | None]
"""Finds where the sessions of a tenant of this name come from, if it is served."""


class TenantSources:
    """Finds a tenant's own source; a `FindSource`."""

    def __init__(
        self,
        source_of: Callable[[str], Source],
        *,
        path: str,
        served: Collection[str] | None,
    ) -> None:
        self._source_of = source_of
        self._prefix = f"{path}/"
        self._served = served

    def __call__(self, path: str, headers: Sequence[Header]) -> Source:
        """Return the source of the tenant that a request names.

        Raises:
            TenantMissingError: it names none.
            TenantNotFoundError: it names what is no tenant, or one that is not served.
            BadRequestError: it names two.
        """
        named = [value.decode("latin-1").strip() for name, value in headers if name == _HEADER]
        if path.startswith(self._prefix):
            named.append(path.removeprefix(self._prefix))
        tenants = {canonical_tenant(name) for name in named}
        if not tenants:
            raise TenantMissingError
        if len(tenants) > 1:
            raise BadRequestError("The request names two tenants. Name one.")
        source = self._named(tenants.pop())
        if source is None:
            raise TenantNotFoundError
        return source

    def named(self, name: str) -> Source | None:
        """Return the source of a tenant, if there can be one of this name, and it is served."""
        return self._named(canonical_tenant(name))

    def _named(self, tenant: str | None) -> Source | None:
        if tenant is None or (self._served is not None and tenant not in self._served):
            return None
        return self._source_of(tenant)
