"""Nothing of a caller's or a customer's gets into a metric, a span or a line of the log."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.http.asking import post_body, post_json
from tests.observe.logged import logged
from tests.support import RestSide
from tests.web.test_tracing import Traced, traced_over

# Each place has a mark of its own, so that a leak says where it comes from.
HEADERS = {
    "Authorization": "Bearer hunter2-authorization",
    "SO-AppToken": "hunter2-apptoken",
    "Cookie": "id=hunter2-cookie",
    "X-XSRF-TOKEN": "hunter2-xsrf",
    "Accept-Language": "hunter2-language",
    "User-Agent": "hunter2-agent",
    "Origin": "https://hunter2-origin.example",
    "Referer": "https://hunter2-referer.example",
    "baggage": "customer=hunter2-baggage",
    "traceparent": "hunter2-traceparent",
}
CUSTOMER = [{"ChatSessionId": 1, "CustomerName": "hunter2-name", "Status": "hunter2-status"}]
# An operation's name: with a customer's number in it, as it must not be.
NAMED = "query hunter2_0815_4711"
FILTERED = "chatSessions(filter: {{ search: {} }}) {{ customerName }}"
QUERY = NAMED + " { " + FILTERED.format('"hunter2-literal"') + " }"
VARIABLES = f"{NAMED}($text: String) {{ {FILTERED.format('$text')} }}"
SESSIONS = f"{NAMED} {{ chatSessions {{ customerName topicId status }} }}"


def broken(body: bytes, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    """Make a REST side that answers so."""
    return lambda request: httpx.Response(
        status, content=body, headers={"Location": "https://hunter2-location.example"}
    )


def unreachable(request: httpx.Request) -> httpx.Response:
    """Play a REST side that nobody reaches."""
    raise httpx.ConnectError("hunter2-error")


def buggy(request: httpx.Request) -> httpx.Response:
    """Play a fault of our own."""
    raise RuntimeError("a bug")


ANSWERS: dict[str, Any] = {
    "sessions": None,
    "cut": broken(json.dumps(CUSTOMER).encode()[:-5]),
    "a page": broken(b"<html>hunter2-page</html>"),
    "odd values": broken(b'[{"CustomerName": ["hunter2-list"], "TopicId": "hunter2-int"}]'),
    "unreachable": unreachable,
    "a bug": buggy,
    **{
        f"{status}": broken(b'{"ErrorMessage": "hunter2-message"}', status)
        for status in (302, 401, 403, 429, 500, 503)
    },
}


async def ask_everything(traced: Traced) -> None:
    """Send the marks wherever a client can put them, the ways that fail included."""
    http = traced.gateway.http
    for headers in (HEADERS, {**HEADERS, "Authorization": "hunter2-scheme"}):
        for query in (
            QUERY,
            SESSIONS,
            SESSIONS,
            "query hunter2_0815_4711 {",
            "{ hunter2 }",
            "hunter2 {",
        ):
            await traced.post(query, headers)
        await traced.gateway.post(VARIABLES, {"text": "hunter2-variable"}, headers)
        await traced.gateway.post(VARIABLES, {"text": ["hunter2-wrong"]}, headers)
        await http.get("/graphql", params={"query": QUERY, "hunter2": "hunter2"}, headers=headers)
        await http.get("/graphql", params={"token": "hunter2-token"}, headers=headers)
    batch = [{"query": QUERY, "operationName": "hunter2_other"}, {"documentId": "hunter2-id"}]
    await traced.gateway.http.post("/graphql", json=batch, headers=HEADERS)
    await post_json(traced.gateway, {"query": SESSIONS, "extensions": {"hunter2": "hunter2"}})
    await post_body(traced.gateway, b"hunter2-body")
    await http.put("/graphql", content=b"hunter2-put", headers=HEADERS)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_nothing_that_is_marked_is_told(answer: Any) -> None:
    """Whatever REST answers, and whatever becomes of the request."""
    rest = RestSide(body=CUSTOMER, answer=answer)
    with logged() as log:
        async with traced_over(rest, request_timeout=5, upstream_timeout=0.3) as traced:
            traced.gateway.http.headers.clear()
            await ask_everything(traced)
            metrics = (await traced.gateway.http.get("/metrics")).text
            spans = [span.to_json() for span in traced.exporter.get_finished_spans()]

    assert len(spans) > 20
    assert "gateway_requests_total{" in metrics
    told = {"metrics": metrics, "spans": "\n".join(spans), "log": log.getvalue()}
    for where, text in told.items():
        found = [line for line in text.splitlines() if "hunter2" in line.lower()]
        assert not found, (where, found[:3])
