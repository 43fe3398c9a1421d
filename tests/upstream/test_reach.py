"""Whether REST can be reached: by connections that ask nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.settings import Settings
from gateway.upstream.reach import Reachability
from gateway.upstream.route import Route
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.socket


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Listen, and note what each connection brings until it is closed."""
    heard: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = b""
        with contextlib.suppress(ConnectionError):
            got = await reader.read()
        heard.append(got)
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


async def found(url: str, route: Route | None = None, timeout_s: float = 5) -> str | None:
    """Look once and return what was found."""
    settings = Settings.model_construct(
        upstream_url=url, ready_check=60, upstream_connect_timeout=timeout_s
    )
    looking = Reachability(settings, route or Route(settings))
    assert looking.problem == "it has not been checked yet"
    task = asyncio.create_task(looking.keep_checking())
    await until(lambda: looking.problem != "it has not been checked yet")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return looking.problem


async def test_a_connection_is_enough_and_brings_nothing() -> None:
    """No request, and so no credentials."""
    async with listening() as (port, heard):
        problem = await found(f"http://127.0.0.1:{port}/crm")
        await until(lambda: heard)

    assert problem is None
    assert heard == [b""]


async def test_it_is_looked_for_again_and_again() -> None:
    """What is wrong now need not be so in a moment."""
    async with listening() as (port, heard):
        settings = Settings(upstream_url=f"http://127.0.0.1:{port}", ready_check=0.01)
        looking = Reachability(settings, Route(settings))
        task = asyncio.create_task(looking.keep_checking())
        await until(lambda: len(heard) >= 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert looking.problem is None


async def test_nobody_listens() -> None:
    """It says so, and names no address."""
    assert await found(f"http://127.0.0.1:{free_port()}") == "it cannot be reached"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b"])
async def test_a_name_that_is_unknown(host: str) -> None:
    """As with any other address that leads nowhere."""
    assert await found(f"http://{host}:8") == "it cannot be reached"


async def test_it_does_not_speak_tls() -> None:
    """A port of plain HTTP, or a certificate that nobody vouches for."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        problem = await found(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert problem == "its certificate is not accepted, or it does not speak TLS"


async def test_it_takes_too_long() -> None:
    """A port that is open and answers no handshake."""
    async with listening() as (port, _):
        problem = await found(f"https://127.0.0.1:{port}", timeout_s=0.3)

    assert problem == "it did not answer within 0.3 seconds"
