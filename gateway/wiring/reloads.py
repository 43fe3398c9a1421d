"""Reload files of a running gateway at SIGHUP, without dropping a request."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.settings.messages import variable

logger = logging.getLogger(__name__)


@dataclass
class Reloads:
    """The parts that can be reloaded; a call reloads them all.

    Only files can change: the environment and the flags of a process stay. Each part has the name
    of its setting, and is called with the new settings. A part that raises must have changed
    nothing; the error is logged, whatever its kind: a reload must not end the server.
    """

    settings: Settings
    parts: Mapping[str, Callable[[Settings], object]]

    def __call__(self) -> None:
        """Reload; log the reloaded parts, the failed ones, and changes that need a restart."""
        try:
            new = self.settings.reread()
        except SettingsError as exc:
            logger.error("Nothing was reloaded: %s", exc)
            return
        done = []
        for name, apply in self.parts.items():
            try:
                apply(new)
            except SettingsError as exc:
                logger.error("Not reloaded: %s", exc)
            except Exception:
                logger.exception("Not reloaded: %s", variable(name))
            else:
                done.append(variable(name))
        logger.info("Reloaded: %s", ", ".join(done) or "nothing")
        for name in Settings.secrets():
            is_new = getattr(new, name) != getattr(self.settings, name)
            if is_new and name not in self.parts:
                logger.warning("%s has changed: that needs a restart", variable(name))
        self.settings = new
