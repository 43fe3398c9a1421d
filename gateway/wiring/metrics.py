"""Reads each metric of `observe/metrics.json` from the parts of a gateway."""

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.observe.logs import dropped_lines
from gateway.observe.metrics import Read
from gateway.upstream.breaker import STATES
from gateway.upstream.budget import Budget
from gateway.upstream.client import UpstreamClient
from gateway.web.webhooks import RESULTS

if TYPE_CHECKING:
    from gateway.wiring.gateway import Gateway

Reads = dict[str, Read]
Sums = Mapping[tuple[str, ...], int]


def reads(gateway: "Gateway", is_draining: Read) -> Reads:
    """Return a reader for each metric."""
    tracing = gateway.tracing
    return {
        **_of_requests(gateway),
        **_of_upstream(gateway),
        **_of_sessions(gateway),
        "gateway_draining": is_draining,
        "gateway_log_lines_dropped": dropped_lines,
        "gateway_spans_dropped": tracing.dropped_spans if tracing else lambda: 0,
        "gateway_build_info": lambda: {(__version__, platform.python_version()): 1},
    }


def _of_requests(gateway: "Gateway") -> Reads:
    """Return the metrics of requests, connections, sockets, their limits, and load shedding."""
    meter, sockets = gateway.requests, gateway.graphql.sockets
    admission, connections = gateway.edge.admission, gateway.edge.connection_limit
    limits = (
        ("requests", admission),
        ("connections", connections),
        ("sockets", sockets),
        ("unsent_bytes", gateway.edge.unsent_limit),
    )
    return {
        "gateway_requests": lambda: meter.counts("operation", "outcome"),
        "gateway_tenant_requests": lambda: meter.counts("tenant", "outcome"),
        "gateway_client_requests": lambda: meter.clients.requests,
        "gateway_deprecated_uses": lambda: meter.deprecated,
        "gateway_request_seconds": lambda: meter.by("operation"),
        "gateway_outcome_seconds": lambda: meter.by("outcome"),
        "gateway_bytes_sent": lambda: meter.sent_bytes,
        "gateway_requests_in_work": lambda: admission.in_progress,
        "gateway_connections": lambda: len(connections.open),
        "gateway_sockets": lambda: sockets.open,
        "gateway_limit": lambda: {of: limit.most for of, limit in limits},
        "gateway_shed": lambda: {of: limit.shed for of, limit in limits},
    }


def _of_upstream(gateway: "Gateway") -> Reads:
    """Return the metrics of REST calls."""
    meter, clients = gateway.calls, gateway.upstreams.clients

    def by_tenant(read: Callable[[UpstreamClient], Sums]) -> Sums:
        sums: Counter[tuple[str, ...]] = Counter()
        # A copy made at once: this is another thread than that of the clients.
        for client in filter(None, [reference() for reference in clients.valuerefs()]):
            for labels, value in read(client).items():
                sums[(meter.tenants.label(client.tenant), *labels)] += value
        return sums

    def breaker(client: UpstreamClient) -> Sums:
        return {(state,): state == client.breaker.state for state in STATES}

    def of_budgets(read: Callable[[Budget], int]) -> Read:
        return lambda: by_tenant(lambda client: {(): read(b)} if (b := client.budget) else {})

    return {
        "gateway_upstream_calls": lambda: meter.outcomes,
        "gateway_upstream_seconds": lambda: meter.timings,
        "gateway_upstream_bytes": lambda: meter.bytes,
        "gateway_upstream_calls_refused": lambda: meter.refused,
        "gateway_tenant_lookups": lambda: gateway.upstreams.tenant_lookups,
        "gateway_upstream_breakers": lambda: by_tenant(breaker),
        "gateway_upstream_waiting": lambda: sum(by_tenant(lambda c: {(): c.gate.waiting}).values()),
        "gateway_upstream_budget": of_budgets(lambda budget: budget.rate.per_second),
        "gateway_upstream_budget_used": of_budgets(lambda budget: budget.granted),
        "gateway_upstream_budget_refused": of_budgets(lambda budget: budget.refused),
        "gateway_upstream_budget_waiting": of_budgets(lambda budget: budget.waiting),
    }


def _of_sessions(gateway: "Gateway") -> Reads:
    """Return the metrics of cached answers, of subscriptions and of webhooks."""
    lookups, cache, shared = gateway.lookups, gateway.cache, gateway.shared
    watchers = gateway.watchers_of.all
    webhooks = gateway.webhooks.results if gateway.webhooks else {}
    return {
        "gateway_cache_lookups": lambda: lookups.counts,
        "gateway_upstream_calls_saved": lambda: lookups.saved_calls,
        "gateway_upstream_bytes_saved": lambda: lookups.saved_bytes,
        "gateway_flights": lambda: len(gateway.flights),
        "gateway_cache_bytes": lambda: cache.size_bytes,
        "gateway_cache_entries": lambda: cache.count,
        "gateway_redis_up": lambda: {(): not shared.outages.is_known} if shared else {},
        "gateway_redis_dropped": lambda: {(): shared.dropped} if shared else {},
        "gateway_subscriptions": lambda: sum(some.subscribers for some in watchers()),
        "gateway_watched_callers": lambda: sum(map(len, watchers())),
        "gateway_webhooks": lambda: {**dict.fromkeys(RESULTS, 0), **webhooks},
    }
