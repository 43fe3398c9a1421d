"""The limits of libraries that apply to clients and to SuperOffice are chosen, not defaults."""

import aiohttp
import orjson
import pytest
import uvicorn
from websockets import http11

from gateway import Settings, create_app
from gateway.server.limits import MAX_HEADERS
from gateway.server.servers import config_of
from gateway.upstream.transport import PooledTransport
from tests.support import UPSTREAM_URL

UVICORN = {
    "ws_per_message_deflate": False,
    "ws_ping_interval": 20,
    "ws_ping_timeout": None,
    "ws_max_size": 16 * 2**20,  # `serve` sets GATEWAY_MAX_BODY_BYTES
    "timeout_keep_alive": 75,
    "limit_concurrency": None,  # GATEWAY_MAX_REQUESTS, whose answer has Retry-After
    "limit_max_requests": None,
}
AIOHTTP = {
    "_max_line_size": 64 * 2**10,
    "_max_field_size": 64 * 2**10,
    "_max_headers": 1_000,
    "_read_bufsize": 256 * 2**10,
    "_timeout": aiohttp.ClientTimeout(total=None, connect=3),
}


@pytest.mark.parametrize(("name", "chosen"), UVICORN.items(), ids=UVICORN)
def test_a_limit_of_uvicorn_is_chosen(name: str, chosen: object) -> None:
    """Each limit of uvicorn has the value in the manual."""
    config = config_of(create_app(Settings(upstream_url=UPSTREAM_URL)))

    assert getattr(config, name) == chosen


def test_the_settings_reach_uvicorn() -> None:
    """The settings for the largest message and for idle connections reach uvicorn."""
    config: uvicorn.Config = config_of(None, ws_max_size=1, timeout_keep_alive=2)  # type: ignore[arg-type]

    assert (config.ws_max_size, config.timeout_keep_alive) == (1, 2)


def test_websockets_accepts_heads_as_large_as_the_server_does() -> None:
    """The library's own limit of 8 KiB a header is too small for cookies."""
    assert http11.MAX_LINE_LENGTH >= 64 * 2**10
    assert http11.MAX_NUM_HEADERS == MAX_HEADERS


@pytest.mark.parametrize(("name", "chosen"), AIOHTTP.items(), ids=AIOHTTP)
async def test_a_limit_of_aiohttp_is_chosen(name: str, chosen: object) -> None:
    """Each limit of aiohttp is large enough for SuperOffice's answers, such as long challenges."""
    transport = PooledTransport(Settings(upstream_url="http://127.0.0.1", upstream_connections=5))
    session = transport._session
    assert getattr(session, name) == chosen
    assert session.connector is not None
    assert session.connector.limit == 5
    await transport.aclose()


def test_orjson_refuses_deep_json() -> None:
    """JSON deeper than 1024 levels is an error and does not overflow the stack."""
    orjson.loads("[" * 1_024 + "]" * 1_024)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads("[" * 1_025 + "]" * 1_025)
