"""The REST API behind the gateway: of one SuperOffice, or of all tenants of SuperOffice Online."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakValueDictionary

import httpx

from gateway.caller import CallerPolicy
from gateway.sessions.fetching import Fetch
from gateway.sessions.source import Source
from gateway.settings import Settings
from gateway.store.keyed_cache import KeyedCache
from gateway.store.shared import SharedCache
from gateway.tenants.calls import MOST_TENANTS, Client, TenantCalls
from gateway.tenants.path import FindSource, SourceOf, TenantSources
from gateway.tenants.state_service import StateService
from gateway.upstream.client import UpstreamClient
from gateway.upstream.route import Route
from gateway.upstream.transport import PooledTransport


@dataclass(eq=False, repr=False)
class Upstreams:
    """The sources of sessions, and the calls that they make."""

    settings: Settings
    source: Callable[..., Source]
    """Makes a source from `fetch` and `upstream_url`."""

    observed: Callable[[Fetch, str, str], Fetch]
    """Wraps the calls to an address, for a tenant, to count or trace them."""

    transport: httpx.AsyncBaseTransport | None
    """Replaces the network."""

    shared: SharedCache | None
    clients: WeakValueDictionary[str, UpstreamClient] = field(default_factory=WeakValueDictionary)
    """That of each tenant, for its current address."""

    tenant_lookups: Counter[str] = field(default_factory=lambda: Counter(ok=0))
    """Calls of the state service, by outcome."""

    find_source: FindSource = field(init=False)
    source_of: SourceOf = field(init=False)
    aclose: Callable[[], Awaitable[None]] = field(init=False)

    def __post_init__(self) -> None:
        """Wire up the only source, or with SuperOffice Online one for each tenant."""
        settings, transport, url = self.settings, self.transport, self.settings.address
        self.route = Route(None if transport else settings)
        if transport is None and url.startswith("https:"):
            self.route.tls()  # slow, so not at the first request
        if settings.environment is None:
            client = self._client(url)
            the_source = self.source(fetch=client.fetch, upstream_url=url)
            self.find_source = lambda path, headers: the_source
            self.source_of = lambda tenant: the_source
            self.aclose = client.aclose
            return
        service = StateService(settings, self._network())
        calls = TenantCalls(
            service,
            lambda url: self._client(url, url.rpartition("/")[2]),
            lookups=self.tenant_lookups,
        )

        def source_for(tenant: str) -> Source:
            # The URL is for cache keys only: it stays when the tenant moves, and no calls go to it.
            fetch = partial(calls.fetch, tenant)
            return self.source(fetch=fetch, upstream_url=f"{url}/{tenant}", tenant=tenant)

        by_tenant = KeyedCache(source_for, most=MOST_TENANTS)
        sources = TenantSources(by_tenant, served=settings.tenants)
        self.find_source = sources
        self.source_of = sources.named
        self.aclose = calls.aclose

    def _network(self) -> httpx.AsyncBaseTransport:
        return self.transport or PooledTransport(self.settings, self.route)

    def _client(self, url: str, tenant: str = "") -> Client:
        client = self.clients[tenant] = UpstreamClient(
            self.settings,
            url,
            self._network(),
            tenant=tenant,
            before=self.clients.get(tenant),
            shared=self.shared,
        )
        # All tenants and the state service share a replaced network: the service closes it.
        aclose = _leave_open if self.transport and tenant else client.aclose
        return Client(self.observed(client.fetch, url, tenant), aclose)


async def _leave_open() -> None: ...


def caller_policy(settings: Settings) -> CallerPolicy:
    """Return the policy for reading callers."""
    defaults = {
        b"so-apptoken": settings.app_token and settings.app_token.get_secret_value(),
        b"accept-language": settings.accept_language,
        b"so-timezone": settings.so_time_zone,
    }
    sent = tuple((name, value.encode()) for name, value in defaults.items() if value)
    return CallerPolicy(sent, settings.forward_cookies)
