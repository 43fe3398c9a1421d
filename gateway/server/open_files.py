"""Open files: each connection is one, and the system limits how many a process may have."""

import contextlib
import logging
import math
import sys

from gateway.errors import SettingsError
from gateway.settings import Settings

logger = logging.getLogger(__name__)

_OTHER_FILES = 200


def needed(settings: Settings) -> int:
    """Return how many files the settings may lead to."""
    return settings.max_connections + settings.upstream_connections + _OTHER_FILES


def limit() -> float:
    """Return how many files the system allows this process at most: its hard limit."""
    if sys.platform == "win32":  # pragma: no cover - there is no such limit
        return math.inf
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return math.inf if hard == resource.RLIM_INFINITY else hard


def with_fewer_connections(settings: Settings) -> Settings:
    """Raise the limit to the hard one, and return the settings with the connections it allows.

    A refused connection is logged; running out of files is not.

    Raises:
        SettingsError: it leaves none.
    """
    if sys.platform != "win32":  # pragma: no branch - there is no such limit
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with contextlib.suppress(ValueError):  # macOS has a limit below the one that it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = limit()
    fewer = settings.max_connections + most - needed(settings)
    if fewer >= settings.max_connections:
        return settings
    if fewer < 1:
        needs = f"{needed(settings)} may be needed: raise the limit (LimitNOFILE=, ulimit -n)"
        raise SettingsError(f"{most} files may be open, and {needs}")
    logger.warning("The limit of open files leaves room for %d connections: more are closed", fewer)
    return settings.model_copy(update={"max_connections": fewer})
