"""What operators and code generators ask for."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Settings, __version__, create_app
from gateway.upstream.reach import Reachability
from gateway.web.pages import ops
from tests.support import UPSTREAM_URL, Gateway, RestSide, gateway_over

ROOT = Path(__file__).parents[3]


async def test_healthz_says_that_the_process_is_alive(gateway: Gateway, rest: RestSide) -> None:
    """Nothing else is looked at: a REST side that is down must not restart the gateway."""
    response = await gateway.http.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert rest.calls == 0


async def test_readyz_says_that_requests_can_be_served(gateway: Gateway, rest: RestSide) -> None:
    """From the end of start-up on."""
    response = await gateway.http.get("/readyz")

    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "checks": {}, "version": __version__},
    )
    assert rest.calls == 0


async def test_readyz_says_no_after_shutdown_has_begun() -> None:
    """A load balancer takes the process out."""
    app = create_app(Settings(upstream_url=UPSTREAM_URL))
    async with app.router.lifespan_context(app):
        assert app.state.is_ready

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://gateway.invalid"
    ) as http:
        response = await http.get("/readyz")

    assert (response.status_code, response.json()) == (
        503,
        {"status": "draining", "checks": {}, "version": __version__},
    )


async def test_readyz_says_that_it_has_not_started_yet() -> None:
    """Before the end of start-up."""
    app = create_app(Settings(upstream_url=UPSTREAM_URL))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://gateway.invalid"
    ) as http:
        response = await http.get("/readyz")

    assert (response.status_code, response.json()) == (
        503,
        {"status": "starting", "checks": {}, "version": __version__},
    )


@pytest.mark.parametrize(
    ("problem", "status", "said"),
    [
        (None, 200, {"status": "ready", "checks": {"rest": "ok"}, "version": __version__}),
        (
            "it is out",
            503,
            {"status": "unready", "checks": {"rest": "it is out"}, "version": __version__},
        ),
    ],
)
async def test_readyz_says_what_a_check_found(
    rest: RestSide,
    monkeypatch: pytest.MonkeyPatch,
    problem: str | None,
    status: int,
    said: dict[str, Any],
) -> None:
    """It was looked for in the background: nobody waits for REST here."""
    looked = asyncio.Event()

    async def look(self: Reachability) -> str | None:
        looked.set()
        return problem

    monkeypatch.setattr(Reachability, "_check", look)
    async with gateway_over(rest, ready_check=60) as gateway:
        before = await gateway.http.get("/readyz")
        await looked.wait()
        after = await gateway.http.get("/readyz")

    assert before.json()["checks"]["rest"] in {
        "it has not been checked yet",
        *said["checks"].values(),
    }
    assert (after.status_code, after.json()) == (status, said)
    assert after.headers["cache-control"] == "no-store"
    assert rest.calls == 0


async def test_the_schema_is_served_as_the_repository_has_it(gateway: Gateway) -> None:
    """Code generators may take either."""
    response = await gateway.http.get("/schema.graphql")

    assert response.content == (ROOT / "schema.graphql").read_bytes()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_schema_is_served_without_introspection_too(rest: RestSide) -> None:
    """It is a file for programmers; the setting is about queries."""
    async with gateway_over(rest, introspection=False) as gateway:
        response = await gateway.http.get("/schema.graphql")

    assert response.status_code == 200
    assert "type Query" in response.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/schema.graphql"])
async def test_what_is_only_read_takes_no_other_method(gateway: Gateway, path: str) -> None:
    """405 for everything else."""
    response = await gateway.http.post(path)

    assert response.status_code == 405


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/ChatSession/ForCurrentUser", "/static/", "/static/..%2fapp.py"]
)
async def test_there_is_nothing_else(gateway: Gateway, rest: RestSide, path: str) -> None:
    """Unknown paths are 404, and none of them leads to REST or to a file."""
    response = await gateway.http.get(path)

    assert response.status_code == 404
    assert rest.calls == 0


@pytest.mark.parametrize("path", ["/", "/graphiql", "/graphql/", "/graphlq"])
async def test_an_unknown_path_is_told_where_graphql_is(gateway: Gateway, path: str) -> None:
    """In the form that all errors have: nobody has to read plain text or HTML."""
    response = await gateway.http.get(path)

    [error] = response.json()["errors"]
    assert response.status_code == 404
    assert error["message"] == "There is nothing here. GraphQL is at /graphql."
    assert error["extensions"] == {"code": "BAD_REQUEST"}


async def test_no_redirect_follows_the_name_of_the_host(gateway: Gateway) -> None:
    """A path with a slash too many is unknown: it leads nowhere, least of all to another host."""
    response = await gateway.http.post("/graphql/", headers={"Host": "evil.example"})

    assert response.status_code == 404
    assert "location" not in response.headers


async def test_metrics_are_rendered_once_for_many(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rendering takes milliseconds, and anybody can ask; formats have each their own."""
    monkeypatch.setattr(ops, "FRESH_S", 60)
    openmetrics = {"Accept": "application/openmetrics-text"}
    async with gateway_over(rest) as gateway:
        first = await gateway.http.get("/metrics")
        await gateway.post("{ chatSessions { chatSessionId } }")

        for accept in ("*/*", "text/plain;x=1", "text/plain;x=2"):
            again = await gateway.http.get("/metrics", headers={"Accept": accept})
            assert again.text == first.text
        other = (await gateway.http.get("/metrics", headers=openmetrics)).text
        assert other.endswith("# EOF\n")
        assert "gateway_requests_total{" in other


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_no_probe_is_answered_from_a_cache(gateway: Gateway, path: str) -> None:
    """A proxy in between must not keep what held a moment ago."""
    assert (await gateway.http.get(path)).headers["cache-control"] == "no-store"
