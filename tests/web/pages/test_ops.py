"""Health checks, metrics and the schema: pages for operators and code generators."""

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
    """`/healthz` calls nothing: a REST API that is down must not restart the gateway."""
    response = await gateway.http.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert rest.calls == 0


async def test_readyz_says_that_requests_can_be_served(gateway: Gateway, rest: RestSide) -> None:
    """`/readyz` answers 200 after start-up, without a REST call."""
    response = await gateway.http.get("/readyz")

    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "checks": {}, "version": __version__},
    )
    assert rest.calls == 0


@pytest.mark.parametrize(("has_run", "status"), [(False, "starting"), (True, "draining")])
async def test_readyz_answers_503_before_the_start_and_during_the_shutdown(
    has_run: bool, status: str
) -> None:
    """A load balancer sends no requests to the process then."""
    app = create_app(Settings(upstream_url=UPSTREAM_URL))
    if has_run:
        async with app.router.lifespan_context(app):
            assert app.state.is_ready

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://gateway.invalid"
    ) as http:
        response = await http.get("/readyz")

    assert (response.status_code, response.json()) == (
        503,
        {"status": status, "checks": {}, "version": __version__},
    )


@pytest.mark.parametrize(
    ("problem", "status", "body"),
    [
        (None, 200, {"status": "ready", "checks": {"rest": "ok"}, "version": __version__}),
        (
            "it is out",
            503,
            {"status": "unready", "checks": {"rest": "it is out"}, "version": __version__},
        ),
    ],
    ids=["no problem", "a problem"],
)
async def test_readyz_reports_the_last_check_of_rest(
    rest: RestSide,
    monkeypatch: pytest.MonkeyPatch,
    problem: str | None,
    status: int,
    body: dict[str, Any],
) -> None:
    """`/readyz` reports the result of a background check, without a REST call of its own."""
    is_checked = asyncio.Event()

    async def check(self: Reachability) -> str | None:
        is_checked.set()
        return problem

    monkeypatch.setattr(Reachability, "_check", check)
    async with gateway_over(rest, ready_check=60) as gateway:
        before = await gateway.http.get("/readyz")
        await is_checked.wait()
        after = await gateway.http.get("/readyz")

    assert before.json()["checks"]["rest"] in {
        "it has not been checked yet",
        *body["checks"].values(),
    }
    assert (after.status_code, after.json()) == (status, body)
    assert after.headers["cache-control"] == "no-store"
    assert rest.calls == 0


async def test_the_served_schema_equals_schema_graphql(gateway: Gateway) -> None:
    """The served schema equals the file in the repository."""
    response = await gateway.http.get("/schema.graphql")

    assert response.content == (ROOT / "schema.graphql").read_bytes()
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_schema_is_served_without_introspection_too(rest: RestSide) -> None:
    """The schema is served as a file even if introspection is off."""
    async with gateway_over(rest, introspection=False) as gateway:
        response = await gateway.http.get("/schema.graphql")

    assert response.status_code == 200
    assert "type Query" in response.text


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/schema.graphql"])
async def test_a_post_to_a_read_only_path_gets_405(gateway: Gateway, path: str) -> None:
    """A 404 would mean that the path is wrong, not the method."""
    response = await gateway.http.post(path)

    assert response.status_code == 405


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/ChatSession/ForCurrentUser", "/static/", "/static/..%2fapp.py"]
)
async def test_an_unknown_path_gets_404(gateway: Gateway, rest: RestSide, path: str) -> None:
    """Unknown paths get 404, and none of them reaches REST or a file."""
    response = await gateway.http.get(path)

    assert response.status_code == 404
    assert rest.calls == 0


@pytest.mark.parametrize("path", ["/", "/graphiql", "/graphql/", "/graphlq"])
async def test_the_404_names_the_path_of_graphql(gateway: Gateway, path: str) -> None:
    """The 404 is a JSON error that names the path of GraphQL."""
    response = await gateway.http.get(path)

    [error] = response.json()["errors"]
    assert response.status_code == 404
    assert error["message"] == "Not found. GraphQL is at /graphql."
    assert error["extensions"] == {"code": "BAD_REQUEST"}


async def test_a_trailing_slash_is_not_redirected(gateway: Gateway) -> None:
    """A path with a slash too many gets 404: a redirect could lead to another host."""
    response = await gateway.http.post("/graphql/", headers={"Host": "evil.example"})

    assert response.status_code == 404
    assert "location" not in response.headers


@pytest.mark.parametrize("path", ["/%6detrics", "/metrics%0A"])
async def test_metrics_have_one_spelling(gateway: Gateway, path: str) -> None:
    """A proxy that hides `/metrics` from clients need not know other spellings."""
    assert (await gateway.http.get("/metrics")).status_code == 200
    assert (await gateway.http.get(path)).status_code == 404


async def test_rendered_metrics_are_reused(rest: RestSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering takes milliseconds, so metrics in each format are rendered once a period."""
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
async def test_health_checks_forbid_caching(gateway: Gateway, path: str) -> None:
    """Health checks forbid caching, so a proxy in between answers with no old state."""
    assert (await gateway.http.get(path)).headers["cache-control"] == "no-store"
