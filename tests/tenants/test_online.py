"""The gateway over SuperOffice Online: moved, slow, untrusted and separate tenants."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson
import pytest

from gateway.demo.webhooks import signature
from gateway.tenants import calls
from gateway.upstream.client import PATH
from gateway.web.pages import query_page
from tests.observe.logged import logged
from tests.support import CREDENTIALS, Gateway, gateway_over
from tests.waiting import until
from tests.web.asking import GRAPHQL_JSON, Socket, connected_to, first_error

QUERY = "{ chatSessions { customerName } }"
ONE, OTHER = "Cust1", "Cust2"
BROWSER = {"Accept": "text/html"}


@dataclass
class Online:
    """Plays SuperOffice Online: the state service, and each tenant's REST API at its own host.

    A tenant's one customer is named after the tenant and the credentials of the request.
    """

    hosts: dict[str, str] = field(default_factory=lambda: {ONE: "sod1", OTHER: "sod2"})
    api: dict[str, str] = field(default_factory=dict)
    """Addresses that the state service returns instead of the right ones."""

    states: dict[str, str] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    """Hosts that do not answer."""

    limited: set[str] = field(default_factory=set)
    """Credentials that get 429."""

    requests: list[httpx.Request] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        host = request.url.host.removesuffix(".superoffice.com")
        if host in self.stuck:
            await asyncio.Event().wait()
        if request.url.path.startswith("/api/state/"):
            return self._state(request.url.path.removeprefix("/api/state/"))
        tenant = request.url.path.removeprefix("/").removesuffix(PATH)
        if self.hosts.get(tenant) != host:
            return httpx.Response(421)
        if request.headers["authorization"] in self.limited:
            return httpx.Response(429, headers={"Retry-After": "30"})
        name = f"{tenant} {request.headers['authorization']}"
        return httpx.Response(200, json=[{"ChatSessionId": 1, "CustomerName": name}])

    def _state(self, tenant: str) -> httpx.Response:
        if tenant not in self.hosts:
            return httpx.Response(404)
        true = f"https://{self.hosts[tenant]}.superoffice.com/{tenant}/api"
        state = self.states.get(tenant, "Running")
        answer = {
            "ContextIdentifier": tenant,
            "Api": self.api.get(tenant, true),
            "State": state,
            "IsRunning": state == "Running",
            "ValidUntil": "2999-01-01T00:00:00Z",
        }
        return httpx.Response(200, json=answer)

    @property
    def called(self) -> list[str]:
        """Host and path of each request, in order."""
        return [f"{request.url.host.split('.')[0]}{request.url.path}" for request in self.requests]


@pytest.fixture
def online() -> Online:
    """Return SuperOffice Online with two tenants."""
    return Online()


@pytest.fixture
async def gateway(online: Online) -> AsyncIterator[Gateway]:
    """Return a gateway over SuperOffice Online."""
    async with over(online) as running:
        yield running


@contextlib.asynccontextmanager
async def over(online: Online, **settings: Any) -> AsyncIterator[Gateway]:
    """Run a gateway over SuperOffice Online."""
    options = {"upstream_url": None, "environment": "sod", **settings}
    async with gateway_over(online, **options) as gateway:
        yield gateway


async def ask(
    gateway: Gateway, path: str = f"/graphql/{ONE}", query: str = QUERY, **headers: str
) -> httpx.Response:
    """Send a query, with credentials; header names are written with underscores."""
    sent = {**CREDENTIALS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await asyncio.create_task(gateway.http.post(path, json={"query": query}, headers=sent))


def customer_in(answer: httpx.Response) -> str:
    """Return the name of the one customer in an answer without errors."""
    body = answer.json()
    assert "errors" not in body, body
    return str(body["data"]["chatSessions"][0]["customerName"])


def customer_of(tenant: str) -> str:
    """Return the name of the tenant's customer."""
    return f"{tenant} {CREDENTIALS['Authorization']}"


async def test_a_tenant_is_located_and_called(gateway: Gateway, online: Online) -> None:
    """There is one request to the state service, and one REST call."""
    assert customer_in(await ask(gateway)) == customer_of(ONE)
    assert online.called == [f"sod/api/state/{ONE}", f"sod1/{ONE}{PATH}"]


