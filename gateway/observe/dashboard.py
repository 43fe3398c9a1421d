"""A Grafana dashboard for the gateway's metrics.

Source of the model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from string import ascii_uppercase
from typing import Any

_PER_ROW = 3
_WIDTH = 24 // _PER_ROW
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}

Line = tuple[str, str, str, str]
"""A line of a graph: title and unit of the graph, PromQL, legend."""


def _rate(metric: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f'sum{grouped} (rate({metric}{{job=~"$job"}}[$__rate_interval]))'


def _sum(metric: str) -> str:
    return f'sum ({metric}{{job=~"$job"}})'


def _max(metric: str) -> str:
    return f'max ({metric}{{job=~"$job"}})'


def _quantiles(title: str, histogram: str) -> list[Line]:
    buckets = _rate(f"{histogram}_bucket", "le")
    quantiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return [(title, "s", f"histogram_quantile({q}, {buckets})", p) for p, q in quantiles.items()]


_REQUESTS = "gateway_requests_total"
_CALLS = "gateway_upstream_calls_total"
_SAVED = "gateway_upstream_calls_saved_total"
_REFUSED = "gateway_upstream_calls_refused_total"
_LOOKUPS = "gateway_cache_lookups_total"
_FAILED = 'sum (rate(gateway_requests_total{job=~"$job", outcome!="ok"}[$__rate_interval]))'
_WITHOUT_CALL = f"{_rate(_SAVED)} / {_rate(_LOOKUPS)}"
_WAITING = _sum("gateway_upstream_waiting")
_OPEN_BREAKERS = 'sum (gateway_upstream_breakers{job=~"$job", state!="closed"})'
_BUILDS = 'sum by (version, python) (gateway_build_info{job=~"$job"})'

LINES: tuple[Line, ...] = (
    ("Requests by operation", "reqps", _rate(_REQUESTS, "operation"), "{{operation}}"),
    ("Requests by outcome", "reqps", _rate(_REQUESTS, "outcome"), "{{outcome}}"),
    ("Failed requests", "percentunit", f"{_FAILED} / {_rate(_REQUESTS)}", "failed"),
    *_quantiles("Time of a request", "gateway_request_seconds"),
    *_quantiles("Time of a REST call", "gateway_upstream_seconds"),
    ("REST calls by outcome", "reqps", _rate(_CALLS, "outcome"), "{{outcome}}"),
    ("REST calls by outcome", "reqps", _rate(_SAVED), "saved"),
    ("REST calls by outcome", "reqps", _rate(_REFUSED), "refused"),
    ("Budget of REST calls", "reqps", _max("gateway_upstream_budget"), "allowed"),
    ("Budget of REST calls", "reqps", _rate("gateway_upstream_budget_used_total"), "used"),
    ("Budget of REST calls", "reqps", _rate("gateway_upstream_budget_refused_total"), "refused"),
    ("Budget of REST calls", "short", _sum("gateway_upstream_budget_waiting"), "waiting"),
    ("Snapshots by cache result", "reqps", _rate(_LOOKUPS, "result"), "{{result}}"),
    ("Answered without a REST call", "percentunit", _WITHOUT_CALL, "without"),
    ("REST calls under way", "short", _sum("gateway_flights"), "under way"),
    ("REST calls under way", "short", _WAITING, "waiting for a connection"),
    ("Circuit breakers", "short", _OPEN_BREAKERS, "open or half open"),
    ("Subscriptions", "short", _sum("gateway_subscriptions"), "subscriptions"),
    ("Subscriptions", "short", _sum("gateway_sockets"), "sockets and streams"),
    ("Subscriptions", "short", _sum("gateway_watched_callers"), "callers"),
    ("Webhooks", "reqps", _rate("gateway_webhooks_total", "result"), "{{result}}"),
    ("Bytes", "Bps", _rate("gateway_bytes_sent_total"), "to clients"),
    ("Bytes", "Bps", _rate("gateway_upstream_bytes_total"), "from SuperOffice"),
    ("Bytes", "Bps", _rate("gateway_upstream_bytes_saved_total"), "saved"),
    ("Memory", "bytes", _sum("gateway_cache_bytes"), "cached answers"),
    ("Memory", "bytes", _sum("process_resident_memory_bytes"), "all"),
    ("Callers with a cached answer", "short", _sum("gateway_cache_entries"), "callers"),
    ("CPU", "short", _rate("process_cpu_seconds_total"), "cores"),
    ("Versions", "short", _BUILDS, "{{version}}, Python {{python}}"),
)


def dashboard() -> dict[str, Any]:  # JSON: callers know what is in it
    """Return the JSON of the dashboard, for Grafana to import."""
    source = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    jobs: dict[str, object] = {"name": "job", "label": "Job", "type": "query"}
    jobs |= {"datasource": _SOURCE, "query": "label_values(gateway_build_info, job)", "refresh": 2}
    panels = groupby(LINES, key=itemgetter(0))
    return {
        "title": "SuperOffice chat gateway",
        "uid": "superoffice-chat-gateway",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, jobs]},
        "panels": [_panel(index, list(lines)) for index, (_, lines) in enumerate(panels)],
    }


def _panel(index: int, lines: Sequence[Line]) -> dict[str, object]:
    title, unit, *_ = lines[0]
    row, column = divmod(index, _PER_ROW)
    targets = [
        {"refId": letter, "datasource": _SOURCE, "expr": expr, "legendFormat": legend}
        for letter, (*_, expr, legend) in zip(ascii_uppercase, lines, strict=False)
    ]
    return {
        "id": index + 1,
        "title": title,
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
