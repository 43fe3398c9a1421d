"""The gateway over SuperOffice Online: tenants that move, are sick, lie, and are kept apart."""

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

from gateway import Settings, create_app
from gateway.demo.webhooks import signature
from gateway.tenants import states
from gateway.upstream.client import PATH
from gateway.web.pages import query_page
from tests.observe.logged import logged
from tests.support import CREDENTIALS, Gateway, gateway_over
from tests.waiting import until
from tests.web.asking import GRAPHQL_JSON, PROTOCOL, Socket, first_error

QUERY = "{ chatSessions { customerName } }"
ONE, OTHER = "Cust1", "Cust2"
BROWSER = {"Accept": "text/html"}


@dataclass
class Online:
    """Plays SuperOffice Online: the state service, and every tenant's REST at its own host.

    A tenant's one customer is called after the tenant and the credentials that came.
    """

    hosts: dict[str, str] = field(default_factory=lambda: {ONE: "sod1", OTHER: "sod2"})
    api: dict[str, str] = field(default_factory=dict)
    """Addresses that the state service names in place of the true ones."""

    states: dict[str, str] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    """Hosts that do not answer."""

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
        """Where the requests went, in order."""
        return [f"{request.url.host.split('.')[0]}{request.url.path}" for request in self.requests]


@pytest.fixture
def online() -> Online:
    """Return SuperOffice Online with two tenants."""
    return Online()


@pytest.fixture
async def gateway(online: Online) -> AsyncIterator[Gateway]:
    """Return a gateway over it."""
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


def customer(answer: httpx.Response) -> str:
    """Return the name of the one customer in an answer without errors."""
    body = answer.json()
    assert "errors" not in body, body
    return str(body["data"]["chatSessions"][0]["customerName"])


def of(tenant: str) -> str:
    """Return what the tenant's customer is called."""
    return f"{tenant} {CREDENTIALS['Authorization']}"


async def test_a_tenant_is_found_and_called_where_it_is(gateway: Gateway, online: Online) -> None:
    """One question to the state service, one call of REST."""
    assert customer(await ask(gateway)) == of(ONE)
    assert online.called == [f"sod/api/state/{ONE}", f"sod1/{ONE}{PATH}"]


@pytest.mark.parametrize(
    ("environment", "host"), [("sod", "sod"), ("stage", "qaonline"), ("online", "online")]
)
async def test_an_environment_has_its_own_state_service(
    online: Online, environment: str, host: str
) -> None:
    """By the names that SuperOffice gives them."""
    async with over(online, environment=environment) as gateway:
        await ask(gateway)

    assert str(online.requests[0].url) == f"https://{host}.superoffice.com/api/state/{ONE}"


async def test_no_credential_goes_to_the_state_service(gateway: Gateway, online: Online) -> None:
    """It is nobody's but the tenant's."""
    await ask(gateway, SO_AppToken="hunter2", X_Tenant=ONE)

    state, rest = online.requests
    assert "authorization" not in state.headers
    assert "so-apptoken" not in state.headers
    assert rest.headers["so-apptoken"] == "hunter2"
    assert "x-tenant" not in rest.headers


async def test_a_tenant_may_be_named_in_a_header(gateway: Gateway) -> None:
    """For clients that cannot change the path."""
    assert customer(await ask(gateway, "/graphql", X_Tenant=OTHER)) == of(OTHER)


async def test_the_same_credentials_open_each_tenant_by_itself(
    gateway: Gateway, online: Online
) -> None:
    """Neither snapshots nor ready answers cross over: the tenant is part of who asks."""
    for _ in range(3):
        for tenant in (ONE, OTHER):
            assert customer(await ask(gateway, f"/graphql/{tenant}")) == of(tenant)
            assert customer(await ask(gateway, "/graphql", X_Tenant=tenant)) == of(tenant)

    assert sorted(online.called) == [
        f"sod/api/state/{ONE}",
        f"sod/api/state/{OTHER}",
        f"sod1/{ONE}{PATH}",
        f"sod2/{OTHER}{PATH}",
    ]


