"""What a running gateway reads again at SIGHUP, without dropping a request."""

import logging
from collections.abc import Callable

from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.settings.messages import PREFIX

logger = logging.getLogger(__name__)


class Reloads:
    """The parts that can be reloaded; call it to reload them all.

    Only files can have changed: the environment of a process, and its flags, stay.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._parts: dict[str, Callable[[Settings], object]] = {}

    def add(self, name: str, apply: Callable[[Settings], object]) -> None:
        """Add a part, under the name of its setting; `apply` gets the settings as they are now.

        Where it raises SettingsError, that is logged, and the part must have changed nothing.
        """
        self._parts[name] = apply

    def __call__(self) -> None:
        """Reload, and log what has been reloaded, what could not be, and what needs a restart."""
        try:
            new = self._settings.reread()
        except SettingsError as exc:
            logger.error("Nothing was reloaded: %s", exc)
            return
        done = []
        for name, apply in self._parts.items():
            try:
                apply(new)
            except SettingsError as exc:
                logger.error("Not reloaded: %s", exc)
            else:
                done.append(f"{PREFIX}{name.upper()}")
        logger.info("Reloaded: %s", ", ".join(done) or "nothing")
        for name in Settings.secrets():
            is_new = getattr(new, name) != getattr(self._settings, name)
            if is_new and name not in self._parts:
                logger.warning("%s%s has changed: that needs a restart", PREFIX, name.upper())
        self._settings = new
