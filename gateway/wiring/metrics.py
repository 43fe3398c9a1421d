"""How each metric of `observe/metrics.json` is read from the parts of a gateway."""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from gateway import __version__
from gateway.live.watcher import Watchers
from gateway.observe.cache_stats import Lookups
from gateway.observe.logs import dropped_lines
from gateway.observe.metrics import Read, RequestMeter, UpstreamMeter
from gateway.sessions.snapshot import Snapshot
from gateway.store.memory import BoundedMemoryCache
from gateway.store.shared import SharedCache
from gateway.store.single_flight import Flights
from gateway.upstream.breaker import STATES
from gateway.upstream.budget import Budget
from gateway.upstream.client import UpstreamClient
from gateway.web.edge import Edge
from gateway.web.open_sockets import OpenSockets
from gateway.web.webhooks import RESULTS

Reads = dict[str, Read]
Sums = Mapping[tuple[str, ...], int]


class Limit(Protocol):
    """A limit, and how often something was refused because of it."""

    most: int
    shed: int


def of_requests(meter: RequestMeter) -> Reads:
    """Return the metrics of GraphQL requests."""
    return {
        "gateway_requests": lambda: meter.counts("operation", "outcome"),
        "gateway_tenant_requests": lambda: meter.counts("tenant", "outcome"),
        "gateway_client_requests": lambda: meter.clients.requests,
        "gateway_deprecated_uses": lambda: meter.deprecated,
        "gateway_request_seconds": lambda: meter.by("operation"),
        "gateway_outcome_seconds": lambda: meter.by("outcome"),
        "gateway_bytes_sent": lambda: meter.sent_bytes,
    }


def of_load(edge: Edge, sockets: OpenSockets, is_draining: Read) -> Reads:
    """Return the metrics of what is open or in work, of the limits, and of what is shed."""
    limits: dict[str, Limit] = {
        "requests": edge.admission,
        "connections": edge.connection_limit,
        "sockets": sockets,
    }
    return {
        "gateway_requests_in_work": lambda: edge.admission.in_work,
        "gateway_connections": lambda: len(edge.connection_limit.open),
        "gateway_sockets": lambda: sockets.open,
        "gateway_limit": lambda: {of: limit.most for of, limit in limits.items()},
        "gateway_shed": lambda: {of: limit.shed for of, limit in limits.items()},
        "gateway_draining": is_draining,
    }


def of_upstream(meter: UpstreamMeter, clients: Mapping[UpstreamClient, str]) -> Reads:
    """Return the metrics of REST calls; `clients` has the tenant of each client."""

    def by_tenant(read: Callable[[UpstreamClient], Sums]) -> Sums:
        sums: Counter[tuple[str, ...]] = Counter()
        for client, tenant in list(clients.items()):
            for labels, value in read(client).items():
                sums[(meter.tenants.told(tenant), *labels)] += value
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
        "gateway_upstream_breakers": lambda: by_tenant(breaker),
        "gateway_upstream_waiting": lambda: sum(client.gate.waiting for client in list(clients)),
        "gateway_upstream_budget": of_budgets(lambda budget: budget.rate.per_second),
        "gateway_upstream_budget_used": of_budgets(lambda budget: budget.granted),
        "gateway_upstream_budget_refused": of_budgets(lambda budget: budget.refused),
        "gateway_upstream_budget_waiting": of_budgets(lambda budget: budget.turns.waiting),
    }


def of_cache(
    lookups: Lookups,
    flights: Flights[Snapshot],
    cache: BoundedMemoryCache,
    shared: SharedCache | None,
) -> Reads:
    """Return the metrics of cached answers."""
    return {
        "gateway_cache_lookups": lambda: lookups.counts,
        "gateway_upstream_calls_saved": lambda: lookups.saved_calls,
        "gateway_upstream_bytes_saved": lambda: lookups.saved_bytes,
        "gateway_flights": lambda: len(flights),
        "gateway_cache_bytes": lambda: cache.size_bytes,
        "gateway_cache_entries": lambda: cache.count,
        "gateway_redis_up": lambda: {(): not shared.outages.is_known} if shared else {},
        "gateway_redis_dropped": lambda: {(): shared.dropped} if shared else {},
    }


def of_live(watchers: Callable[[], Iterable[Watchers]], webhooks: Mapping[str, int]) -> Reads:
    """Return the metrics of subscriptions and webhooks."""
    return {
        "gateway_subscriptions": lambda: sum(some.subscribers for some in watchers()),
        "gateway_watched_callers": lambda: sum(map(len, watchers())),
        "gateway_webhooks": lambda: {**dict.fromkeys(RESULTS, 0), **webhooks},
    }


def of_process(dropped_spans: Read) -> Reads:
    """Return the metrics of the process itself."""
    return {
        "gateway_log_lines_dropped": dropped_lines,
        "gateway_spans_dropped": dropped_spans,
        "gateway_build_info": lambda: {(__version__, platform.python_version()): 1},
    }
