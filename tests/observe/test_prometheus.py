"""Alerts and dashboard, checked by promtool and by a Prometheus that scrapes a gateway."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway import Settings, create_app
from gateway.observe.metrics import DECLARED
from tests.docs.pages import TEXTS
from tests.ports import free_port
from tests.support import CREDENTIALS, UPSTREAM_URL, RestSide, served
from tests.waiting import until_soon

FOLDER = Path(__file__).parents[2] / "gateway" / "observe"
ALERTS, UNIT_TESTS = FOLDER / "alerts.yml", Path(__file__).with_name("alerts_test.yml")
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text("utf-8"))["groups"] for rule in group["rules"]
]
PANELS: list[dict[str, Any]] = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
QUERIES = {f"{p['title']} {t['refId']}": t["expr"] for p in PANELS for t in p["targets"]}
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
OF_PROCESSES = {"job", "instance", "le"}

needs_prometheus = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")),
    reason="Prometheus is not installed: apt-get install prometheus",
)


def promtool(*arguments: str | Path) -> None:
    """Run promtool, and require that it finds no error."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    """Each alert fires on its fault, and none on errors of clients."""
    promtool("check", "rules", ALERTS)
    promtool("test", "rules", UNIT_TESTS)


def test_each_alert_is_tested_to_fire_and_to_stay_silent() -> None:
    """The unit tests of the rules cover each alert in both states."""
    cases = [
        c
        for t in yaml.safe_load(UNIT_TESTS.read_text("utf-8"))["tests"]
        for c in t["promql_expr_test"]
    ]
    firing = {sample["labels"] for case in cases for sample in case.get("exp_samples", ())}

    assert firing == {f'{{alertname="{rule["alert"]}"}}' for rule in RULES if "alert" in rule}
    assert "exp_samples" not in cases[0]


@pytest.mark.parametrize("expr", [*QUERIES.values(), *(rule["expr"] for rule in RULES)])
def test_metrics_and_labels_that_are_named_are_declared(expr: str) -> None:
    """A mistyped metric or label would silently match nothing."""
    labels = {
        f"{name}{suffix}": {*of, *OF_PROCESSES}
        for name, (kind, _, *of) in DECLARED.items()
        for suffix in SUFFIXES[kind]
    }
    for name, matchers in re.findall(r"\b(gateway_\w+)(?:\{([^}]*)\})?", expr):
        assert {m[0] for m in re.findall(r"(\w+)(=~|!=|!~|=)", matchers)} <= labels[name]
    known = set().union(
        *(labels[name] for name in re.findall(r"\bgateway_\w+", expr)), OF_PROCESSES
    )
    for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", expr):
        assert set(grouped.split(", ")) <= known


def test_every_metric_is_on_the_dashboard() -> None:
    """A metric that is on no panel would have no reader."""
    shown = " ".join(QUERIES.values())

    assert not [n for n in DECLARED if not re.search(rf"\b{n}(_total|_bucket)?{{", shown)]


def test_the_manual_explains_every_alert() -> None:
    """The manual names no other alerts; another test checks its names of metrics."""
    alerts = {*re.findall(r"ChatGateway\w+", TEXTS["docs/alerts"])}

    assert alerts == {rule["alert"] for rule in RULES if "alert" in rule}


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    """Each has its own id and place, within the width of the dashboard."""
    places = [p["gridPos"] for p in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(places)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a Prometheus with the alerts, which scrapes a gateway after some traffic.

    SuperOffice answers one caller and fails for others, its budget is small, and Redis is down.
    """
    rest, folder = RestSide(), tmp_path_factory.mktemp("prometheus")
    good_authorization = CREDENTIALS["Authorization"]
    rest.answer = lambda request: httpx.Response(
        200 if request.headers["authorization"] == good_authorization else 503, json=[]
    )
    options: dict[str, Any] = {
        "upstream_url": UPSTREAM_URL,
        "upstream_rate": 50,
        "cache_url": "redis://127.0.0.1:1",
        "webhook_secret": "w" * 32,
    }
    app = create_app(Settings(**options), upstream_transport=httpx.MockTransport(rest))
    address = f"127.0.0.1:{free_port()}"
    with served(app) as url:
        query = "query Queue { chatSessions { user { extraFields { name } } } }"
        client = {"apollographql-client-name": "web", "apollographql-client-version": "1.0"}
        for caller in (good_authorization, good_authorization, "Bearer b", "Bearer c"):
            httpx.post(
                f"{url}/graphql", json={"query": query}, headers={"Authorization": caller, **client}
            )
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "300ms"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [
                {"job_name": "chat", "static_configs": [{"targets": [url.removeprefix("http://")]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}",
            "--log.level=error",
        ]
        process = subprocess.Popen(command)
        try:
            with httpx.Client(base_url=f"http://{address}/api/v1") as http:
                until_soon(lambda: scrapes(http) >= 2)
                yield http
        finally:
            process.terminate()
            process.wait()


def scrapes(http: httpx.Client) -> float:
    """Return how often Prometheus has scraped the gateway."""
    try:
        result = query(http, "count_over_time(gateway_build_info[1m])")
    except (httpx.TransportError, ValueError):  # Prometheus is starting
        return 0
    return float(result[0]["value"][1]) if result else 0


def query(http: httpx.Client, expr: str) -> list[Any]:
    """Evaluate an expression."""
    answer = http.get("/query", params={"query": expr}).json()
    assert answer["status"] == "success", answer
    result: list[Any] = answer["data"]["result"]
    return result


def has_value(http: httpx.Client, expr: str) -> bool:
    """Return whether an expression has a value, now or after a few more scrapes."""
    for _ in range(100):
        if query(http, expr):
            return True
        time.sleep(0.1)  # pragma: no cover - on a slow machine, where a scrape may fail
    return False  # pragma: no cover - only when it is broken


def health(http: httpx.Client) -> set[str]:
    """Return the health of all rules' evaluations."""
    groups = http.get("/rules").json()["data"]["groups"]
    return {rule["health"] for group in groups for rule in group["rules"]}


def alerts(http: httpx.Client) -> set[str]:
    """Return the names of the alerts that are pending or firing."""
    active = http.get("/alerts").json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in active}


@needs_prometheus
@pytest.mark.socket
def test_every_panel_shows_data(prometheus: httpx.Client) -> None:
    """The queries of the panels have values, with Grafana's variables filled in."""
    empty = []
    for title, expr in QUERIES.items():
        filled = expr.replace("$job", "chat").replace("$__rate_interval", "1m")
        if not has_value(prometheus, filled):
            empty.append(title)

    assert empty == []


@needs_prometheus
@pytest.mark.socket
def test_every_metric_of_the_alerts_has_a_value(prometheus: httpx.Client) -> None:
    """All rules are evaluated, and the alert for Redis, which is down, is pending or firing."""
    names = {n for rule in RULES for n in re.findall(r"\b(?:gateway|process)_\w+", rule["expr"])}

    assert [name for name in names if not has_value(prometheus, name)] == []
    until_soon(lambda: health(prometheus) == {"ok"})
    until_soon(lambda: "ChatGatewayRedisLost" in alerts(prometheus))
