"""The load: connections that each send their next request after an answer."""

import asyncio
import time
from array import array
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import uvloop

from benchmarks.answers import AnswerReader, Check, WrongAnswerError

__all__ = ["Client", "Clients", "Sample", "ask_once", "run"]

_TIMEOUT_S = 120

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@dataclass(slots=True)
class Sample:
    """The latency of each request of one run, all with right answers."""

    latencies_ns: "array[int]" = field(default_factory=lambda: array("q"))
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self.latencies_ns)

    @property
    def rps(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Return the latency that this share of the requests stayed below; 1 = the longest."""
        ordered = sorted(self.latencies_ns)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6


class _Connection(asyncio.Protocol):
    def __init__(self, clients: "Clients") -> None:
        self._clients = clients
        self._reader = AnswerReader()
        self._sent_ns = 0
        self.write: Callable[[bytes], None]
        self.close: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tcp = cast("asyncio.Transport", transport)
        self.write, self.close = tcp.write, tcp.close

    def connection_lost(self, exc: Exception | None) -> None:
        # A connection without a pending request may close while others are still busy.
        if self._sent_ns:
            self._clients.fail(WrongAnswerError("the server closed a connection"))

    def send(self, request: bytes) -> None:
        self._sent_ns = time.perf_counter_ns()
        self.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            answer = self._reader.feed(data)
            if answer is not None:
                took_ns = time.perf_counter_ns() - self._sent_ns
                self._sent_ns = 0
                self._clients.answered(self, took_ns, *answer)
        except WrongAnswerError as exc:
            self._clients.fail(exc)


class Clients:
    """Keep-alive connections to one server, idle between runs."""

    def __init__(self) -> None:
        self._connections: list[_Connection] = []
        self._sample = Sample()
        self._done: asyncio.Future[None] | None = None
        self._requests: Iterator[bytes]
        self._check: Check
        self._left = 0
        self._end_ns = 0
        self._busy = 0

    @classmethod
    async def connect(cls, port: int, connections: int) -> "Clients":
        """Open the connections."""
        clients = cls()
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, connection = await loop.create_connection(
                lambda: _Connection(clients), "127.0.0.1", port
            )
            clients._connections.append(connection)
        return clients

    async def run(
        self,
        requests: Iterator[bytes],
        check: Check,
        *,
        seconds: float = _TIMEOUT_S,
        most: int = 2**62,
    ) -> Sample:
        """Send requests until the time is up or all are sent, then wait for pending answers.

        Raises:
            WrongAnswerError: an answer is wrong or missing.
        """
        self._done = asyncio.get_running_loop().create_future()
        self._sample, self._requests, self._check = Sample(), requests, check
        self._left, self._busy = most, min(most, len(self._connections))
        started = time.perf_counter_ns()
        self._end_ns = started + int(seconds * 1e9)
        for connection in self._connections[: self._busy]:
            self._send(connection)
        try:
            async with asyncio.timeout(seconds + _TIMEOUT_S):
                await self._done
        except TimeoutError:
            raise WrongAnswerError("no answer came") from None
        finally:
            self._done = None
        self._sample.seconds = (time.perf_counter_ns() - started) / 1e9
        return self._sample

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def answered(self, connection: _Connection, took_ns: int, status: int, body: bytes) -> None:
        """Record an answer, and send the next request of its connection."""
        self._check(status, body)
        self._sample.latencies_ns.append(took_ns)
        if self._left and time.perf_counter_ns() < self._end_ns:
            self._send(connection)
            return
        self._busy -= 1
        if not self._busy and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def fail(self, exc: WrongAnswerError) -> None:
        """End the run."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc)

    def _send(self, connection: _Connection) -> None:
        self._left -= 1
        connection.send(next(self._requests))


class Client:
    """One connection for requests at any time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._answers = AnswerReader()

    @classmethod
    async def connect(cls, port: int) -> "Client":
        """Open the connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; return the status and the body of its answer."""
        self._writer.write(request)
        while data := await self._reader.read(2**18):
            answer = self._answers.feed(data)
            if answer is not None:
                return answer
        raise WrongAnswerError("the server closed a connection")

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def ask_once(port: int, request: bytes) -> tuple[int, bytes]:
    """Send a request over its own connection."""
    client = await Client.connect(port)
    try:
        return await client.ask(request)
    finally:
        client.close()
