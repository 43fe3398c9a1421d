"""`/metrics`: what Prometheus reads of a gateway, and that names and bounds hold."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.observe.dashboard import LINES, dashboard
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.waiting import until
from tests.web.asking import get, post_json

OTHER = {"Authorization": "Bearer other"}
QUERY = "query Queue { chatSessions { chatSessionId } }"


async def samples(gateway: Gateway) -> dict[str, float]:
    """Return what can be read: `name label=value …` and the value of each that is not 0."""
    text = (await gateway.http.get("/metrics")).text
    return {
        " ".join([sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))]): value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if (value := sample.value)
    }


async def requests_of(gateway: Gateway) -> dict[tuple[str, str], float]:
    """Return the counts of requests by operation and outcome."""
    text = (await gateway.http.get("/metrics")).text
    return {
        (sample.labels["operation"], sample.labels["outcome"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "gateway_requests_total"
    }


async def test_metrics_are_named_as_prometheus_names_them(gateway: Gateway) -> None:
    """Totals end in `_total`, durations are seconds, sizes are bytes, each has a help text."""
    await gateway.ask(QUERY)
    text = (await gateway.http.get("/metrics")).text

    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) > 12
    for family in families:
        assert re.fullmatch(r"(gateway|process)_[a-z_]+[a-z]", family.name)
        assert family.documentation
        assert "total" not in family.name
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for unit in ("milli", "micro", "kilo", "_ms", "_kb", "_percent"):
            assert unit not in family.name


async def test_the_text_is_the_format_that_is_asked_for(gateway: Gateway) -> None:
    """Prometheus prefers OpenMetrics; nobody is to keep either."""
    plain = await gateway.http.get("/metrics")
    open_metrics = await gateway.http.get(
        "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )

    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")
    assert plain.headers["cache-control"] == "no-store"


async def test_requests_are_counted_by_operation_and_outcome(
    gateway: Gateway, rest: RestSide
) -> None:
    """Answered by execution, from what was ready, or not at all."""
    for _ in range(3):
        await gateway.post(QUERY)
    await gateway.post("{ chatSessions { chatSessionId } }")
    await gateway.post("query Queue { nope }")
    await gateway.post("{")
    await gateway.post(QUERY, headers={})
    await post_json(gateway, {})
    await post_json(gateway, {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0"}}})
    await post_json(gateway, [{"query": QUERY}, {"query": QUERY}])
    rest.answer = lambda request: httpx.Response(403)
    await gateway.post(QUERY, headers=OTHER)

    assert await requests_of(gateway) == {
        ("Queue", "ok"): 3,
        ("", "ok"): 1,
        ("Queue", "GRAPHQL_VALIDATION_FAILED"): 1,
        ("", "GRAPHQL_PARSE_FAILED"): 1,
        ("Queue", "UNAUTHENTICATED"): 1,
        ("", "BAD_REQUEST"): 1,
        ("", "PERSISTED_QUERY_NOT_FOUND"): 1,
        ("batch", "ok"): 1,
        ("Queue", "FORBIDDEN"): 1,
    }


async def test_what_is_no_graphql_is_not_counted(gateway: Gateway) -> None:
    """Probes, pages and unknown paths would hide the latency of the rest."""
    for path in ("/healthz", "/readyz", "/metrics", "/schema.graphql", "/nowhere"):
        await gateway.http.get(path)
    await gateway.http.get("/graphql", headers={"Accept": "text/html"})

    assert await requests_of(gateway) == {}


async def test_a_request_that_takes_too_long_has_its_name(rest: RestSide) -> None:
    """A name that is known by then."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for good

    async with gateway_over(rest, request_timeout=0.5) as gateway:
        await gateway.post(QUERY)
        rest.answer = never
        await gateway.post(QUERY, headers=OTHER)
        counts = await requests_of(gateway)

    assert counts == {("Queue", "ok"): 1, ("Queue", "UPSTREAM_TIMEOUT"): 1}