async def test_equal_requests_of_two_tenants_at_once_do_not_share_a_flight(
    gateway: Gateway, online: Online
) -> None:
    """They would share the answer."""
    tenants = [ONE, OTHER] * 10

    answers = await asyncio.gather(*(ask(gateway, f"/graphql/{tenant}") for tenant in tenants))

    assert [customer(answer) for answer in answers] == [of(tenant) for tenant in tenants]
    assert len(online.requests) == 4


async def test_a_ready_answer_is_given_again(gateway: Gateway) -> None:
    """To an equal request for the same tenant, as for one address."""
    first, second = [await ask(gateway) for _ in range(2)]

    assert second.content == first.content
    assert "; hit; ttl=" in second.headers["cache-status"]


async def test_a_ready_answer_does_not_hide_a_second_name(gateway: Gateway) -> None:
    """The header is looked at each time."""
    await ask(gateway, X_Tenant=ONE)

    answer = await ask(gateway, X_Tenant=OTHER)

    assert answer.status_code == 400
    assert first_error(answer) == ("BAD_REQUEST", "The request names two tenants. Name one.")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_without_a_tenant_is_told_how_to_name_one(
    gateway: Gateway, online: Online, method: str
) -> None:
    """REST is not called, and neither is the state service."""
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
    """The one answer for wrong names and for those off the list; nothing is asked."""
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


async def test_guessing_names_reaches_the_service_once(gateway: Gateway, online: Online) -> None:
    """What it does not know is known for a while."""
    for _ in range(5):
        answer = await ask(gateway, "/graphql/Cust404")

        assert first_error(answer) == ("BAD_REQUEST", "There is no such tenant.")
    assert online.called == ["sod/api/state/Cust404"]


async def test_without_credentials_nobody_is_asked(gateway: Gateway, online: Online) -> None:
    """Names cannot be tried out for nothing."""
    answer = await gateway.http.post(f"/graphql/{ONE}", json={"query": QUERY})

    assert first_error(answer)[0] == "UNAUTHENTICATED"
    assert online.requests == []


