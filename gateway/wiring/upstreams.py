"""The REST API behind the gateway: of one SuperOffice, or of all tenants of SuperOffice Online."""

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from weakref import WeakKeyDictionary

import httpx

from gateway.caller import CallerPolicy
from gateway.sessions.source import Fetch, Source
from gateway.settings import Settings
from gateway.store.keyed_cache import KeyedCache
from gateway.store.shared import SharedCache
from gateway.store.shared_rate import SharedRate
from gateway.tenants.calls import Client, TenantCalls
from gateway.tenants.path import FindSource, SourceOf, TenantSources
from gateway.tenants.state_service import StateService
from gateway.tenants.states import MOST_TENANTS, TenantStates
from gateway.upstream.budget import Budget
from gateway.upstream.client import UpstreamClient
from gateway.upstream.reach import Reachability
from gateway.upstream.transport import LentTransport, PooledTransport

CALLS_WAITING = 256
"""REST calls that may wait for a connection, per process; more are rejected at once."""

Observed = Callable[[Fetch, str, str], Fetch]
"""Counts, or traces, the calls to an address, for a tenant."""


class Upstreams:
    """The sources of sessions, and the calls that they make."""

    find_source: FindSource
    source_of: SourceOf
    aclose: Callable[[], Awaitable[None]]

    def __init__(
        self,
        settings: Settings,
        source: Callable[..., Source],
        observed: Observed,
        transport: httpx.AsyncBaseTransport | None,
        *,
        path: str,
        shared: SharedCache | None = None,
    ) -> None:
        """Wire up the sources; below `path` there is one for each tenant.

        `source` makes a source from `fetch` and `upstream_url`; `transport` replaces the network.
        """
        self.clients: WeakKeyDictionary[UpstreamClient, str] = WeakKeyDictionary()
        """One for each address in use, and its tenant."""

        self._settings = settings
        self._shared = shared
        self._observed = observed
        self._transport = transport
        url = settings.address
        if settings.environment is None:
            client = self._client(url, "", transport)
            the_source = source(fetch=client.fetch, upstream_url=url)
            self.find_source = lambda path, headers: the_source
            self.source_of = lambda tenant: the_source
            self.aclose = client.aclose
            return
        # One for all tenants: it takes a while to make, and a megabyte to keep.
        tls = None if transport else ssl.create_default_context()
        service = StateService(
            url=url,
            trusted_domains=settings.tenant_hosts,
            timeout_s=settings.upstream_timeout,
            transport=transport or self._network(tls),  # which it closes in the end
        )
        calls = TenantCalls(TenantStates(service), partial(self._tenant_client, tls))

        def source_for(tenant: str) -> Source:
            # It names the tenant for good, wherever that moves; no calls go there.
            fetch = partial(calls.fetch, tenant)
            return source(fetch=fetch, upstream_url=f"{url}/{tenant}", tenant=tenant)

        made = KeyedCache(source_for, most=MOST_TENANTS)
        sources = TenantSources(made, path=path, served=settings.tenants)
        self.find_source = sources
        self.source_of = sources.named
        self.aclose = calls.aclose

    def _client(self, url: str, tenant: str, transport: httpx.AsyncBaseTransport | None) -> Client:
        settings = self._settings
        budget = None
        if settings.upstream_rate:
            rate = SharedRate(
                url, settings.upstream_rate, workers=settings.workers, shared=self._shared
            )
            budget = Budget(rate, queue=CALLS_WAITING)
        client = UpstreamClient(
            url=url,
            connect_timeout_s=settings.upstream_connect_timeout,
            timeout_s=settings.upstream_timeout,
            connections=settings.upstream_connections,
            queue=CALLS_WAITING,
            breaker_failures=settings.breaker_failures,
            breaker_cooldown_s=settings.breaker_cooldown,
            max_bytes=settings.max_upstream_bytes,
            budget=budget,
            name=f"SuperOffice of {tenant}" if tenant else "SuperOffice",
            transport=transport,
        )
        self.clients[client] = tenant
        return Client(self._observed(client.fetch, url, tenant), client.aclose)

    def _tenant_client(self, tls: ssl.SSLContext | None, url: str) -> Client:
        return self._client(url, url.rpartition("/")[2], self._network(tls))

    def _network(self, tls: ssl.SSLContext | None) -> httpx.AsyncBaseTransport:
        if self._transport is not None:
            return LentTransport(self._transport)
        return PooledTransport(
            connections=self._settings.upstream_connections,
            connect_timeout_s=self._settings.upstream_connect_timeout,
            tls=tls,
        )


def caller_policy(settings: Settings) -> CallerPolicy:
    """Return how callers are read."""
    defaults = {
        b"so-apptoken": settings.app_token and settings.app_token.get_secret_value(),
        b"accept-language": settings.accept_language,
        b"so-timezone": settings.so_time_zone,
    }
    sent = tuple((name, value.encode()) for name, value in defaults.items() if value)
    return CallerPolicy(sent, settings.forward_cookies)


def reachability(settings: Settings) -> Reachability | None:
    """Return the check that SuperOffice can be reached, if there is to be one."""
    if not settings.ready_check:
        return None
    return Reachability(
        url=settings.address,
        interval_s=settings.ready_check,
        connect_timeout_s=settings.upstream_connect_timeout,
    )
