"""uvicorn's server, with a drain before it stops and one line when it cannot start."""

import asyncio
import contextlib
import logging
import math
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import CannotStartError, SettingsError
from gateway.observe.logs import set_level
from gateway.server import signals
from gateway.server.protocol import GatewayProtocol
from gateway.server.resources import BACKLOG, PASSING
from gateway.server.websocket import SocketProtocol

_TICK_S = 0.1
_LAST_REQUESTS_S = 0.1
"""Time for the first requests of connections that were accepted just before the port closed."""

_ACCEPTED_AT_ONCE = 64
_VERBOSE_S = 300

logger = logging.getLogger(__name__)

# Longer than nginx and AWS keep idle connections: to close one first could lose a request.
_KEEP_ALIVE_S = 75


def config_of(app: ASGIApp, **options: Any) -> uvicorn.Config:  # each has its own type
    """Return the configuration of a server for an app; `options` are uvicorn's."""
    # uvicorn's access log would print query strings, and with them customers' data.
    return uvicorn.Config(
        app,
        http=GatewayProtocol,
        ws=SocketProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # web/read/proxies.py reads them, from trusted addresses alone
        ws_per_message_deflate=False,  # a kilobyte could become a megabyte, before any login
        ws_ping_timeout=None,  # `SocketProtocol` ends silent connections
        workers=1,  # from WEB_CONCURRENCY, uvicorn would read it
        **{"timeout_keep_alive": _KEEP_ALIVE_S, **options},
    )


def cannot_start(exc: Exception) -> SettingsError:
    """Return the error for a failed start, in one line; at debug the log has the traceback."""
    logger.debug("the gateway cannot start", exc_info=exc)
    if isinstance(exc, SettingsError):
        return exc
    # RuntimeError: no thread can be started.
    may_pass = isinstance(exc, MemoryError | RuntimeError) or getattr(exc, "errno", None) in PASSING
    return (CannotStartError if may_pass else SettingsError)(f"cannot start: {exc!r}")


