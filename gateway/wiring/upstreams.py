"""REST behind the gateway: that of one SuperOffice, or of all tenants of SuperOffice Online."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from weakref import WeakSet

import httpx

from gateway.sessions.source import Fetch, Source
from gateway.settings import Settings
from gateway.store.keyed_cache import KeyedCache
from gateway.tenants.calls import TenantCalls
from gateway.tenants.path import FindSource, SourceOf, TenantSources
from gateway.tenants.state_service import StateService
from gateway.tenants.states import MOST_TENANTS, TenantStates
from gateway.upstream.client import UpstreamClient
from gateway.upstream.transport import LentTransport, PooledTransport

__all__ = ["Rest", "rest_of"]

Observed = Callable[[Fetch, str], Fetch]
"""Counts, or traces, the calls to an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Where sessions come from."""

    find_source: FindSource
    source_of: SourceOf
    clients: WeakSet[UpstreamClient]
    """One for each host, or tenant, that is called."""

    aclose: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Client:
    fetch: Fetch
    aclose: Callable[[], Awaitable[None]]


def rest_of(
    settings: Settings,
    source: Callable[..., Source],
    observed: Observed,
    transport: httpx.AsyncBaseTransport | None,
    *,
    path: str,
) -> Rest:
    """Wire it up; below `path` there is one for each tenant. `transport` stands in for the network.

    `source` makes a source of `fetch` and `upstream_url`.
    """
    clients: WeakSet[UpstreamClient] = WeakSet()

    def client_for(url: str, transport: httpx.AsyncBaseTransport | None) -> _Client:
        client = UpstreamClient(
            url=url,
            connect_timeout_s=settings.upstream_connect_timeout,
            timeout_s=settings.upstream_timeout,
            connections=settings.upstream_connections,
            queue=settings.upstream_queue,
            breaker_failures=settings.breaker_failures,
            breaker_cooldown_s=settings.breaker_cooldown,
            max_bytes=settings.max_upstream_bytes,
            name="REST" if settings.environment is None else f"REST of {url.rpartition('/')[2]}",
            transport=transport,
        )
        clients.add(client)
        return _Client(observed(client.fetch, url), client.aclose)

    if settings.environment is None:
        client = client_for(settings.address, transport)
        the_source = source(fetch=client.fetch, upstream_url=settings.address)
        return Rest(
            find_source=lambda path, headers: the_source,
            source_of=lambda tenant: the_source,
            clients=clients,
            aclose=client.aclose,
        )

    tls = None if transport else ssl.create_default_context()

    def network() -> httpx.AsyncBaseTransport:
        if transport is not None:
            return LentTransport(transport)
        return PooledTransport(
            connections=settings.upstream_connections,
            connect_timeout_s=settings.upstream_connect_timeout,
            tls=tls,
        )

    def source_for(tenant: str) -> Source:
        # Its address in the environment, at which nothing is called, names a tenant for good.
        address = f"{settings.address}/{tenant}"
        return source(fetch=partial(calls.fetch, tenant), upstream_url=address, tenant=tenant)

    service = StateService(
        url=settings.address,
        trusted_domains=settings.trusted_domains,
        timeout_s=settings.upstream_timeout,
        transport=transport or network(),
    )
    calls = TenantCalls(TenantStates(service), lambda url: client_for(url, network()))
    sources = TenantSources(
        KeyedCache(source_for, most=MOST_TENANTS), path=path, served=settings.served_tenants
    )
    return Rest(find_source=sources, source_of=sources.named, clients=clients, aclose=calls.aclose)
