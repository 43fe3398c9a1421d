"""Logs: one format for the gateway, uvicorn and every library, without secrets."""

import logging
import re
import sys
import time
from typing import Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor

# What uvicorn logs of failed starts and refused handshakes, which have a line of ours, and of a
# WebSocket's address with its query string, which may hold anything.
_KNOWN = re.compile(
    r"Traceback |Exception in 'lifespan'|Application \w+ failed"
    r'|.*"WebSocket |Invalid UTF-8 sequence|ASGI callable returned without completing handshake'
)


class _TimeStamper:
    """Adds the time in UTC, as structlog's own, but formats it only once a second."""

    def __init__(self) -> None:
        self._second: tuple[int, str] = (0, "")

    def __call__(self, _: object, __: str, event: EventDict) -> EventDict:
        now_s, left_ns = divmod(time.time_ns(), 10**9)
        second, text = self._second
        if now_s != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
            self._second = (now_s, text)
        event["timestamp"] = f"{text}.{left_ns // 1000:06}Z"
        return event


def configure_logs(level: str, log_format: Literal["auto", "json", "text"]) -> None:
    """Send every logger to stderr, one line per event, as JSON or as text."""
    stamps = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _TimeStamper(),
    )
    as_text = sys.stderr.isatty() if log_format == "auto" else log_format == "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*stamps, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(as_text=as_text),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("gateway").setLevel(level.upper())
    # Below INFO the HTTP libraries log headers and frames, credentials included.
    logging.getLogger("uvicorn").setLevel(max(logging.INFO, logging.getLevelName(level.upper())))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    # Events of the gateway bypass the standard library, which takes ten times as long for a line.
    structlog.configure(
        processors=[*stamps, *_renderers(as_text=as_text)],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def _is_news(record: logging.LogRecord) -> bool:
    return not _KNOWN.match(str(record.msg))


def _renderers(*, as_text: bool) -> list[Processor]:
    # Plain tracebacks: structlog's others print local variables, which may hold credentials.
    if as_text:
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    as_json = structlog.processors.JSONRenderer(
        lambda *a, **more: orjson.dumps(*a, **more).decode()
    )
    return [structlog.processors.format_exc_info, as_json]
