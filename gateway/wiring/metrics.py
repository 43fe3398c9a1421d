"""Every metric of a gateway: the one place to add another."""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import metadata

from prometheus_client.process_collector import ProcessCollector

from gateway.live.watcher import Watchers
from gateway.observe.cache_stats import Lookups
from gateway.observe.logs import dropped_lines
from gateway.observe.metrics import (
    Metrics,
    RequestMeter,
    UpstreamMeter,
    Values,
    counter,
    gauge,
    histogram,
)
from gateway.sessions.snapshot import Snapshot
from gateway.store.memory import BoundedMemoryCache
from gateway.store.single_flight import Flights
from gateway.upstream.breaker import STATES
from gateway.upstream.budget import Budget
from gateway.upstream.client import UpstreamClient
from gateway.web.open_sockets import OpenSockets
from gateway.web.webhooks import RESULTS

_DISTRIBUTION = "superoffice-chat-gateway"


_TEXTS: Mapping[str, tuple[str, ...]] = {
    "gateway_requests": (
        "GraphQL requests, over HTTP or WebSocket, by outcome.",
        "operation",
        "outcome",
    ),
    "gateway_request_seconds": ("Time from a request to its answer.", "operation"),
    "gateway_bytes_sent": ("Bytes of GraphQL answers over HTTP, as sent.",),
    "gateway_upstream_calls": ("REST calls, with their retries, by outcome.", "outcome"),
    "gateway_upstream_seconds": ("Time of REST calls, retries included.",),
    "gateway_upstream_bytes": ("Bytes that SuperOffice sent, decompressed.",),
    "gateway_upstream_calls_refused": ("REST calls that were not made.",),
    "gateway_upstream_breakers": ("Hosts in use, by the state of their circuit breakers.", "state"),
    "gateway_upstream_waiting": ("REST calls that wait for a free connection.",),
    "gateway_upstream_budget": ("REST calls per second that may be made, of all tenants in use.",),
    "gateway_upstream_budget_used": ("REST calls that the budget allowed.",),
    "gateway_upstream_budget_refused": ("REST calls that the budget refused.",),
    "gateway_upstream_budget_waiting": ("REST calls that wait for the budget.",),
    "gateway_cache_lookups": ("Snapshots that requests used, by origin.", "result"),
    "gateway_upstream_calls_saved": ("REST calls that the cache saved.",),
    "gateway_upstream_bytes_saved": ("Bytes that SuperOffice did not have to send again.",),
    "gateway_flights": ("REST calls in progress.",),
    "gateway_cache_bytes": ("Memory of cached answers.",),
    "gateway_cache_entries": ("Callers with a cached answer.",),
    "gateway_sockets": ("WebSockets and event streams.",),
    "gateway_subscriptions": ("Subscriptions that are open.",),
    "gateway_watched_callers": ("Callers that are polled for their subscriptions.",),
    "gateway_webhooks": ("Webhooks, by result.", "result"),
    "gateway_log_lines_dropped": ("Lines of the log that could not be written in time.",),
    "gateway_build_info": ("Version of the gateway, and of Python.", "version", "python"),
}
"""Of each metric its help, and the names of its labels, in the order in which they are shown."""


def metrics_of(
    *,
    requests: RequestMeter,
    upstream: UpstreamMeter,
    lookups: Lookups,
    flights: Flights[Snapshot],
    cache: BoundedMemoryCache,
    clients: Iterable[UpstreamClient],
    watchers: Callable[[], Iterable[Watchers]],
    sockets: OpenSockets,
    webhooks: Mapping[str, int],
) -> Metrics:
    """Return the metrics of an app: how each is read from the app's parts."""
    build: Values = {(metadata.version(_DISTRIBUTION), platform.python_version()): 1.0}

    def lookups_by_origin() -> Values:
        return {(origin,): count for origin, count in lookups.counts.items()}

    def breakers() -> Values:
        counts = Counter(client.breaker.state for client in list(clients))
        return {(state,): counts[state] for state in STATES}

    def waiting() -> int:
        return sum(client.gate.waiting for client in list(clients))

    def of_budgets(read: Callable[[Budget], int]) -> Callable[[], int]:
        return lambda: sum(read(client.budget) for client in list(clients) if client.budget)

    def subscriptions() -> int:
        return sum(some.subscribers for some in watchers())

    def webhooks_by_result() -> Values:
        return {(result,): webhooks.get(result, 0) for result in RESULTS}

    families = {
        "gateway_requests": partial(counter, read=requests.outcomes),
        "gateway_request_seconds": partial(histogram, read=requests.timings),
        "gateway_bytes_sent": partial(counter, read=lambda: requests.sent_bytes),
        "gateway_upstream_calls": partial(counter, read=upstream.outcomes),
        "gateway_upstream_seconds": partial(histogram, read=upstream.timings),
        "gateway_upstream_bytes": partial(counter, read=lambda: upstream.bytes),
        "gateway_upstream_calls_refused": partial(counter, read=lambda: upstream.refused),
        "gateway_upstream_breakers": partial(gauge, read=breakers),
        "gateway_upstream_waiting": partial(gauge, read=waiting),
        "gateway_upstream_budget": partial(gauge, read=of_budgets(lambda b: b.rate.per_second)),
        "gateway_upstream_budget_used": partial(counter, read=of_budgets(lambda b: b.granted)),
        "gateway_upstream_budget_refused": partial(counter, read=of_budgets(lambda b: b.refused)),
        "gateway_upstream_budget_waiting": partial(
            gauge, read=of_budgets(lambda b: b.turns.waiting)
        ),
        "gateway_cache_lookups": partial(counter, read=lookups_by_origin),
        "gateway_upstream_calls_saved": partial(counter, read=lambda: lookups.saved_calls),
        "gateway_upstream_bytes_saved": partial(counter, read=lambda: lookups.saved_bytes),
        "gateway_flights": partial(gauge, read=lambda: len(flights)),
        "gateway_cache_bytes": partial(gauge, read=lambda: cache.size_bytes),
        "gateway_cache_entries": partial(gauge, read=lambda: cache.count),
        "gateway_sockets": partial(gauge, read=lambda: sockets.open),
        "gateway_subscriptions": partial(gauge, read=subscriptions),
        "gateway_watched_callers": partial(gauge, read=lambda: sum(map(len, watchers()))),
        "gateway_webhooks": partial(counter, read=webhooks_by_result),
        "gateway_log_lines_dropped": partial(counter, read=dropped_lines),
        "gateway_build_info": partial(gauge, read=lambda: build),
    }
    return Metrics(
        [families[name](name, text, labels=labels) for name, (text, *labels) in _TEXTS.items()],
        [ProcessCollector(registry=None)],
    )