async def test_a_tenant_that_moves_is_followed(
    online: Online, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is made once more, at the new host; the old one is not called again."""
    monkeypatch.setattr(states, "_LEAST_APART_S", 0)
    async with over(online, cache_ttl=0) as gateway:
        await ask(gateway)
        online.hosts[ONE] = "sod3"
        answers = [await ask(gateway) for _ in range(2)]

    assert [customer(answer) for answer in answers] == [of(ONE)] * 2
    assert online.called[2:] == [
        f"sod1/{ONE}{PATH}",
        f"sod/api/state/{ONE}",
        f"sod3/{ONE}{PATH}",
        f"sod3/{ONE}{PATH}",
    ]


async def test_a_tenant_that_keeps_its_snapshot_when_it_moves(
    gateway: Gateway, online: Online
) -> None:
    """The cache goes by the tenant and not by its host."""
    await ask(gateway)
    online.hosts[ONE] = "sod3"

    assert customer(await ask(gateway)) == of(ONE)
    assert len(online.requests) == 2


async def test_a_tenant_that_is_nowhere_is_an_upstream_error(
    gateway: Gateway, online: Online
) -> None:
    """REST and the state service disagree."""
    online.api[ONE] = f"https://sod9.superoffice.com/{ONE}/api"

    error = (await ask(gateway)).json()["errors"][0]

    assert error["extensions"] == {"code": "UPSTREAM_ERROR", "upstreamStatus": 421}
    assert "sod9" not in str(error)


@pytest.mark.parametrize(
    ("path", "headers"), [(f"/graphql/{ONE}", {}), ("/graphql", {"X_Tenant": ONE.lower()})]
)
async def test_the_log_says_whose_sessions_were_asked_for(
    online: Online, path: str, headers: dict[str, str]
) -> None:
    """By its right name, also of ready answers."""
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


async def test_the_log_says_which_tenant_is_left_alone(online: Online) -> None:
    """And nothing of where it is."""
    online.stuck.add("sod1")
    with logged() as log:
        async with over(online, breaker_failures=1, upstream_timeout=1) as gateway:
            await ask(gateway)

    told = [event["event"] for event in log.events if event["level"] == "warning"]
    assert (
        "SuperOffice of Cust1 is not called for 5 seconds: the calls of 1 callers in a row have "
        "failed." in told
    )
    assert "sod1" not in log.getvalue()


async def test_a_webhook_concerns_its_tenant_alone(online: Online) -> None:
    """What is kept of the other one is as fresh as before."""
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
    """Webhooks of an app come from all who have installed it; who has forgotten one sees it."""
    secret = "only SuperOffice and we know it"
    body = orjson.dumps({"Event": "chatsession.changed", "ContextIdentifier": named})
    signed = {"X-SuperOffice-Signature": signature(secret, body)}
    async with over(online, webhook_secret=secret, tenants=ONE) as gateway:
        answer = await gateway.http.post("/webhooks/superoffice", content=body, headers=signed)

    assert answer.json() == {"status": result}


async def test_a_suspended_tenant_says_so(gateway: Gateway, online: Online) -> None:
    """In a way that a program can read; its REST is not called."""
    online.states[ONE] = "Suspended"

    answer = await ask(gateway, Accept=GRAPHQL_JSON)

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
    ],
)
async def test_no_caller_is_sent_to_an_address_that_is_not_trusted(
    gateway: Gateway, online: Online, address: str
) -> None:
    """One line in the log; the address is in none, and no credential leaves."""
    online.api[ONE] = address

    with logged() as log:
        answer = await ask(gateway)

    assert first_error(answer)[0] == "UPSTREAM_BAD_RESPONSE"
    assert online.called == [f"sod/api/state/{ONE}"]
    (event,) = [event for event in log.events if event["level"] == "warning"]
    assert ONE in event["event"]
    assert address.split("/")[2] not in answer.text + log.getvalue()
    assert CREDENTIALS["Authorization"] not in log.getvalue()


async def test_a_sick_tenant_does_not_slow_another(online: Online) -> None:
    """More callers than it has connections wait for the one; the other is answered."""
    online.stuck.add("sod1")
    async with over(online, upstream_connections=2) as gateway:
        waiting = [
            asyncio.create_task(ask(gateway, Authorization=f"Bearer {number}"))
            for number in range(20)
        ]
        await until(lambda: online.called.count(f"sod1/{ONE}{PATH}") == 2)

        answer = await asyncio.wait_for(ask(gateway, f"/graphql/{OTHER}"), 5)

        assert customer(answer) == of(OTHER)
        assert not any(task.done() for task in waiting)
        assert online.called.count(f"sod1/{ONE}{PATH}") == 2
        for task in waiting:
            task.cancel()


async def test_a_stuck_state_service_holds_up_only_who_needs_it(online: Online) -> None:
    """A tenant that was found before is served; another waits, and is told."""
    async with over(online, cache_ttl=0, upstream_timeout=1) as gateway:
        await ask(gateway)
        online.stuck.add("sod")

        known = await ask(gateway)
        unknown = await ask(gateway, f"/graphql/{OTHER}")

    assert customer(known) == of(ONE)
    assert first_error(unknown) == (
        "UPSTREAM_TIMEOUT",
        f"SuperOffice did not send the address of {OTHER} in time.",
    )


async def test_answers_vary_by_the_tenants_header(gateway: Gateway) -> None:
    """Caches that go by the address have to see it."""
    answers = [await ask(gateway), await ask(gateway, "/graphql")]

    for answer in answers:
        assert "X-Tenant" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize(("environment", "is_allowed"), [("sod", True), (None, False)])
async def test_pages_of_other_sites_may_name_a_tenant(
    online: Online, environment: str | None, is_allowed: bool
) -> None:
    """Where there are tenants."""
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
async def test_a_tenants_page_works_one_level_down(
    gateway: Gateway, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files, its schema and its endpoint are where it looks for them."""
    ours = next(file for file in query_page._STATIC.iterdir() if file.is_file())
    monkeypatch.setattr(query_page, "_FETCHED", ours if kind == "graphiql" else ours / "nothing")

    page = await gateway.http.get("/graphql/cust1", headers=BROWSER)

    links = [
        urljoin("/graphql/cust1", link)
        for link in re.findall(r'(?:src|href|data-schema)="([^"]+)"', page.text)
        if not link.startswith("data:") and "/vendor/" not in link
    ]
    assert len(links) >= 3
    assert [(await gateway.http.get(link)).status_code for link in links] == [200] * len(links)
    (endpoint,) = re.findall(r'data-endpoint="([^"]+)"', page.text)
    assert customer(await ask(gateway, urljoin("/graphql/cust1", endpoint))) == of(ONE)


async def test_the_page_needs_no_tenant(gateway: Gateway) -> None:
    """People may name it among the headers."""
    page = await gateway.http.get("/graphql", headers=BROWSER)

    assert page.status_code == 200
    assert 'data-endpoint="graphql"' in page.text


async def test_there_is_no_page_of_a_tenant_that_is_none(gateway: Gateway) -> None:
    """It would only answer with errors."""
    assert (await gateway.http.get("/graphql/nonsense", headers=BROWSER)).status_code == 404


@contextlib.asynccontextmanager
async def connected(
    online: Online, path: str = "/graphql", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Socket]:
    """Open a WebSocket to a gateway over SuperOffice Online."""
    made = create_app(
        Settings(upstream_url=None, environment="sod"),
        upstream_transport=httpx.MockTransport(online),
    )
    sent = {"host": "gateway.invalid", **CREDENTIALS, **(headers or {})}
    scope = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "subprotocols": [PROTOCOL],
        "extensions": {"websocket.http.response": {}},
    }
    socket = Socket()
    async with made.router.lifespan_context(made):
        running = asyncio.create_task(made(scope, socket.receive, socket.send))
        try:
            yield socket
        finally:
            socket.disconnect()
            await running


