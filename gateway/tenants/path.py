"""The tenant of a request: in the path, `/graphql/{tenant}`, or in the header `X-Tenant`."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from gateway.errors import BadRequestError, TenantMissingError, TenantNotFoundError
from gateway.headers import TENANT, Header
from gateway.sessions.source import Source
from gateway.settings.tenant_names import canonical_tenant

GRAPHQL_PATH = "/graphql"
_TENANT_PREFIX = f"{GRAPHQL_PATH}/"

FindSource = Callable[[str, Sequence[Header]], Source]
"""Finds the source of sessions for a request's path and headers."""

SourceOf = Callable[[str], Source | None]
"""Finds the source of sessions for a tenant's name, if it is served."""


@dataclass(frozen=True, slots=True)
class TenantSources:
    """Finds a tenant's own source; a `FindSource`."""

    source_of: Callable[[str], Source]
    served: Collection[str] | None

    def __call__(self, path: str, headers: Sequence[Header]) -> Source:
        """Return the source of the tenant that a request names.

        Raises:
            TenantMissingError: it names no tenant.
            TenantNotFoundError: the name is invalid, or the tenant is not served.
            BadRequestError: it names two tenants.
        """
        named = [value.decode("latin-1").strip() for name, value in headers if name == TENANT]
        if path.startswith(_TENANT_PREFIX):
            named.append(path.removeprefix(_TENANT_PREFIX))
            if canonical_tenant(named[-1]) is None:  # with this error, the path is not logged
                raise TenantNotFoundError
        tenants = {canonical_tenant(name) for name in named}
        if not tenants:
            raise TenantMissingError
        if len(tenants) > 1:
            raise BadRequestError("The request names two tenants. Name one.")
        if (source := self.named(named[0])) is None:
            raise TenantNotFoundError
        return source

    def named(self, name: str) -> Source | None:
        """Return the source of a tenant, if the name is valid and the tenant served."""
        tenant = canonical_tenant(name)
        if tenant is None or (self.served is not None and tenant not in self.served):
            return None
        return self.source_of(tenant)
