"""What a running gateway reads again at SIGHUP, without dropping a request."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.settings.messages import PREFIX

logger = logging.getLogger(__name__)


@dataclass
class Reloads:
    """The parts that can be reloaded; call it to reload them all.

    Only files can have changed: the environment of a process, and its flags, stay. A part has the
    name of its setting, and gets the settings as they are now. Where it raises SettingsError, that
    is logged, and the part must have changed nothing.
    """

    settings: Settings
    parts: Mapping[str, Callable[[Settings], object]]

    def __call__(self) -> None:
        """Reload, and log what has been reloaded, what could not be, and what needs a restart."""
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
            else:
                done.append(f"{PREFIX}{name.upper()}")
        logger.info("Reloaded: %s", ", ".join(done) or "nothing")
        for name in Settings.secrets():
            is_new = getattr(new, name) != getattr(self.settings, name)
            if is_new and name not in self.parts:
                logger.warning("%s%s has changed: that needs a restart", PREFIX, name.upper())
        self.settings = new
