"""A Grafana dashboard for the gateway's metrics.

Source of the model: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
"""

from typing import Any, NamedTuple

_PER_ROW = 3
_WIDTH = 24 // _PER_ROW
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${source}"}

Lines = tuple[tuple[str, str], ...]
"""PromQL and the legend of each line; `$of` stands for the chosen jobs."""


class Panel(NamedTuple):
    """One graph."""

    title: str
    unit: str
    lines: Lines


def _rate(metric: str, by: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{$of}}[$__rate_interval]))"


def _rates_by(label: str, metric: str) -> Lines:
    return ((_rate(metric, label), f"{{{{{label}}}}}"),)


def _rates(**metrics: str) -> Lines:
    return tuple((_rate(metric), _legend(name)) for name, metric in metrics.items())


def _sums(**metrics: str) -> Lines:
    return tuple((f"sum ({metric}{{$of}})", _legend(name)) for name, metric in metrics.items())


def _legend(name: str) -> str:
    return name.replace("_", " ")


def _quantiles(histogram: str) -> Lines:
    return tuple(
        (f"histogram_quantile({q}, {_rate(f'{histogram}_bucket', 'le')})", f"p{q * 100:g}")
        for q in (0.5, 0.95, 0.99)
    )


_REQUESTS = "gateway_requests_total"
_CALLS = "gateway_upstream_calls_total"
_SAVED = "gateway_upstream_calls_saved_total"
_REFUSED = "gateway_upstream_calls_refused_total"
_LOOKUPS = "gateway_cache_lookups_total"
_FAILED = 'sum (rate(gateway_requests_total{$of, outcome!="ok"}[$__rate_interval]))'
_OPEN_BREAKERS = 'sum (gateway_upstream_breakers{$of, state!="closed"})'
_BUILDS = "sum by (version, python) (gateway_build_info{$of})"

PANELS = (
    Panel("Requests by operation", "reqps", _rates_by("operation", _REQUESTS)),
    Panel("Requests by outcome", "reqps", _rates_by("outcome", _REQUESTS)),
    Panel("Failed requests", "percentunit", ((f"{_FAILED} / {_rate(_REQUESTS)}", "failed"),)),
    Panel("Time of a request", "s", _quantiles("gateway_request_seconds")),
    Panel("Time of a REST call", "s", _quantiles("gateway_upstream_seconds")),
    Panel(
        "REST calls by outcome",
        "reqps",
        _rates_by("outcome", _CALLS) + _rates(saved=_SAVED, refused=_REFUSED),
    ),
    Panel("Snapshots by cache result", "reqps", _rates_by("result", _LOOKUPS)),
    Panel(
        "Answered without a REST call",
        "percentunit",
        ((f"{_rate(_SAVED)} / {_rate(_LOOKUPS)}", "without"),),
    ),
    Panel(
        "REST calls under way",
        "short",
        _sums(under_way="gateway_flights", waiting_for_a_connection="gateway_upstream_waiting"),
    ),
    Panel("Circuit breakers", "short", ((_OPEN_BREAKERS, "open or half open"),)),
    Panel(
        "Subscriptions",
        "short",
        _sums(
            subscriptions="gateway_subscriptions",
            sockets_and_streams="gateway_sockets",
            callers="gateway_watched_callers",
        ),
    ),
    Panel("Webhooks", "reqps", _rates_by("result", "gateway_webhooks_total")),
    Panel(
        "Bytes",
        "Bps",
        _rates(
            to_clients="gateway_bytes_sent_total",
            from_SuperOffice="gateway_upstream_bytes_total",
            saved="gateway_upstream_bytes_saved_total",
        ),
    ),
    Panel(
        "Memory",
        "bytes",
        _sums(cached_answers="gateway_cache_bytes", all="process_resident_memory_bytes"),
    ),
    Panel("Callers with a cached answer", "short", _sums(callers="gateway_cache_entries")),
    Panel("CPU", "short", _rates(cores="process_cpu_seconds_total")),
    Panel("Versions", "short", ((_BUILDS, "{{version}}, Python {{python}}"),)),
)


def dashboard() -> dict[str, Any]:
    """Return the JSON of the dashboard, for Grafana to import."""
    source = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    jobs = {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": _SOURCE,
        "query": "label_values(gateway_build_info, job)",
        "refresh": 2,
    }
    return {
        "title": "SuperOffice chat gateway",
        "uid": "superoffice-chat-gateway",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, jobs]},
        "panels": [_panel(index, panel) for index, panel in enumerate(PANELS)],
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