class GatewayServer(uvicorn.Server):
    """Drains before it stops, and returns after SIGINT and SIGTERM.

    Draining, it serves for `shutdown_delay_s` more: load balancers need a while to notice that it
    is not ready. uvicorn closes the port at once, and raises the signal again when it is done,
    which would end the process with a traceback or with exit code 143.

    One of several workers has a `supervisor`. It may get the same SIGTERM more than once, and USR2
    ends its drain. It also drains when its supervisor has ended: no signal would come.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        shutdown_delay_s: float = 0,
        when_started: Callable[[], None] = lambda: None,
        supervisor: BaseProcess | None = None,
    ) -> None:
        super().__init__(config)
        self.supervisor = supervisor
        self.shutdown_delay_s = shutdown_delay_s
        self.when_started = when_started
        self.is_hurried = False
        self.listeners: list[socket.socket] = []
        self._connecting = set[asyncio.Task[None]]()
        self._signals: list[int] = []
        self._level_timer: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, and serve.

        Raises:
            SettingsError: the application did not start.
        """
        self.listeners = sockets or []
        self.config.http_protocol_class = self._accepted  # type: ignore[assignment]  # its factory
        app = self.config.loaded_app
        failures: list[Exception] = []

        async def start(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except Exception as exc:
                if self.started:
                    logger.exception("the application did not stop as it should")
                failures.append(exc)
                raise

        self.config.loaded_app = start
        try:
            await super().startup(sockets)
        except SystemExit:
            raise cannot_start(failures[0]) from None
        self.config.loaded_app = app
        if threading.current_thread() is threading.main_thread():
            for number in signals.HANDLED:
                signal.signal(number, lambda number, _: self._signals.append(number))
        self.when_started()
        self._notify("READY=1")

    async def on_tick(self, counter: int) -> bool:
        """Handle signals; return whether it is time to stop. Called ten times a second."""
        pending, self._signals = self._signals, []
        for number in dict.fromkeys(pending):  # one reload for many HUPs: SIGTERM must not wait
            self._handle(number)
        if self.supervisor is not None and not self.supervisor.is_alive():
            self.should_exit = True  # `|=` would undo that of a signal which comes meanwhile
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, and shut down; connections that wait in its backlog are accepted first.

        Their clients may have sent a request already, and the kernel would reset them.
        """
        with contextlib.ExitStack() as waiting, contextlib.suppress(OSError):  # too many files
            listeners = [waiting.enter_context(listener.dup()) for listener in self.listeners]
            for server in self.servers:
                server.close()  # the event loop must not accept them at the same time
            self._accept_waiting(listeners, BACKLOG)
        await asyncio.sleep(_LAST_REQUESTS_S)
        await super().shutdown(sockets)

    def _accepted(self, **parts: Any) -> GatewayProtocol:
        """Return the protocol of a connection that uvloop has accepted; accept those that wait.

        uvloop accepts one in an iteration of the event loop: beside 300 busy connections, new ones
        would wait for seconds. At the limit it is one, too: of those that have not sent a request
        yet, one would replace the other.
        """
        edge = getattr(self.config.loaded_app.state, "edge", None)
        room: int = edge.connection_limit.most if edge else _ACCEPTED_AT_ONCE
        room -= len(self.server_state.connections) + len(self._connecting)
        self._accept_waiting(self.listeners, min(_ACCEPTED_AT_ONCE, room))
        return GatewayProtocol(**parts)

    def _accept_waiting(self, listeners: Sequence[socket.socket], most: int) -> None:
        for listener in listeners:
            with contextlib.suppress(OSError):  # none waits, or no file is free
                for _ in range(most):
                    accepted, _ = listener.accept()
                    task = asyncio.create_task(self._connect(accepted))
                    self._connecting.add(task)
                    task.add_done_callback(self._connecting.discard)

    async def _connect(self, accepted: socket.socket) -> None:
        protocol = partial(GatewayProtocol, self.config, self.server_state, self.lifespan.state)
        with contextlib.suppress(OSError):  # it has been closed
            await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted)

    def _handle(self, number: int) -> None:
        """Handle a signal that does not stop the server by itself."""
        if number == signals.USR2 and self.should_exit and self.supervisor is not None:
            self.is_hurried = True
        elif number == signals.USR1:
            set_level("debug")
            self._reset_level_later(_VERBOSE_S)
            logger.info("The log has the level debug for %d s", _VERBOSE_S)
        elif signals.is_hangup(number):
            self.handle_exit(signal.SIGTERM, None)
        elif number == signals.HUP:
            self._notify(signals.reloading())
            self._reset_level_later(0)
            if reload := getattr(self.config.loaded_app.state, "reload", None):
                reload()
            for connection in self._http_connections():
                connection.forget_head()
            self._notify("READY=1")

    def _notify(self, state: str) -> None:
        """Report a state to systemd; a worker's supervisor does that."""
        if self.supervisor is None:
            signals.notify_systemd(state)

    def _http_connections(self) -> list[GatewayProtocol]:
        """Return the open connections that are not WebSockets."""
        return [c for c in self.server_state.connections if isinstance(c, GatewayProtocol)]

    def _reset_level_later(self, delay_s: float) -> None:
        """Set the log's level to the configured one, after a delay."""
        if self._level_timer is not None:
            self._level_timer.cancel()
        self._level_timer = asyncio.get_running_loop().call_later(delay_s, set_level)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain; Ctrl+C or a second signal ends the drain; one more Ctrl+C drops requests."""
        if self.supervisor is not None and self.should_exit and sig != signal.SIGINT:
            return  # the same SIGTERM again
        self.force_exit |= self.is_hurried and sig == signal.SIGINT
        self.is_hurried |= self.should_exit or sig == signal.SIGINT
        self.should_exit = True

    async def main_loop(self) -> None:
        """Serve until a signal comes, then drain."""
        if signals.early:
            self.should_exit = self.is_hurried = True
        await super().main_loop()
        self._notify("STOPPING=1")
        self.config.loaded_app.state.is_ready = False
        for connection in self._http_connections():
            connection.drain()
        ticks = math.ceil(self.shutdown_delay_s / _TICK_S)
        for tick in range(ticks):
            if self.is_hurried:
                break
            await self.on_tick(tick)
            await asyncio.sleep(_TICK_S)
        self.is_hurried = True
