"""A Grafana dashboard for the gateway's metrics.

Source of the model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
"""

from dataclasses import dataclass
from typing import Any

__all__ = ["PANELS", "Panel", "dashboard"]

_PER_ROW = 3
_WIDTH = 24 // _PER_ROW
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph; `lines` are pairs of PromQL and the legend of what it gives."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]


def _rate(metric: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{$of}}[$__rate_interval]))"


def _quantiles(histogram: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"histogram_quantile({q}, {_rate(f'{histogram}_bucket', 'le')})", f"p{q * 100:g}")
        for q in (0.5, 0.95, 0.99)
    )


_FAILED = 'sum (rate(gateway_requests_total{$of, outcome!="ok"}[$__rate_interval]))'
_SAVED = _rate("gateway_upstream_calls_saved_total")

PANELS = (
    Panel(
        "Requests by operation",
        "reqps",
        ((_rate("gateway_requests_total", "operation"), "{{operation}}"),),
    ),
    Panel(
        "Requests by outcome",
        "reqps",
        ((_rate("gateway_requests_total", "outcome"), "{{outcome}}"),),
    ),
    Panel(
        "Requests that failed",
        "percentunit",
        ((f"{_FAILED} / {_rate('gateway_requests_total')}", "failed"),),
    ),
    Panel("Time to an answer", "s", _quantiles("gateway_request_seconds")),
    Panel("Time of a REST call", "s", _quantiles("gateway_upstream_seconds")),
    Panel(
        "REST calls by outcome",
        "reqps",
        (
            (_rate("gateway_upstream_calls_total", "outcome"), "{{outcome}}"),
            (_rate("gateway_upstream_calls_saved_total"), "saved"),
            (_rate("gateway_upstream_calls_refused_total"), "refused"),
        ),
    ),
    Panel(
        "Snapshots, by how they were come by",
        "reqps",
        ((_rate("gateway_cache_lookups_total", "result"), "{{result}}"),),
    ),
    Panel(
        "Answered without a REST call",
        "percentunit",
        ((f"{_SAVED} / {_rate('gateway_cache_lookups_total')}", "without"),),
    ),
    Panel(
        "REST calls under way",
        "short",
        (
            ("sum (gateway_flights{$of})", "under way"),
            ("sum (gateway_upstream_waiting{$of})", "waiting for a connection"),
        ),
    ),
    Panel(
        "REST hosts that are left alone",
        "short",
        (('sum (gateway_upstream_breakers{$of, state!="closed"})', "open or half open"),),
    ),
    Panel(
        "Subscriptions",
        "short",
        (
            ("sum (gateway_subscriptions{$of})", "subscriptions"),
            ("sum (gateway_sockets{$of})", "sockets and streams"),
            ("sum (gateway_watched_callers{$of})", "callers"),
        ),
    ),
    Panel("Webhooks", "reqps", ((_rate("gateway_webhooks_total", "result"), "{{result}}"),)),
    Panel(
        "Bytes",
        "Bps",
        (
            (_rate("gateway_bytes_sent_total"), "to clients"),
            (_rate("gateway_upstream_bytes_total"), "from REST"),
            (_rate("gateway_upstream_bytes_saved_total"), "saved"),
        ),
    ),
    Panel(
        "Memory",
        "bytes",
        (
            ("sum (gateway_cache_bytes{$of})", "cached answers"),
            ("sum (process_resident_memory_bytes{$of})", "all"),
        ),
    ),
    Panel(
        "Callers with a cached answer", "short", (("sum (gateway_cache_entries{$of})", "callers"),)
    ),
    Panel("Processor time", "short", ((_rate("process_cpu_seconds_total"), "cores"),)),
    Panel(
        "What runs",
        "short",
        (("sum by (version, python) (gateway_build_info{$of})", "{{version}}, Python {{python}}"),),
    ),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard's JSON, to be imported into Grafana."""
    return {
        "title": "SuperOffice chat gateway",
        "uid": "superoffice-chat-gateway",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_data_source(), _jobs()]},
        "panels": [_panel(index, panel) for index, panel in enumerate(PANELS)],
    }


def _data_source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _jobs() -> dict[str, Any]:
    query = "label_values(gateway_build_info, job)"
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": _SOURCE,
        "query": query,
        "refresh": 2,
    }


def _panel(index: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(index, _PER_ROW)
    return {
        "id": index + 1,
        "title": panel.title,
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": expr.replace("$of", 'job=~"$job"'),
                "legendFormat": legend,
            }
            for number, (expr, legend) in enumerate(panel.lines)
        ],
    }
