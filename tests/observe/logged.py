"""The log of a process, captured in memory."""

import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from gateway.observe.logs import configure_logs


class Log(io.StringIO):
    """Captures stderr; a terminal if `is_terminal` is set."""

    is_terminal = False

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self.is_terminal

    @property
    def lines(self) -> list[str]:
        """Every line so far."""
        return self.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line so far, read as JSON."""
        return [json.loads(line) for line in self.lines]


@contextlib.contextmanager
def own_logging() -> Iterator[None]:
    """Restore the logging configuration at the end."""
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in ("gateway", "uvicorn"))]
    levels = [logger.level for logger in loggers]
    handlers, root.handlers = root.handlers, []  # the remaining handlers' streams are closed
    try:
        yield
    finally:
        root.handlers = handlers
        for logger, level in zip(loggers, levels, strict=True):
            if logger.level != level:  # to set it visits all loggers
                logger.setLevel(level)


@contextlib.contextmanager
def logged(
    level: str = "info",
    log_format: Literal["auto", "json", "text"] = "json",
    *,
    to_terminal: bool = False,
) -> Iterator[Log]:
    """Configure the logs as a process does; yields the log."""
    log = Log()
    log.is_terminal = to_terminal
    with own_logging(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", log)
        configure_logs(level, log_format)
        yield log
