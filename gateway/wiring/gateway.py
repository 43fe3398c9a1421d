"""All parts of one gateway, wired by hand."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from gateway.live.changes import Comparison
from gateway.live.pace import Rhythm
from gateway.live.watcher import Watchers
from gateway.observe.logs import set_level
from gateway.observe.metrics import Metrics, RequestMeter, UpstreamMeter
from gateway.observe.operations import MOST_NAMES, LabelNames, OperationNames
from gateway.observe.shared_metrics import SharedMetrics
from gateway.schema.build import build_schema
from gateway.schema.engine import Engine
from gateway.schema.entities.chat_decoder import complete, decode
from gateway.sessions.caller_rate import CallerRate
from gateway.sessions.fetching import Fetch
from gateway.sessions.freshness import Lookups, Windows
from gateway.sessions.snapshot import Snapshot
from gateway.sessions.source import Source
from gateway.settings import Settings
from gateway.store.keyed_cache import KeyedCache
from gateway.store.memory import BoundedMemoryCache
from gateway.store.shared_times import SharedTimes
from gateway.store.single_flight import Flights, cancel_all
from gateway.tenants.calls import MOST_TENANTS
from gateway.upstream.body_memory import BodyMemory
from gateway.upstream.reach import Reachability
from gateway.web.admission import Admission, ConnectionLimit
from gateway.web.edge import Edge
from gateway.web.graphql import GraphQL
from gateway.web.inbound import Door
from gateway.web.middleware.request_log import AccessLog
from gateway.web.open_sockets import OpenSockets
from gateway.web.pages.ops import Check
from gateway.web.read.manifests import names_in
from gateway.web.read.persisted import DocumentsById
from gateway.web.read.proxies import TrustedProxies
from gateway.web.read.request import Reader
from gateway.wiring import live, metrics, upstreams
from gateway.wiring.reloads import Reloads
from gateway.wiring.schema import schema_options, tracing_for, trusted_documents

_INTERVAL_WITHOUT_CACHE_S = 5.0


class Gateway:
    """The parts of an application; they work inside `running`.

    Raises:
        SettingsError: a file named in the settings cannot be read, or a field does not exist.
    """

    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        manifest = trusted_documents(settings)
        names = OperationNames(names_in(manifest.values()) if manifest else None)
        self.tracing = tracing_for(names) if settings.tracing else None
        # A short list of tenants is declared; of a long one, the first in use are learned.
        tenants = LabelNames(
            settings.tenants if len(settings.tenants or ()) <= MOST_NAMES else None
        )
        self.requests, self.calls = RequestMeter(tenants), UpstreamMeter(tenants)
        self.shared, self._background = live.shared_cache(settings)
        self.flights, self.lookups = Flights[Snapshot](), Lookups()
        self.cache = BoundedMemoryCache(max_bytes=settings.cache_max_bytes)
        if self.tracing:
            self.tracing.trace_lookups(self.cache)
        self.upstreams = upstreams.Upstreams(
            settings, self._source(), self._observed, transport, self.shared
        )
        self.edge = self._edge()
        self.schema = build_schema(schema_options(settings, manifest))
        interval_s = settings.live_interval or settings.cache_ttl or _INTERVAL_WITHOUT_CACHE_S
        compare = Comparison(self.schema.watched)

        def watchers(source: Source) -> Watchers:
            # Each tenant has its own rhythm: only some notify us of changes.
            return Watchers(source, rhythm=Rhythm(interval_s=interval_s), compare=compare)

        self.watchers_of = KeyedCache[Source, Watchers](watchers, most=MOST_TENANTS)
        documents = DocumentsById(settings, manifest, self.shared)
        self.graphql = GraphQL(
            engine=Engine(self.schema, self.tracing.operation if self.tracing else None),
            reader=Reader(documents, self.schema.documents.validated, settings),
            names=names,
            sockets=OpenSockets(settings.max_sockets, settings.max_sockets_per_caller),
            watchers_of=self.watchers_of,
            allowed_origins=settings.cors_origins,
        )
        source_of = self.upstreams.source_of
        self._bus = live.bus(settings, source_of, self.watchers_of)
        self._background.append(self._bus.listen)
        self.webhooks = live.webhooks(settings, self._bus, source_of, self.shared)
        self.reloads = self._reloads(names)
        self.checks: dict[str, Check] = {}
        if settings.ready_check:
            reachability = Reachability(settings, self.upstreams.route)
            self.checks["rest"] = lambda: reachability.problem
            self._background.append(reachability.keep_checking)

    def _edge(self) -> Edge:
        settings, proxies = self._settings, self._settings.trusted_proxies
        return Edge(
            door=Door(
                find_source=self.upstreams.find_source,
                policy=upstreams.caller_policy(settings),
                heeds_cache_control=settings.client_cache_control,
                proxies=TrustedProxies(proxies) if proxies else None,
            ),
            access_log=AccessLog(self.requests, shows_client=bool(proxies)),
            admission=Admission(settings.max_requests, has_tenants=settings.has_several_tenants),
            connection_limit=ConnectionLimit(settings.max_connections),
            has_fast_lane=bool(settings.cache_ttl) and not self.tracing,
        )

    def _reloads(self, names: OperationNames) -> Reloads:
        settings, load = self._settings, self.upstreams.route.load
        parts = {
            "log_level": lambda _: set_level(),
            "app_token": self._reload_policy,
            "upstream_proxy": load,
            "upstream_ca_file": load,
            "upstream_client_cert": load,
            "webhook_secret": self.webhooks.reload if self.webhooks else None,
            "trusted_documents": partial(self._reload_documents, names),
        }
        used = {name: part for name, part in parts.items() if part and getattr(settings, name)}
        if "SSL_CERT_FILE" in os.environ:
            used.setdefault("upstream_ca_file", load)
        return Reloads(settings, used)

    def _source(self) -> Callable[..., Source]:
        settings = self._settings
        return partial(
            Source,
            decode=decode,
            complete=partial(complete, topic_names=settings.topic_names),
            cache=self.cache,
            windows=Windows(
                settings.cache_ttl, settings.stale_while_revalidate, settings.stale_if_error
            ),
            shared=self.shared,
            rejections=SharedTimes(self.shared),
            time_zone=settings.time_zone,
            secret=settings.cache_secret.get_secret_value().encode(),
            flights=self.flights,
            lookups=self.lookups,
            bodies=BodyMemory(),
            caller_rate=CallerRate(settings.caller_rate) if settings.caller_rate else None,
        )

    def _observed(self, fetch: Fetch, url: str, tenant: str) -> Fetch:
        counted = self.calls.around(fetch, tenant)
        return self.tracing.fetch(counted, url, tenant) if self.tracing else counted

    def _reload_policy(self, settings: Settings) -> None:
        self.edge.door.policy = upstreams.caller_policy(settings)

    def _reload_documents(self, names: OperationNames, settings: Settings) -> None:
        manifest = trusted_documents(settings)
        self.graphql.reader.documents.trust(manifest)
        names.declare(names_in(manifest.values()))
        if settings.trusted_documents_only:
            self.schema.documents.trusted = frozenset(manifest.values())
        self.edge.door.reloads += 1

    def collector(self, directory: Path | None, is_draining: Callable[[], bool]) -> Collector:
        """Return the metrics; the processes of one gateway share theirs through `directory`."""
        own = Metrics(metrics.reads(self, is_draining), [ProcessCollector(registry=None)])
        if directory is None:
            return own
        shared = SharedMetrics(directory, own)
        self._background.append(shared.keep_writing)
        return shared

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background tasks; at the end, cancel them and close all connections."""
        if self.tracing:
            self.tracing.open()
        tasks = {asyncio.create_task(run()) for run in self._background}
        for task in tasks:
            # asyncio logs what a callback raises.
            task.add_done_callback(lambda ended: ended.cancelled() or ended.result())
        try:
            yield
        finally:
            await cancel_all(tasks)
            await self._bus.aclose()
            await self.flights.cancel()
            await self.upstreams.aclose()
            if self.shared is not None:
                await self.shared.aclose()
            if self.tracing:
                await self.tracing.aclose()
