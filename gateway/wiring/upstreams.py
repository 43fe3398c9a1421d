"""The REST API behind the gateway: of one SuperOffice, or of all tenants of SuperOffice Online."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakSet

import httpx

from gateway.caller import CallerPolicy
from gateway.sessions.source import Fetch, Source
from gateway.settings import Settings
from gateway.store.keyed_cache import KeyedCache
from gateway.tenants.calls import TenantCalls
from gateway.tenants.path import FindSource, SourceOf, TenantSources
from gateway.tenants.state_service import StateService
from gateway.tenants.states import MOST_TENANTS, TenantStates
from gateway.upstream.client import UpstreamClient
from gateway.upstream.reach import Reachability
from gateway.upstream.transport import LentTransport, PooledTransport

CALLS_WAITING = 256
"""REST calls that may wait for a connection, per process; more are rejected at once."""

Observed = Callable[[Fetch, str], Fetch]
"""Counts, or traces, the calls to an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """The sources of sessions."""

    find_source: FindSource
    source_of: SourceOf
    clients: WeakSet[UpstreamClient]
    """One for each address that is in use."""

    aclose: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Client:
    fetch: Fetch
    aclose: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Clients:
    """Makes clients."""

    settings: Settings
    observed: Observed
    transport: httpx.AsyncBaseTransport | None
    all: WeakSet[UpstreamClient] = field(default_factory=WeakSet)

    def client(self, url: str, name: str, transport: httpx.AsyncBaseTransport | None) -> _Client:
        settings = self.settings
        client = UpstreamClient(
            url=url,
            connect_timeout_s=settings.upstream_connect_timeout,
            timeout_s=settings.upstream_timeout,
            connections=settings.upstream_connections,
            queue=CALLS_WAITING,
            breaker_failures=settings.breaker_failures,
            breaker_cooldown_s=settings.breaker_cooldown,
            max_bytes=settings.max_upstream_bytes,
            name=name,
            transport=transport,
        )
        self.all.add(client)
        return _Client(self.observed(client.fetch, url), client.aclose)

    def tenant_client(self, tls: ssl.SSLContext | None, url: str) -> _Client:
        return self.client(url, f"SuperOffice of {url.rpartition('/')[2]}", self.network(tls))

    def network(self, tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
        if self.transport is not None:
            return LentTransport(self.transport)
        return PooledTransport(
            connections=self.settings.upstream_connections,
            connect_timeout_s=self.settings.upstream_connect_timeout,
            tls=tls,
        )


def upstreams(
    settings: Settings,
    source: Callable[..., Source],
    observed: Observed,
    transport: httpx.AsyncBaseTransport | None,
    *,
    path: str,
) -> Upstreams:
    """Wire up the sources; below `path` there is one for each tenant.

    `source` makes a source from `fetch` and `upstream_url`; `transport` replaces the network.
    """
    clients = _Clients(settings, observed, transport)
    wire = _one if settings.environment is None else partial(_tenants, path=path)
    return wire(settings, source, clients)


def _one(settings: Settings, source: Callable[..., Source], clients: _Clients) -> Upstreams:
    client = clients.client(settings.address, "SuperOffice", clients.transport)
    the_source = source(fetch=client.fetch, upstream_url=settings.address)
    return Upstreams(
        find_source=lambda path, headers: the_source,
        source_of=lambda tenant: the_source,
        clients=clients.all,
        aclose=client.aclose,
    )


def _tenants(
    settings: Settings, source: Callable[..., Source], clients: _Clients, *, path: str
) -> Upstreams:
    # One for all tenants: it takes a while to make, and a megabyte to keep.
    tls = None if clients.transport else ssl.create_default_context()
    service = StateService(
        url=settings.address,
        trusted_domains=settings.tenant_hosts,
        timeout_s=settings.upstream_timeout,
        transport=clients.transport or clients.network(tls),  # which it closes in the end
    )
    calls = TenantCalls(TenantStates(service), partial(clients.tenant_client, tls))

    def source_for(tenant: str) -> Source:
        # It names the tenant for good, wherever that moves; no calls go there.
        address = f"{settings.address}/{tenant}"
        return source(fetch=partial(calls.fetch, tenant), upstream_url=address, tenant=tenant)

    made = KeyedCache(source_for, most=MOST_TENANTS)
    sources = TenantSources(made, path=path, served=settings.tenants)
    return Upstreams(
        find_source=sources, source_of=sources.named, clients=clients.all, aclose=calls.aclose
    )


def caller_policy(settings: Settings) -> CallerPolicy:
    """Return how callers are read."""
    app_token = settings.app_token.get_secret_value().encode() if settings.app_token else None
    return CallerPolicy(app_token, settings.forward_cookies)


def reachability(settings: Settings) -> Reachability | None:
    """Return the check that SuperOffice can be reached, if there is to be one."""
    if not settings.ready_check:
        return None
    return Reachability(
        url=settings.address,
        interval_s=settings.ready_check,
        connect_timeout_s=settings.upstream_connect_timeout,
    )