@pytest.mark.parametrize(
    ("environment", "host"), [("sod", "sod"), ("stage", "qaonline"), ("online", "online")]
)
async def test_an_environment_has_its_own_state_service(
    online: Online, environment: str, host: str
) -> None:
    """The host is the one that SuperOffice documents for the environment."""
    async with over(online, environment=environment) as gateway:
        await ask(gateway)

    assert str(online.requests[0].url) == f"https://{host}.superoffice.com/api/state/{ONE}"


async def test_no_credential_goes_to_the_state_service(gateway: Gateway, online: Online) -> None:
    """Only the tenant's host gets credentials."""
    await ask(gateway, SO_AppToken="hunter2", X_Tenant=ONE)

    state, rest = online.requests
    assert "authorization" not in state.headers
    assert "so-apptoken" not in state.headers
    assert rest.headers["so-apptoken"] == "hunter2"
    assert "x-tenant" not in rest.headers


async def test_a_tenant_may_be_named_in_a_header(gateway: Gateway) -> None:
    """Some clients cannot change the path."""
    assert customer_in(await ask(gateway, "/graphql", X_Tenant=OTHER)) == customer_of(OTHER)


async def test_tenants_are_separate_even_with_the_same_credentials(
    gateway: Gateway, online: Online
) -> None:
    """The tenant is part of the cache key of snapshots and of cached answers."""
    for _ in range(3):
        for tenant in (ONE, OTHER):
            assert customer_in(await ask(gateway, f"/graphql/{tenant}")) == customer_of(tenant)
            assert customer_in(await ask(gateway, "/graphql", X_Tenant=tenant)) == customer_of(
                tenant
            )

    assert sorted(online.called) == [
        f"sod/api/state/{ONE}",
        f"sod/api/state/{OTHER}",
        f"sod1/{ONE}{PATH}",
        f"sod2/{OTHER}{PATH}",
    ]


async def test_concurrent_equal_requests_of_two_tenants_do_not_share_a_rest_call(
    gateway: Gateway, online: Online
) -> None:
    """One tenant would get the other's answer."""
    tenants = [ONE, OTHER] * 10

    answers = await asyncio.gather(*(ask(gateway, f"/graphql/{tenant}") for tenant in tenants))

    assert [customer_in(answer) for answer in answers] == [
        customer_of(tenant) for tenant in tenants
    ]
    assert len(online.requests) == 4


async def test_a_cached_answer_is_sent_again(gateway: Gateway) -> None:
    """An equal request for the same tenant is a hit."""
    first, second = [await ask(gateway) for _ in range(2)]

    assert second.content == first.content
    assert "; hit; ttl=" in second.headers["cache-status"]


async def test_a_cached_answer_does_not_hide_a_second_name(gateway: Gateway) -> None:
    """The header is checked for each request."""
    await ask(gateway, X_Tenant=ONE)

    answer = await ask(gateway, X_Tenant=OTHER)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", "The request names two tenants. Name one.")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_without_a_tenant_gets_an_explanation(
    gateway: Gateway, online: Online, method: str
) -> None:
    """Neither the REST API nor the state service is called."""
    answer = await gateway.http.request(
        method,
        "/graphql",
        params={"query": QUERY} if method == "GET" else None,
        json={"query": QUERY} if method == "POST" else None,
        headers=CREDENTIALS,
    )

    assert answer.status_code == 400
    assert first_error(answer)[0] == "BAD_REQUEST"
    assert "X-Tenant" in answer.text
    assert online.requests == []


@pytest.mark.parametrize("name", ["nonsense", "Cust12345678901", "Cust1.example.com", OTHER])
@pytest.mark.parametrize("is_header", [True, False])
async def test_a_tenant_that_is_not_served_is_not_found(
    online: Online, name: str, is_header: bool
) -> None:
    """Invalid names and unlisted tenants have the same answer, and cause no request."""
    async with over(online, tenants=ONE) as gateway:
        if is_header:
            answer = await ask(gateway, "/graphql", X_Tenant=name)
        else:
            answer = await ask(gateway, f"/graphql/{name}")

    assert answer.status_code == 404
    assert answer.json() == {
        "errors": [{"message": "There is no such tenant.", "extensions": {"code": "BAD_REQUEST"}}]
    }
    assert answer.headers["cache-control"] == "no-store"
    assert online.requests == []


