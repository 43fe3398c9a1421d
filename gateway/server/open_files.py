"""How many files the process may have open: each connection is one."""

import contextlib
import logging
import math
import sys

from gateway.settings import Settings

__all__ = ["allowed", "needed", "raised_for"]

logger = logging.getLogger(__name__)

_FOR_THE_REST = 200


def needed(settings: Settings) -> int:
    """Return how many the settings may lead to."""
    return settings.max_connections + settings.upstream_connections + _FOR_THE_REST


def allowed() -> float:
    """Take all that the system allows, as shells start with 1,024, and return how many that is."""
    if sys.platform == "win32":  # pragma: no cover - there is no such limit
        return math.inf
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError):  # some systems have a limit that they do not tell
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return math.inf if most == resource.RLIM_INFINITY else most


def raised_for(settings: Settings) -> Settings:
    """Return the settings with as many connections as there may be files for.

    Of a connection too many the log tells; of one that there is no file for it does not.
    """
    missing = needed(settings) - allowed()
    if missing <= 0:
        return settings
    fewer = max(1, settings.max_connections - int(missing))
    logger.warning("Files may be open for no more than %d connections: that many are let in", fewer)
    return settings.model_copy(update={"max_connections": fewer})