async def test_a_request_that_is_given_up_is_counted(rest: RestSide) -> None:
    """As when the process has to end: it was not answered."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for good

    rest.answer = never
    async with gateway_over(rest) as gateway:
        asked = asyncio.create_task(gateway.post(QUERY))
        await until(lambda: rest.calls)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        counts = await requests_of(gateway)

    assert counts == {("other", "cancelled"): 1}


async def test_lookups_calls_and_bytes_add_up(
    gateway: Gateway, rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was hit, shared or missed, what REST sent, and what it did not have to send again."""
    rest.body = b'[{"ChatSessionId": 1}]'
    size = len(rest.body)
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)

    sent = [await gateway.post(QUERY) for _ in range(3)]  # miss, and two that are ready
    sent += [await gateway.post(QUERY + " ")]  # hit
    sent += [await gateway.post(QUERY, headers={**CREDENTIALS, "Cache-Control": "no-cache"})]
    sent += await asyncio.gather(gateway.post(QUERY, headers=OTHER), get(gateway, QUERY, OTHER))

    found = await samples(gateway)
    lookups = {
        name.partition("result=")[2]: value
        for name, value in found.items()
        if name.startswith("gateway_cache_lookups_total")
    }
    assert lookups == {"hit": 3, "miss": 2, "request": 1, "collapsed": 1}
    assert found["gateway_upstream_calls_total outcome=ok"] == rest.calls == 3
    assert found["gateway_upstream_bytes_total"] == 3 * size
    assert found["gateway_upstream_calls_saved_total"] == 4
    assert found["gateway_upstream_bytes_saved_total"] == 4 * size
    assert found["gateway_upstream_seconds_count"] == 3
    assert found["gateway_request_seconds_count operation=Queue"] == 7
    assert found["gateway_bytes_sent_total"] == sum(len(answer.content) for answer in sent)
    assert found["gateway_cache_entries"] == 2
    assert found["gateway_cache_bytes"] > 2 * size


async def test_fields_of_one_request_are_one_lookup(gateway: Gateway) -> None:
    """Nothing is saved by asking twice for the same in one breath."""
    await gateway.ask("{ a: chatSessions { chatSessionId } b: chatSessions { topicId } }")

    found = await samples(gateway)
    assert found["gateway_cache_lookups_total result=miss"] == 1
    assert "gateway_upstream_calls_saved_total" not in found


async def test_a_flight_is_seen_while_it_lasts(gateway: Gateway, rest: RestSide) -> None:
    """And not any more afterwards."""
    may_land = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        await may_land.wait()
        return httpx.Response(200, json=[])

    rest.answer = slow
    asked = asyncio.create_task(gateway.post(QUERY))
    await until(lambda: rest.calls)
    during = (await samples(gateway)).get("gateway_flights")
    may_land.set()
    await asked

    assert during == 1
    assert "gateway_flights" not in await samples(gateway)


async def test_names_that_nobody_vouches_for_are_not_told(gateway: Gateway) -> None:
    """Without credentials that REST takes, or beside an error, a name gets nowhere."""
    await gateway.post("query NotLoggedIn { __typename chatSessions { chatSessionId } }", {}, {})
    await gateway.post("query OnlyTypename { __typename }")
    await gateway.post("query Wrong { chatSessions { nope } }")

    assert {operation for operation, _ in await requests_of(gateway)} == {"other"}


async def test_only_the_names_of_trusted_documents_are_told(rest: RestSide, tmp_path: Path) -> None:
    """Where there are such; what is not GraphQL among them has no name."""
    manifest = tmp_path / "documents.json"
    manifest.write_text('{"1": "query Queue { __typename } { a }", "2": "nonsense"}')
    async with gateway_over(rest, trusted_documents=manifest) as gateway:
        await gateway.post(QUERY)
        await gateway.post("query Other { chatSessions { chatSessionId } }")
        counts = await requests_of(gateway)

    assert counts == {("Queue", "ok"): 1, ("other", "ok"): 1}


async def test_on_a_port_of_their_own_they_are_nowhere_else(rest: RestSide) -> None:
    """The port that everybody reaches tells nothing."""
    async with gateway_over(rest, metrics_port=0) as gateway:
        answer = await gateway.http.get("/metrics")

    assert answer.status_code == 404


async def test_every_metric_of_the_dashboard_exists(rest: RestSide) -> None:
    """A panel with a mistyped name would stay empty without a word."""
    async with gateway_over(rest, webhook_secret="w" * 32) as gateway:
        await gateway.ask(QUERY)
        text = (await gateway.http.get("/metrics")).text
    known = {
        sample.name for family in text_string_to_metric_families(text) for sample in family.samples
    }

    used = {
        name
        for panel in dashboard()["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:gateway|process)_\w+", target["expr"])
    }

    assert len(used) > 10
    assert used <= known
    assert sum(len(panel["targets"]) for panel in dashboard()["panels"]) == len(LINES)


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    """Each has an id and a place of its own, within the width that there is."""
    panels = dashboard()["panels"]

    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
