"""Every metric of a gateway, and where it is read: the one place to add another."""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata

from prometheus_client.process_collector import ProcessCollector

from gateway.live.watcher import Watchers
from gateway.observe.cache_stats import Lookups
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
from gateway.upstream.client import UpstreamClient
from gateway.web.open_sockets import OpenSockets
from gateway.web.webhooks import RESULTS

__all__ = ["metrics_of"]

_DISTRIBUTION = "superoffice-chat-gateway"


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
    """Return what there is to read of an app, by the parts it is made of."""

    def breakers() -> Values:
        counts = Counter(client.breaker.state for client in list(clients))
        return {(state,): counts[state] for state in STATES}

    build: Values = {(metadata.version(_DISTRIBUTION), platform.python_version()): 1.0}
    return Metrics(
        [
            counter(
                "gateway_requests",
                "GraphQL requests, and operations over WebSocket, by what came of them.",
                requests.outcomes,
                ["operation", "outcome"],
            ),
            histogram(
                "gateway_request_seconds",
                "Time from a request to its answer.",
                requests.timings,
                ["operation"],
            ),
            counter(
                "gateway_bytes_sent",
                "Bytes of GraphQL answers over HTTP, as they were sent.",
                lambda: requests.sent_bytes,
            ),
            counter(
                "gateway_upstream_calls",
                "REST calls, with their retries, by what came of them.",
                upstream.outcomes,
                ["outcome"],
            ),
            histogram(
                "gateway_upstream_seconds",
                "Time of REST calls, retries included.",
                upstream.timings,
            ),
            counter(
                "gateway_upstream_bytes",
                "Bytes that REST sent, decompressed.",
                lambda: upstream.bytes,
            ),
            counter(
                "gateway_upstream_calls_refused",
                "REST calls that were not made: it keeps failing, too many wait, or it asks for "
                "a pause.",
                lambda: upstream.refused,
            ),
            gauge(
                "gateway_upstream_breakers",
                "REST hosts that were called lately, by the state of their circuit breakers.",
                breakers,
                ["state"],
            ),
            gauge(
                "gateway_upstream_waiting",
                "REST calls that wait for a free connection.",
                lambda: sum(client.gate.waiting for client in list(clients)),
            ),
            counter(
                "gateway_cache_lookups",
                "Snapshots that requests got, by how they came by them.",
                lambda: {(result,): count for result, count in lookups.counts.items()},
                ["result"],
            ),
            counter(
                "gateway_upstream_calls_saved",
                "REST calls that a kept or a shared answer saved.",
                lambda: lookups.saved_calls,
            ),
            counter(
                "gateway_upstream_bytes_saved",
                "Bytes that REST did not have to send again.",
                lambda: lookups.saved_bytes,
            ),
            gauge("gateway_flights", "REST calls under way.", lambda: len(flights)),
            gauge("gateway_cache_bytes", "Memory of cached answers.", lambda: cache.size_bytes),
            gauge("gateway_cache_entries", "Callers with a cached answer.", lambda: cache.count),
            gauge("gateway_sockets", "WebSockets and event streams.", lambda: sockets.count),
            gauge(
                "gateway_subscriptions",
                "Subscriptions that are open.",
                lambda: sum(some.subscribers for some in watchers()),
            ),
            gauge(
                "gateway_watched_callers",
                "Callers whose sessions are read again and again for their subscriptions.",
                lambda: sum(len(some) for some in watchers()),
            ),
            counter(
                "gateway_webhooks",
                "Webhooks, by what was done with them.",
                lambda: {(result,): webhooks.get(result, 0) for result in RESULTS},
                ["result"],
            ),
            gauge("gateway_build_info", "What runs.", lambda: build, ["version", "python"]),
        ],
        [ProcessCollector(registry=None)],
    )