async def test_an_unknown_name_reaches_the_state_service_once(
    gateway: Gateway, online: Online
) -> None:
    """The service's 404 is cached for a while."""
    for _ in range(5):
        answer = await ask(gateway, "/graphql/Cust404")

        assert first_error(answer) == ("BAD_REQUEST", "There is no such tenant.")
    assert online.called == ["sod/api/state/Cust404"]


async def test_a_request_without_credentials_causes_no_request(
    gateway: Gateway, online: Online
) -> None:
    """Unauthenticated clients cannot test names of tenants."""
    answer = await gateway.http.post(f"/graphql/{ONE}", json={"query": QUERY})

    assert first_error(answer)[0] == "UNAUTHENTICATED"
    assert online.requests == []


async def test_a_tenant_that_moves_is_followed(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is repeated at the new host, and the old host is not called again."""
    monkeypatch.setattr(calls, "_LEAST_APART_S", 0)
    async with over(online, cache_ttl=0) as gateway:
        await ask(gateway)
        online.hosts[ONE] = "sod3"
        answers = [await ask(gateway) for _ in range(2)]

    assert [customer_in(answer) for answer in answers] == [customer_of(ONE)] * 2
    assert online.called[2:] == [
        f"sod1/{ONE}{PATH}",
        f"sod/api/state/{ONE}",
        f"sod3/{ONE}{PATH}",
        f"sod3/{ONE}{PATH}",
    ]


async def test_a_moved_tenant_keeps_its_limits(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller who has been told to wait is not called for at the new host, and the budget goes on.

    Its counters never go down: Prometheus would count the calls before the move once more.
    """
    monkeypatch.setattr(calls, "_LEAST_APART_S", 0)
    slow = {"Authorization": "Bearer slow"}
    async with over(online, cache_ttl=0, upstream_rate=100) as gateway:
        online.limited.add(slow["Authorization"])
        answers = [await ask(gateway, **slow)]
        online.hosts[ONE] = "sod3"
        await ask(gateway)
        answers.append(await ask(gateway, **slow))
        metrics = (await gateway.http.get("/metrics")).text

    assert [first_error(answer)[0] for answer in answers] == ["RATE_LIMITED"] * 2
    assert online.called[-2:] == [f"sod/api/state/{ONE}", f"sod3/{ONE}{PATH}"]
    assert f'gateway_upstream_budget_used_total{{tenant="{ONE}"}} 3.0' in metrics


async def test_a_moved_tenant_keeps_its_snapshot(gateway: Gateway, online: Online) -> None:
    """The cache key has the tenant, and not its host."""
    await ask(gateway)
    online.hosts[ONE] = "sod3"

    assert customer_in(await ask(gateway)) == customer_of(ONE)
    assert len(online.requests) == 2


async def test_a_tenant_that_is_not_at_its_address_is_an_upstream_error(
    gateway: Gateway, online: Online
) -> None:
    """The state service and the REST API disagree about the host."""
    online.api[ONE] = f"https://sod9.superoffice.com/{ONE}/api"

    error = (await ask(gateway)).json()["errors"][0]

    assert error["extensions"] == {"code": "UPSTREAM_ERROR", "upstreamStatus": 421}
    assert "sod9" not in str(error)


async def test_the_log_has_the_path_of_a_socket_for_a_tenant_that_is_not_served(
    online: Online,
) -> None:
    """Its handshake was accepted: only the payload of `connection_init` names the tenant."""
    with logged() as log:
        async with over(online, tenants=ONE) as gateway, connected_to(gateway.app) as socket:
            payload = {**CREDENTIALS, "X-Tenant": "Cust404"}
            socket.send_json({"type": "connection_init", "payload": payload})
            await socket.until("connection_ack")

    (event,) = log.events
    assert (event["path"], event["status"]) == ("/graphql", 101)


@pytest.mark.parametrize(
    ("path", "headers"), [(f"/graphql/{ONE}", {}), ("/graphql", {"X_Tenant": ONE.lower()})]
)
async def test_the_log_has_the_tenant(online: Online, path: str, headers: dict[str, str]) -> None:
    """The log has the tenant's canonical name, also for cached answers."""
    with logged() as log:
        async with over(online) as gateway:
            for _ in range(3):
                await ask(gateway, path, **headers)

    requests = [event for event in log.events if event["event"] == "request"]
    assert [(event["tenant"], event["cache"]) for event in requests] == [
        (ONE, "miss"),
        (ONE, "hit"),
        (ONE, "hit"),
    ]


async def test_the_log_names_a_tenant_whose_breaker_opens(online: Online) -> None:
    """The line does not have the tenant's host."""
    online.stuck.add("sod1")
    with logged() as log:
        async with over(online, breaker_failures=1, upstream_timeout=1) as gateway:
            await ask(gateway)

    warnings = [event["event"] for event in log.events if event["level"] == "warning"]
    assert (
        "SuperOffice of Cust1 is not called for 5 seconds: the calls of 1 callers in a row have "
        "failed." in warnings
    )
    assert "sod1" not in log.getvalue()


async def test_a_webhook_affects_only_its_tenant(online: Online) -> None:
    """Another tenant's cached data stays fresh."""
    secret = "only SuperOffice and we know it"
    body = orjson.dumps({"Event": "chatsession.changed", "ContextIdentifier": ONE.lower()})
    signed = {"X-SuperOffice-Signature": signature(secret, body)}
    async with over(online, webhook_secret=secret, cache_ttl=600) as gateway:
        for tenant in (ONE, OTHER):
            await ask(gateway, f"/graphql/{tenant}")
        await gateway.http.post("/webhooks/superoffice", content=body, headers=signed)
        answers = [await ask(gateway, f"/graphql/{tenant}") for tenant in (ONE, OTHER)]

    assert ["fwd=stale" in answer.headers["cache-status"] for answer in answers] == [True, False]


@pytest.mark.parametrize(
    ("named", "result"), [(ONE, "accepted"), (OTHER, "ignored"), (None, "ignored"), (5, "ignored")]
)
async def test_a_webhook_about_a_tenant_that_is_not_served_is_ignored(
    online: Online, named: Any, result: str
) -> None:
    """Webhooks come from all tenants with the app; the answer shows a missing entry in the list."""
    secret = "only SuperOffice and we know it"
    body = orjson.dumps({"Event": "chatsession.changed", "ContextIdentifier": named})
    signed = {"X-SuperOffice-Signature": signature(secret, body)}
    async with over(online, webhook_secret=secret, tenants=ONE) as gateway:
        answer = await gateway.http.post("/webhooks/superoffice", content=body, headers=signed)

    assert answer.json() == {"status": result}


async def test_a_suspended_tenant_has_its_state_in_the_error(
    gateway: Gateway, online: Online
) -> None:
    """A program can read the state. The REST API is not called, and the log says so once."""
    online.states[ONE] = "Suspended"

    with logged() as log:
        answers = [await ask(gateway, Accept=GRAPHQL_JSON) for _ in range(3)]

    assert [event["level"] for event in log.events].count("warning") == 1
    answer = answers[-1]
    assert answer.status_code == 503
    assert answer.json()["errors"][0]["extensions"] == {
        "code": "UPSTREAM_UNAVAILABLE",
        "tenantState": "Suspended",
    }
    assert online.called == [f"sod/api/state/{ONE}"]


@pytest.mark.parametrize(
    "address",
    [
        f"https://evil.example.com/{ONE}/api",
        f"http://sod1.superoffice.com/{ONE}/api",
        f"https://sod1.superoffice.com:8443/{ONE}/api",
        f"https://sod2.superoffice.com/{OTHER}/api",
        f"https://{'s' * 64}.superoffice.com/{ONE}/api",
    ],
)
async def test_credentials_are_not_sent_to_an_untrusted_address(
    gateway: Gateway, online: Online, address: str
) -> None:
    """One warning names the tenant; neither log nor answer has the address."""
    online.api[ONE] = address

    with logged() as log:
        answer = await ask(gateway)

    assert first_error(answer)[0] == "UPSTREAM_BAD_RESPONSE"
    assert online.called == [f"sod/api/state/{ONE}"]
    (event,) = [event for event in log.events if event["level"] == "warning"]
    assert ONE in event["event"]
    assert address.split("/")[2] not in answer.text + log.getvalue()
    assert CREDENTIALS["Authorization"] not in log.getvalue()


async def test_a_slow_tenant_does_not_delay_another(online: Online) -> None:
    """More callers wait for one tenant than it has connections; another tenant is answered."""
    online.stuck.add("sod1")
    async with over(online, upstream_connections=2) as gateway:
        waiting = [
            asyncio.create_task(ask(gateway, Authorization=f"Bearer {number}"))
            for number in range(20)
        ]
        await until(lambda: online.called.count(f"sod1/{ONE}{PATH}") == 2)

        answer = await asyncio.wait_for(ask(gateway, f"/graphql/{OTHER}"), 5)

        assert customer_in(answer) == customer_of(OTHER)
        assert not any(task.done() for task in waiting)
        assert online.called.count(f"sod1/{ONE}{PATH}") == 2
        for task in waiting:
            task.cancel()


@pytest.mark.parametrize(("tenants", "places", "status"), [("", 3, 200), (ONE, 6, 503)])
async def test_the_callers_of_a_slow_tenant_leave_places_to_those_of_another(
    online: Online, tenants: str, places: int, status: int
) -> None:
    """Together they have at most as many as are free, if there may be another tenant."""
    users = [f"Bearer {number}" for number in range(6)]
    async with over(online, tenants=tenants, max_requests=6, cache_ttl=0) as gateway:
        admission = gateway.app.state.edge.admission
        for user in users:
            await ask(gateway, Authorization=user)
        online.stuck.add("sod1")
        slow = [asyncio.create_task(ask(gateway, Authorization=user)) for user in users]
        await until(lambda: admission.in_progress + admission.shed == 6)

        answer = await ask(gateway, f"/graphql/{OTHER}")

        assert (admission.in_progress, answer.status_code) == (places, status)
        for task in slow:
            task.cancel()


async def test_a_stuck_state_service_delays_only_unknown_tenants(online: Online) -> None:
    """A known tenant is served; a request for an unknown one times out."""
    async with over(online, cache_ttl=0, upstream_timeout=1) as gateway:
        await ask(gateway)
        online.stuck.add("sod")

        known = await ask(gateway)
        unknown = await ask(gateway, f"/graphql/{OTHER}")

    assert customer_in(known) == customer_of(ONE)
    assert first_error(unknown) == (
        "UPSTREAM_TIMEOUT",
        f"SuperOffice did not send the address of {OTHER} in time.",
    )


async def test_answers_vary_by_the_tenants_header(gateway: Gateway) -> None:
    """Caches need it, as the header changes the answer at one URL."""
    answers = [await ask(gateway), await ask(gateway, "/graphql")]

    for answer in answers:
        assert "X-Tenant" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize(("environment", "is_allowed"), [("sod", True), (None, False)])
async def test_pages_of_other_sites_may_name_a_tenant(
    online: Online, environment: str | None, is_allowed: bool
) -> None:
    """CORS allows the header only with an environment."""
    settings = {"environment": environment} if environment else {"upstream_url": "http://a.invalid"}
    async with gateway_over(
        online, **{"upstream_url": None, "cors_origins": "https://b.example", **settings}
    ) as gateway:
        answer = await gateway.http.options(
            "/graphql",
            headers={
                "Origin": "https://b.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "X-Tenant",
            },
        )

    assert (answer.status_code == 200) == is_allowed


@pytest.mark.parametrize("kind", ["graphiql", "query"])
async def test_the_links_of_a_tenants_page_work(
    gateway: Gateway, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is one level deeper, so its files, schema and endpoint have other links."""
    own_file = next(file for file in query_page._STATIC.iterdir() if file.is_file())
    monkeypatch.setattr(
        query_page, "_FETCHED", own_file if kind == "graphiql" else own_file / "nothing"
    )

    page = await gateway.http.get("/graphql/cust1", headers=BROWSER)

    links = [
        urljoin("/graphql/cust1", link)
        for link in re.findall(r'(?:src|href|data-schema)="([^"]+)"', page.text)
        if not link.startswith("data:") and "/vendor/" not in link
    ]
    assert len(links) >= 3
    assert [(await gateway.http.get(link)).status_code for link in links] == [200] * len(links)
    (endpoint,) = re.findall(r'data-endpoint="([^"]+)"', page.text)
    assert customer_in(await ask(gateway, urljoin("/graphql/cust1", endpoint))) == customer_of(ONE)


async def test_the_page_needs_no_tenant(gateway: Gateway) -> None:
    """Users can enter the tenant among the headers."""
    page = await gateway.http.get("/graphql", headers=BROWSER)

    assert page.status_code == 200
    assert 'data-endpoint="graphql"' in page.text


async def test_an_invalid_tenant_has_no_page(gateway: Gateway) -> None:
    """A page for an invalid tenant could only show errors."""
    assert (await gateway.http.get("/graphql/nonsense", headers=BROWSER)).status_code == 404


@contextlib.asynccontextmanager
async def connected(
    online: Online, path: str = "/graphql", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Socket]:
    """Open a WebSocket to a gateway over SuperOffice Online."""
    sent = {**CREDENTIALS, **(headers or {})}
    async with over(online) as gateway, connected_to(gateway.app, sent, path=path) as socket:
        yield socket


async def answer_on(socket: Socket, payload: Mapping[str, str]) -> Any:
    """Initialise a socket, send the query and return the answer."""
    await socket.sent.get()
    socket.send_json({"type": "connection_init", "payload": payload})
    await socket.next_message()
    socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": QUERY}})
    return (await socket.next_message())["payload"]


@pytest.mark.parametrize(
    ("path", "headers", "payload"),
    [
        (f"/graphql/{OTHER}", {}, {}),
        ("/graphql", {"X-Tenant": OTHER}, {}),
        ("/graphql", {}, {"X-Tenant": OTHER}),
        ("/graphql", {"X-Tenant": OTHER}, {"x-tenant": OTHER}),
        (f"/graphql/{OTHER}", {}, {"X-Tenant": OTHER}),
    ],
    ids=str,
)
async def test_a_socket_names_its_tenant(
    online: Online, path: str, headers: dict[str, str], payload: dict[str, str]
) -> None:
    """Path, handshake, payload of `connection_init`, or several of them name it."""
    async with connected(online, path, headers) as socket:
        answer = await answer_on(socket, payload)

    assert answer["data"] == {"chatSessions": [{"customerName": customer_of(OTHER)}]}


@pytest.mark.parametrize(
    ("path", "headers", "payload"),
    [
        ("/graphql", {}, {}),
        ("/graphql", {}, {"X-Tenant": "nonsense"}),
        ("/graphql", {"X-Tenant": ONE}, {"x-tenant": OTHER}),
        (f"/graphql/{ONE}", {}, {"X-Tenant": OTHER}),
    ],
    ids=str,
)
async def test_a_socket_for_no_tenant_or_two_gets_no_data(
    online: Online, path: str, headers: dict[str, str], payload: dict[str, str]
) -> None:
    """The operation's error has the reason, as over HTTP."""
    async with connected(online, path, headers) as socket:
        answer = await answer_on(socket, payload)

    assert answer["data"] == {"chatSessions": None}
    assert answer["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert online.requests == []


async def test_a_handshake_for_an_invalid_tenant_is_refused(online: Online) -> None:
    """No operation could succeed on that socket."""
    async with connected(online, "/graphql/nonsense") as socket:
        message = await socket.sent.get()

    assert (message["type"], message["status"]) == ("websocket.http.response.start", 404)


async def test_over_one_address_there_are_no_tenants(online: Online) -> None:
    """The path is 404, the header is ignored, and a 421 is an ordinary upstream error."""
    async with gateway_over(online, upstream_url=f"https://sod1.superoffice.com/{ONE}") as gateway:
        assert customer_in(await ask(gateway, "/graphql", X_Tenant=OTHER)) == customer_of(ONE)
        assert (await ask(gateway)).status_code == 404
    async with gateway_over(online, upstream_url=f"https://sod9.superoffice.com/{ONE}") as gateway:
        error = (await ask(gateway, "/graphql")).json()["errors"][0]

    assert error["extensions"] == {"code": "UPSTREAM_ERROR", "upstreamStatus": 421}
    assert online.called == [f"sod1/{ONE}{PATH}", f"sod9/{ONE}{PATH}"]
