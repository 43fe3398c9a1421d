"""The check of REST's reachability, by connections without a request."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.settings import Settings
from gateway.upstream.reach import Reachability
from gateway.upstream.route import Route
from tests.fake_dns import FakeDNS
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.socket


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Listen, and yield the port and the bytes that each connection has sent."""
    received: list[bytes] = []

    async def record(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            data = await reader.read()
        received.append(data)
        writer.close()

    server = await asyncio.start_server(record, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], received


async def problem_of(url: str, route: Route | None = None, timeout_s: float = 5) -> str | None:
    """Check once and return the problem, or None."""
    settings = Settings.model_construct(
        upstream_url=url, ready_check=60, upstream_connect_timeout=timeout_s
    )
    reachability = Reachability(settings, route or Route(settings))
    assert reachability.problem == "it has not been checked yet"
    task = asyncio.create_task(reachability.keep_checking())
    await until(lambda: reachability.problem != "it has not been checked yet")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return reachability.problem


async def test_the_check_connects_and_sends_nothing() -> None:
    """The check sends no request, and so no credentials."""
    async with listening() as (port, received):
        problem = await problem_of(f"http://127.0.0.1:{port}/crm")
        await until(lambda: received)

    assert problem is None
    assert received == [b""]


async def test_an_address_that_does_not_answer_does_not_delay_the_others(dns: FakeDNS) -> None:
    """As with REST calls, a name is reachable if its second address is: IPv6 is often broken."""
    dns.answers["crm.example.com"] = ["127.0.0.2", "127.0.0.1"]
    async with contextlib.AsyncExitStack() as stack:
        port, _ = await stack.enter_async_context(listening())
        silent = stack.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
        for _ in range(3):  # a full queue drops further connections
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())

        assert await problem_of(f"http://crm.example.com:{port}") is None


async def test_the_check_is_repeated() -> None:
    """The check is repeated after each interval."""
    async with listening() as (port, received):
        settings = Settings(upstream_url=f"http://127.0.0.1:{port}", ready_check=0.01)
        reachability = Reachability(settings, Route(settings))
        task = asyncio.create_task(reachability.keep_checking())
        await until(lambda: len(received) >= 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert reachability.problem is None


async def test_each_change_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the reason why an instance became unready, and that it is ready again.

    As a call, a check has a second attempt.
    """
    caplog.set_level(logging.INFO, "gateway")
    settings = Settings(upstream_url="http://rest.invalid", ready_check=0.001)
    reachability = Reachability(settings, Route(settings))
    results = iter([None, "busy", None, "down", "down", "down", "down", None, None])
    monkeypatch.setattr(reachability, "_check", lambda: anext_of(results))
    with pytest.raises(RuntimeError):
        await reachability.keep_checking()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "The check of SuperOffice succeeds"),
        ("WARNING", "The check of SuperOffice fails: down"),
        ("INFO", "The check of SuperOffice succeeds"),
    ]


async def anext_of(results: Iterator[str | None]) -> str | None:
    """Return the next result; at the end, a coroutine raises RuntimeError."""
    return next(results)


async def test_a_refused_connection_is_a_problem() -> None:
    """A refused connection is reported without an address."""
    assert await problem_of(f"http://127.0.0.1:{free_port()}") == "it cannot be reached"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b"])
async def test_an_unknown_host_is_a_problem(host: str) -> None:
    """An unknown host is reported as unreachable."""
    assert await problem_of(f"http://{host}:8") == "it cannot be reached"


async def test_a_failed_tls_handshake_is_a_problem() -> None:
    """A port without TLS, or with an untrusted certificate, is reported."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        problem = await problem_of(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert problem == "its certificate is not accepted, or it does not speak TLS"


async def test_a_timeout_is_a_problem() -> None:
    """A port that answers no handshake is reported after the timeout."""
    async with listening() as (port, _):
        problem = await problem_of(f"https://127.0.0.1:{port}", timeout_s=0.3)

    assert problem == "it did not answer within 0.3 seconds"
