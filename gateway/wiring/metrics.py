"""Every metric of a gateway: the one place to add another."""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata

from prometheus_client.process_collector import ProcessCollector

from gateway.live.watcher import Watchers
from gateway.observe.cache_stats import Lookups
from gateway.observe.metrics import (
    Family,
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

_DISTRIBUTION = "superoffice-chat-gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The parts of an app whose metrics are read."""

    requests: RequestMeter
    upstream: UpstreamMeter
    lookups: Lookups
    flights: Flights[Snapshot]
    cache: BoundedMemoryCache
    clients: Iterable[UpstreamClient]
    watchers: Callable[[], Iterable[Watchers]]
    sockets: OpenSockets
    webhooks: Mapping[str, int]

    def metrics(self) -> Metrics:
        """Return the metrics, in the order in which they are shown."""
        families = [*self._of_requests(), *self._of_upstream(), *self._of_cache(), *self._of_live()]
        build: Values = {(metadata.version(_DISTRIBUTION), platform.python_version()): 1.0}
        text = "Version of the gateway, and of Python."
        families.append(gauge("gateway_build_info", text, lambda: build, ["version", "python"]))
        return Metrics(families, [ProcessCollector(registry=None)])

    def _of_requests(self) -> list[Family]:
        requests = self.requests
        return [
            counter(
                "gateway_requests",
                "GraphQL requests, over HTTP or WebSocket, by outcome.",
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
                "Bytes of GraphQL answers over HTTP, as sent.",
                lambda: requests.sent_bytes,
            ),
        ]

    def _of_upstream(self) -> list[Family]:
        upstream = self.upstream
        return [
            counter(
                "gateway_upstream_calls",
                "REST calls, with their retries, by outcome.",
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
                "Bytes that SuperOffice sent, decompressed.",
                lambda: upstream.bytes,
            ),
            counter(
                "gateway_upstream_calls_refused",
                "REST calls that were not made.",
                lambda: upstream.refused,
            ),
            gauge(
                "gateway_upstream_breakers",
                "Hosts in use, by the state of their circuit breakers.",
                self._breakers,
                ["state"],
            ),
            gauge(
                "gateway_upstream_waiting",
                "REST calls that wait for a free connection.",
                lambda: sum(client.gate.waiting for client in list(self.clients)),
            ),
        ]

    def _breakers(self) -> Values:
        counts = Counter(client.breaker.state for client in list(self.clients))
        return {(state,): counts[state] for state in STATES}

    def _of_cache(self) -> list[Family]:
        lookups, cache = self.lookups, self.cache
        return [
            counter(
                "gateway_cache_lookups",
                "Snapshots that requests used, by origin.",
                lambda: {(result,): count for result, count in lookups.counts.items()},
                ["result"],
            ),
            counter(
                "gateway_upstream_calls_saved",
                "REST calls that the cache saved.",
                lambda: lookups.saved_calls,
            ),
            counter(
                "gateway_upstream_bytes_saved",
                "Bytes that SuperOffice did not have to send again.",
                lambda: lookups.saved_bytes,
            ),
            gauge("gateway_flights", "REST calls in progress.", lambda: len(self.flights)),
            gauge("gateway_cache_bytes", "Memory of cached answers.", lambda: cache.size_bytes),
            gauge("gateway_cache_entries", "Callers with a cached answer.", lambda: cache.count),
        ]

    def _of_live(self) -> list[Family]:
        return [
            gauge("gateway_sockets", "WebSockets and event streams.", lambda: self.sockets.open),
            gauge(
                "gateway_subscriptions",
                "Subscriptions that are open.",
                lambda: sum(some.subscribers for some in self.watchers()),
            ),
            gauge(
                "gateway_watched_callers",
                "Callers that are polled for their subscriptions.",
                lambda: sum(len(some) for some in self.watchers()),
            ),
            counter(
                "gateway_webhooks",
                "Webhooks, by result.",
                lambda: {(result,): self.webhooks.get(result, 0) for result in RESULTS},
                ["result"],
            ),
        ]
