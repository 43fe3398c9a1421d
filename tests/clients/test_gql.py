"""gql, the Python client: over aiohttp, httpx and WebSocket."""

from collections.abc import Callable

import pytest
from gql import Client, gql
from gql.transport import AsyncTransport
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.clients.running import AUTHORIZATION, Running

pytestmark = pytest.mark.socket

QUEUE = gql("query Queue($limit: Int!) { chatSessions(limit: $limit) { id status } }")
QUEUE.variable_values = {"limit": 2}
COUNT = gql("{ chatSessionSummary { total } }")

Transport = Callable[[str, dict[str, str]], AsyncTransport]


def over_aiohttp(url: str, headers: dict[str, str]) -> AsyncTransport:
    """Return a transport that POSTs with aiohttp, with credentials."""
    return AIOHTTPTransport(url, headers=headers)


def over_httpx(url: str, headers: dict[str, str]) -> AsyncTransport:
    """Return a transport that POSTs with httpx, with credentials."""
    return HTTPXAsyncTransport(url, headers=headers)


def over_websocket(url: str, headers: dict[str, str]) -> AsyncTransport:
    """Return a graphql-transport-ws transport, with credentials."""
    return WebsocketsTransport(url.replace("http", "ws", 1), init_payload=headers)


transports = pytest.mark.parametrize("transport", [over_aiohttp, over_httpx, over_websocket])


@transports
async def test_a_query_with_variables_is_answered(transport: Transport, live: Running) -> None:
    """Credentials are sent as headers, or in the payload of connection_init."""
    async with Client(transport=transport(live.url, {"Authorization": AUTHORIZATION})) as session:
        data = await session.execute(QUEUE)

    assert len(data["chatSessions"]) == 2
    assert live.calls == 1


@transports
async def test_the_schema_can_be_fetched(transport: Transport, shared: Running) -> None:
    """The client's introspection query is within the limits, and the client validates with it."""
    client = Client(
        transport=transport(shared.url, {"Authorization": AUTHORIZATION}),
        fetch_schema_from_transport=True,
    )
    async with client as session:
        data = await session.execute(COUNT)

    assert data == {"chatSessionSummary": {"total": 12}}
    assert client.schema is not None
    assert "ChatSession" in client.schema.type_map


@transports
async def test_the_client_sees_the_code_of_an_error(transport: Transport, live: Running) -> None:
    """Without credentials the error is UNAUTHENTICATED, and there is no REST call."""
    async with Client(transport=transport(live.url, {})) as session:
        with pytest.raises(TransportQueryError) as caught:
            await session.execute(COUNT)

    assert caught.value.errors is not None
    assert [e["extensions"]["code"] for e in caught.value.errors] == ["UNAUTHENTICATED"]
    assert live.calls == 0


@pytest.mark.parametrize("transport", [over_aiohttp, over_httpx])
async def test_a_batch_is_answered_in_order(transport: Transport, live: Running) -> None:
    """Two queries in one request have two answers, and cost one REST call."""
    async with Client(transport=transport(live.url, {"Authorization": AUTHORIZATION})) as session:
        queue, count = await session.execute_batch([QUEUE, COUNT])

    assert len(queue["chatSessions"]) == 2
    assert count["chatSessionSummary"]["total"] == 12
    assert live.requests == ["POST [query, query]"]
    assert live.calls == 1
