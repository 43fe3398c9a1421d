"""Logs: one format for us, uvicorn and every library, and no secrets from any of them."""

import logging
import sys
import time
from typing import Any, Literal

import orjson
import structlog

__all__ = ["configure_logs"]


_KNOWN_ENDS = ("without completing handshake.", "startup failed. Exiting.")


class _TimeStamper:
    """Adds the time in UTC, as structlog's own does, but makes its text once a second."""

    def __init__(self) -> None:
        self._second: tuple[int, str] = (0, "")

    def __call__(
        self, _: Any, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        now_s, left_ns = divmod(time.time_ns(), 10**9)
        second, text = self._second
        if now_s != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
            self._second = (now_s, text)
        event["timestamp"] = f"{text}.{left_ns // 1000:06}Z"
        return event


_stamps: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    _TimeStamper(),
)


def configure_logs(level: str, log_format: Literal["auto", "json", "text"]) -> None:
    """Send every logger to stderr, one line per event, as JSON or as text."""
    shared = [*_stamps, structlog.stdlib.add_logger_name]
    as_text = sys.stderr.isatty() if log_format == "auto" else log_format == "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(as_text=as_text),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("gateway").setLevel(level.upper())
    # What the HTTP libraries say below INFO quotes headers and frames, credentials included.
    logging.getLogger("uvicorn").setLevel(max(logging.INFO, logging.getLevelName(level.upper())))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    # For events of our own, past the standard library, which takes ten times as long for a line.
    structlog.configure(
        processors=[*_stamps, *_renderers(as_text=as_text)],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def _is_news(record: logging.LogRecord) -> bool:
    # uvicorn logs the address of a WebSocket with its query string, which may hold anything. It
    # also logs refused handshakes and failed starts, which have a line of ours already.
    message = str(record.msg)
    return '"WebSocket ' not in message and not message.endswith(_KNOWN_ENDS)


def _renderers(*, as_text: bool) -> list[structlog.typing.Processor]:
    # Plain tracebacks: the prettier ones print local variables, and those hold credentials.
    if as_text:
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_as_json)]


def _as_json(event: Any, **options: Any) -> str:
    return orjson.dumps(event, **options).decode()