async def said(socket: Socket, payload: Mapping[str, str]) -> Any:
    """Initiate a socket, ask on it and return what comes back."""
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
)
async def test_a_socket_names_its_tenant(
    online: Online, path: str, headers: dict[str, str], payload: dict[str, str]
) -> None:
    """In its path, its handshake, or the payload of `connection_init`, or the same in several."""
    async with connected(online, path, headers) as socket:
        answer = await said(socket, payload)

    assert answer["data"] == {"chatSessions": [{"customerName": of(OTHER)}]}


@pytest.mark.parametrize(
    ("path", "headers", "payload"),
    [
        ("/graphql", {}, {}),
        ("/graphql", {}, {"X-Tenant": "nonsense"}),
        ("/graphql", {"X-Tenant": ONE}, {"x-tenant": OTHER}),
        (f"/graphql/{ONE}", {}, {"X-Tenant": OTHER}),
    ],
)
async def test_a_socket_for_no_tenant_or_two_gets_no_data(
    online: Online, path: str, headers: dict[str, str], payload: dict[str, str]
) -> None:
    """The operation says why, as over HTTP."""
    async with connected(online, path, headers) as socket:
        answer = await said(socket, payload)

    assert answer["data"] == {"chatSessions": None}
    assert answer["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert online.requests == []


async def test_a_handshake_for_a_tenant_that_is_none_is_refused(online: Online) -> None:
    """There is nothing that could be said on that socket."""
    async with connected(online, "/graphql/nonsense") as socket:
        message = await socket.sent.get()

    assert (message["type"], message["status"]) == ("websocket.http.response.start", 404)


async def test_over_one_address_there_are_no_tenants(online: Online) -> None:
    """The path is not there, the header is nothing, and 421 is a status like others."""
    async with gateway_over(online, upstream_url=f"https://sod1.superoffice.com/{ONE}") as gateway:
        assert customer(await ask(gateway, "/graphql", X_Tenant=OTHER)) == of(ONE)
        assert (await ask(gateway)).status_code == 404
    async with gateway_over(online, upstream_url=f"https://sod9.superoffice.com/{ONE}") as gateway:
        error = (await ask(gateway, "/graphql")).json()["errors"][0]

    assert error["extensions"] == {"code": "UPSTREAM_ERROR", "upstreamStatus": 421}
    assert online.called == [f"sod1/{ONE}{PATH}", f"sod9/{ONE}{PATH}"]
