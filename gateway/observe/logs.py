"""Logs: one format for the gateway, uvicorn and every library, without secrets."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, TextIO, cast

import orjson

from gateway.observe.log_writer import LogWriter

# Messages of uvicorn that are dropped: on failed starts and refused requests, which the gateway
# logs itself, and on WebSockets, with a query string that may hold secrets.
_DROPPED = re.compile(
    r"Traceback |Exception in 'lifespan'|Application \w+ failed"
    r'|.*"WebSocket |Invalid HTTP request|Invalid UTF-8 sequence'
    r"|ASGI callable returned without completing handshake"
)

# Their messages quote a client's `tracestate`, and variables that hold keys of the collector.
_QUOTING = {"opentelemetry.trace.span", "opentelemetry.util.re"}
_QUERY_STRING = re.compile(r"\?\S+")  # of the collector's address


fields_of_task: ContextVar[Mapping[str, str]] = ContextVar("log", default=MappingProxyType({}))
"""Fields of each line that the current task logs, such as the id of its request."""

Render = Callable[[dict[str, Any]], str]
"""Makes the line of an event."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_tracebacks = logging.Formatter()  # without local variables, which may hold credentials
_gateway = logging.getLogger("gateway")
_configured_level = "info"
_writer: LogWriter | None = None


class EventHandler(logging.StreamHandler[TextIO]):
    """Writes log events, one per line, as `render` returns them."""

    def __init__(self, stream: TextIO, render: Render) -> None:
        super().__init__(stream)
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record of the standard library."""
        message = record.msg if record.name in _QUOTING else record.getMessage()
        if record.name.startswith("opentelemetry."):
            message = _QUERY_STRING.sub("?…", message)
        event = {"event": message, "logger": record.name}
        if record.exc_info:
            event["exception"] = _tracebacks.formatException(record.exc_info)
        # JSON has no unpaired surrogates, which stand for other bytes than UTF-8 in names of files.
        utf8 = {k: text.encode(errors="backslashreplace").decode() for k, text in event.items()}
        return self.line(record.levelno, utf8)

    def line(self, level: int, event: Mapping[str, object]) -> str:
        """Return the line for an event, with the fields of the task, the level, and the time."""
        return self._render(
            {
                **fields_of_task.get(),
                **event,  # its context may be that of another request (python/cpython#140947)
                "level": logging.getLevelName(level).lower(),
                "timestamp": datetime.now(UTC),
            }
        )


def log_event(logger: logging.Logger, level: int, event: str, fields: Mapping[str, object]) -> None:
    """Log an event with its fields; the caller checks that the logger is enabled for the level.

    With an `EventHandler` it bypasses the standard library, which takes ten times as long.
    """
    for handler in logging.root.handlers:
        if isinstance(handler, EventHandler):
            line = handler.line(level, {**fields, "event": event, "logger": logger.name})
            handler.stream.write(f"{line}\n")
            return
    from structlog.processors import LogfmtRenderer

    logger.log(level, "%s %s", event, LogfmtRenderer()(logger, "", {**fields}))


def configure_logs(level: str, log_format: Literal["auto", "json", "text"]) -> None:
    """Send every logger to stderr, one line per event, as JSON or as text."""
    global _configured_level
    is_terminal = sys.stderr is not None and sys.stderr.isatty()  # None: it is closed
    as_text = is_terminal if log_format == "auto" else log_format == "text"
    render = _text_renderer(is_coloured=is_terminal) if as_text else _json_of
    handler = EventHandler(_stream(), render)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _configured_level = level
    set_level()
    logging.getLogger("uvicorn.error").addFilter(_is_logged)


def _json_of(event: Mapping[str, object]) -> str:
    return orjson.dumps(event, option=orjson.OPT_UTC_Z).decode()


def _text_renderer(*, is_coloured: bool) -> Render:
    from structlog.dev import ConsoleRenderer, plain_traceback  # imports much

    # A traceback is text already: of that, any other formatter warns.
    console = ConsoleRenderer(colors=is_coloured, exception_formatter=plain_traceback)
    return lambda event: console(None, "", {**event, "timestamp": f"{event['timestamp']:{_TIME}}"})


def set_level(level: str = "") -> None:
    """Set the lowest level that is logged; without one, the configured level."""
    _gateway.setLevel((level or _configured_level).upper())
    # Below INFO the HTTP libraries log headers and frames, credentials included.
    logging.getLogger("uvicorn").setLevel(max(logging.INFO, _gateway.level))


def wait_until_written() -> None:
    """Wait until the queued lines are written, for a second at most."""
    if _writer is not None:
        _writer.wait()


def dropped_lines() -> int:
    """Return how many lines this process could not write."""
    return _writer.dropped if _writer else 0


def _stream() -> TextIO:
    """Return the stream for log lines: a queue in front of stderr, or a stderr without a file."""
    global _writer
    try:
        fd = sys.stderr.fileno() if sys.stderr else os.open(os.devnull, os.O_WRONLY)
    except OSError:
        return sys.stderr
    if _writer is None or _writer.fd != fd:
        _writer = LogWriter(fd, _report_loss)
    return cast("TextIO", _writer)


def _report_loss(lines: int) -> None:
    _gateway.warning("%d lines of the log were lost: they could not be written in time", lines)


def _is_logged(record: logging.LogRecord) -> bool:
    return not _DROPPED.match(str(record.msg))
