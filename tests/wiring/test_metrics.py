"""`/metrics` of a whole gateway: its samples, their names, and their bounds."""

import asyncio
import re
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.errors import GatewayFullError
from gateway.observe.metrics import DECLARED
from gateway.settings import Settings
from gateway.upstream.client import PATH
from gateway.wiring import metrics
from gateway.wiring.gateway import Gateway as WiredGateway
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.tenants.test_online import ONE, Online, ask, over
from tests.tenants.test_online import OTHER as OTHER_TENANT
from tests.waiting import until
from tests.web.asking import connected_to, get, post_json

OTHER = {"Authorization": "Bearer other"}
QUERY = "query Queue { chatSessions { chatSessionId } }"


async def samples(gateway: Gateway) -> dict[str, float]:
    """Return all samples that are not 0: `name label=value …` and the value."""
    text = (await gateway.http.get("/metrics")).text
    return {
        " ".join([sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()) if v)]): value
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


async def test_the_names_of_metrics_follow_prometheus(gateway: Gateway) -> None:
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
            assert {sample.name for sample in family.samples} <= {f"{family.name}_total"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        for unit in ("milli", "micro", "kilo", "_ms", "_kb", "_percent"):
            assert unit not in family.name


async def test_the_text_has_the_requested_format(gateway: Gateway) -> None:
    """Prometheus prefers OpenMetrics; neither format may be cached."""
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
    """Executed, cached and refused requests are counted."""
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


async def test_requests_outside_graphql_are_not_counted(gateway: Gateway) -> None:
    """Probes, pages and unknown paths would hide the latency of GraphQL requests."""
    for path in ("/healthz", "/readyz", "/metrics", "/schema.graphql", "/nowhere"):
        await gateway.http.get(path)
    await gateway.http.get("/graphql", headers={"Accept": "text/html"})

    assert await requests_of(gateway) == {}


async def test_a_request_that_times_out_has_its_name(rest: RestSide) -> None:
    """The name is known from an earlier success."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for ever

    async with gateway_over(rest, request_timeout=2) as gateway:
        await gateway.post(QUERY)
        rest.answer = never
        await gateway.post(QUERY, headers=OTHER)
        counts = await requests_of(gateway)

    assert counts == {("Queue", "ok"): 1, ("Queue", "UPSTREAM_TIMEOUT"): 1}


async def test_a_cancelled_request_is_counted(rest: RestSide) -> None:
    """A request is cancelled when the process ends before its answer."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for ever

    rest.answer = never
    async with gateway_over(rest) as gateway:
        request = asyncio.create_task(gateway.post(QUERY))
        await until(lambda: rest.calls)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        counts = await requests_of(gateway)

    assert counts == {("other", "cancelled"): 1}


async def test_lookups_calls_and_bytes_add_up(
    gateway: Gateway, rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hits, shared calls and misses agree with the calls and bytes that were made and saved."""
    rest.body = b'[{"ChatSessionId": 1}]'
    size = len(rest.body)
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)

    answers = [await gateway.post(QUERY) for _ in range(3)]  # miss, and two cached answers
    answers += [await gateway.post(QUERY + " ")]  # hit
    answers += [await gateway.post(QUERY, headers={**CREDENTIALS, "Cache-Control": "no-cache"})]
    answers += await asyncio.gather(gateway.post(QUERY, headers=OTHER), get(gateway, QUERY, OTHER))

    values = await samples(gateway)
    lookups = {
        name.partition("result=")[2]: value
        for name, value in values.items()
        if name.startswith("gateway_cache_lookups_total")
    }
    assert lookups == {"hit": 3, "miss": 2, "request": 1, "collapsed": 1}
    assert values["gateway_upstream_calls_total outcome=ok"] == rest.calls == 3
    assert values["gateway_upstream_bytes_total"] == 3 * size
    assert values["gateway_upstream_calls_saved_total"] == 4
    assert values["gateway_upstream_bytes_saved_total"] == 4 * size
    assert values["gateway_upstream_seconds_count"] == 3
    assert values["gateway_request_seconds_count operation=Queue"] == 7
    assert values["gateway_bytes_sent_total"] == sum(len(answer.content) for answer in answers)
    assert values["gateway_cache_entries"] == 2
    assert values["gateway_cache_bytes"] > 2 * size


async def test_the_memory_of_the_cache_includes_each_new_answer(gateway: Gateway) -> None:
    """A snapshot is measured again when an answer is attached to it, not only when it is used."""
    sizes = []
    for query in (QUERY, f"{QUERY} ", f"{QUERY} #{'x' * 10_000}"):
        await gateway.post(query)
        sizes.append((await samples(gateway))["gateway_cache_bytes"])

    assert sizes[0] < sizes[1] - 4_000 < sizes[2] - 18_000


async def test_fields_of_one_request_are_one_lookup(gateway: Gateway) -> None:
    """The second field of a request does not count as a saved call."""
    await gateway.ask("{ a: chatSessions { chatSessionId } b: chatSessions { topicId } }")

    values = await samples(gateway)
    assert values["gateway_cache_lookups_total result=miss"] == 1
    assert "gateway_upstream_calls_saved_total" not in values


async def test_a_running_rest_call_is_counted(gateway: Gateway, rest: RestSide) -> None:
    """The gauge returns to 0 when the call ends."""
    may_answer = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        await may_answer.wait()
        return httpx.Response(200, json=[])

    rest.answer = slow
    request = asyncio.create_task(gateway.post(QUERY))
    await until(lambda: rest.calls)
    during = (await samples(gateway)).get("gateway_flights")
    may_answer.set()
    await request

    assert during == 1
    assert "gateway_flights" not in await samples(gateway)


async def test_unconfirmed_names_are_not_shown(gateway: Gateway) -> None:
    """Refused credentials, no data or an error leave the label at `other`."""
    await gateway.post("query NotLoggedIn { __typename chatSessions { chatSessionId } }", {}, {})
    await gateway.post("query OnlyTypename { __typename }")
    await gateway.post("query Wrong { chatSessions { nope } }")

    assert {operation for operation, _ in await requests_of(gateway)} == {"other"}


async def test_only_the_names_of_trusted_documents_are_shown(
    rest: RestSide, tmp_path: Path
) -> None:
    """With a manifest, other names are `other`; documents that are not GraphQL have no name."""
    manifest = tmp_path / "documents.json"
    manifest.write_text('{"1": "query Queue { __typename } { a }", "2": "nonsense"}')
    async with gateway_over(rest, trusted_documents=manifest) as gateway:
        await gateway.post(QUERY)
        await gateway.post("query Other { chatSessions { chatSessionId } }")
        counts = await requests_of(gateway)

    assert counts == {("Queue", "ok"): 1, ("other", "ok"): 1}


async def test_metrics_on_their_own_port_are_not_on_the_public_one(rest: RestSide) -> None:
    """The public port does not reveal metrics."""
    async with gateway_over(rest, metrics_port=0) as gateway:
        answer = await gateway.http.get("/metrics")

    assert answer.status_code == 404


async def test_shed_requests_are_counted_by_their_limit(rest: RestSide) -> None:
    """Server and application count each refusal once; limits and current use are metrics too."""
    async with gateway_over(rest, max_requests=1, max_connections=1, max_sockets=1) as gateway:
        edge = gateway.app.state.edge
        scope = {
            "method": "POST",
            "path": "/graphql",
            "headers": [(b"origin", b"https://a.example")],
        }
        with edge.admission.admit(("",), print):
            await gateway.post(QUERY)
            assert not edge.sheds(scope)  # the application does
            assert edge.sheds({**scope, "headers": []})
            assert [edge.connection_limit.is_exceeded(range(count)) for count in (1, 2)] == [
                False,
                True,
            ]
            values = await samples(gateway)
        sockets = gateway.app.state.graphql.sockets
        with sockets.count(list, "") as place:
            place.accept()
            with pytest.raises(GatewayFullError), sockets.count(list, ""):
                pass  # pragma: no cover - it is refused
            later_values = await samples(gateway)

    assert [values[f"gateway_limit of={of}"] for of in ("requests", "connections", "sockets")] == [
        1
    ] * 3
    assert values["gateway_requests_in_work"] == later_values["gateway_sockets"] == 1
    assert values["gateway_connections"] == 2
    assert values["gateway_shed_total of=requests"] == 2
    assert (
        values["gateway_shed_total of=connections"]
        == later_values["gateway_shed_total of=sockets"]
        == 1
    )


async def test_a_draining_process_is_visible(gateway: Gateway) -> None:
    """The gauge is set from the signal on."""
    before = await samples(gateway)
    gateway.app.state.is_ready = False

    assert "gateway_draining" not in before
    assert (await samples(gateway))["gateway_draining"] == 1


async def test_a_lost_redis_is_visible(rest: RestSide, gateway: Gateway) -> None:
    """The gauge changes at the first use; without Redis there is no gauge."""
    async with gateway_over(rest, cache_url="redis://127.0.0.1:1") as with_redis:
        before = await samples(with_redis)
        await with_redis.ask(QUERY)
        after = await samples(with_redis)

    assert before["gateway_redis_up"] == 1
    assert "gateway_redis_up" not in after
    assert "gateway_redis_up" not in (await samples(gateway))


async def test_clients_are_counted_by_name_and_version(rest: RestSide) -> None:
    """Cached answers count for the client that gets them."""
    async with gateway_over(rest) as gateway:
        for name in ("web", "web", "phone"):
            client = {"apollographql-client-name": name, "apollographql-client-version": "1.0"}
            await gateway.post(QUERY, headers={**CREDENTIALS, **client})
        await gateway.post(QUERY)
        await gateway.post(QUERY, headers={"graphql-client-name": "stranger"})
        values = await samples(gateway)

    assert rest.calls == 1
    assert values["gateway_client_requests_total client=web version=1.0"] == 2
    assert values["gateway_client_requests_total client=phone version=1.0"] == 1
    assert values["gateway_client_requests_total client=other"] == 1
    assert "gateway_client_requests_total" not in values


async def test_a_socket_names_its_client_in_the_payload(rest: RestSide) -> None:
    """A web page cannot set headers on a WebSocket."""
    async with gateway_over(rest) as gateway, connected_to(gateway.app) as socket:
        await socket.sent.get()  # the socket is accepted
        payload = {**CREDENTIALS, "graphql-client-name": "wallboard"}
        socket.send_json({"type": "connection_init", "payload": payload})
        assert (await socket.next_message())["type"] == "connection_ack"
        query = "{ chatSessions { user { extraFields { name } } } }"
        socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": query}})
        await socket.until("complete")
        values = await samples(gateway)

    assert values["gateway_client_requests_total client=wallboard"] == 1
    assert values["gateway_deprecated_uses_total coordinate=Associate.extraFields"] == 1


async def test_uses_of_deprecated_fields_are_counted(gateway: Gateway) -> None:
    """Each answered request counts a field once, whether cached or not."""
    user = "{ chatSessions { user { extraFields { name } b: extraFields { name } } } }"
    for query in (user, user, QUERY, "{ chatSessions { user { extraFields } } }"):
        await gateway.post(query)
    await gateway.post(user, headers={})
    await post_json(gateway, [{"query": user}, {"query": QUERY}])

    uses = {k: v for k, v in (await samples(gateway)).items() if k.startswith("gateway_deprecated")}
    assert uses == {"gateway_deprecated_uses_total coordinate=Associate.extraFields": 3}


async def test_tenants_have_a_label_once_superoffice_has_answered_for_them() -> None:
    """Requests, REST calls and breakers have the label; other tenants are `other`."""
    online = Online()
    async with over(online, upstream_rate=9) as gateway:
        for tenant in (ONE, ONE, "Cust404"):
            await ask(gateway, f"/graphql/{tenant}")
        online.stuck.add("sod2")
        stuck = asyncio.create_task(ask(gateway, f"/graphql/{OTHER_TENANT}"))
        await until(lambda: f"sod2/{OTHER_TENANT}{PATH}" in online.called)
        values = await samples(gateway)
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)

    assert values["gateway_tenant_requests_total outcome=ok tenant=Cust1"] == 2
    assert values["gateway_upstream_calls_total outcome=ok tenant=Cust1"] == 1
    assert values["gateway_upstream_seconds_count tenant=Cust1"] == 1
    assert values["gateway_upstream_budget_used_total tenant=Cust1"] == 1
    assert values["gateway_upstream_breakers state=closed tenant=Cust1"] == 1
    assert values["gateway_tenant_lookups_total outcome=ok"] == 2
    assert values["gateway_tenant_lookups_total outcome=not_running"] == 1
    assert values["gateway_upstream_breakers state=closed tenant=other"] == 1
    assert not [name for name in values if "Cust404" in name or OTHER_TENANT in name]


@pytest.mark.parametrize(("count", "label"), [(100, OTHER_TENANT), (101, "other")])
async def test_declared_tenants_have_a_label_at_once(count: int, label: str) -> None:
    """With too many, each needs an answer of SuperOffice first."""
    online = Online()
    online.states[OTHER_TENANT] = "Backup"
    tenants = ",".join(f"Cust{number}" for number in range(1, count + 1))
    async with over(online, tenants=tenants) as gateway:
        await ask(gateway, f"/graphql/{OTHER_TENANT}")
        values = await samples(gateway)

    assert values[f"gateway_tenant_requests_total outcome=UPSTREAM_UNAVAILABLE tenant={label}"] == 1


def test_the_calls_of_tenants_can_be_read_on_another_thread() -> None:
    """A tenant whose first call is made at any step of reading them breaks nothing."""
    network = httpx.MockTransport(lambda _: httpx.Response(200))
    gateway = WiredGateway(Settings(environment="sod"), network)
    made = [gateway.upstreams._client("https://sod.superoffice.com", f"Cust{n}") for n in "12"]
    reads = metrics.reads(gateway, lambda: 0)

    def add(*_: object) -> None:
        if len(made) < 99:
            tenant = f"Cust{len(made)}"
            made.append(gateway.upstreams._client("https://sod.superoffice.com", tenant))

    for name in ("gateway_upstream_breakers", "gateway_upstream_waiting"):
        sys.setprofile(add)
        try:
            reads[name]()
        finally:
            sys.setprofile(None)
        assert len(made) > 2, name
        del made[2:]


async def test_every_metric_is_declared(gateway: Gateway) -> None:
    """Each metric has its declared kind and labels."""
    text = (await gateway.http.get("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}

    ours = {name for name in families if name.startswith("gateway_")}
    assert ours == set(DECLARED)
    for name, (kind, _, *labels) in DECLARED.items():
        assert families[name].type == kind
        assert {*labels} >= {key for s in families[name].samples for key in s.labels} - {"le"}
