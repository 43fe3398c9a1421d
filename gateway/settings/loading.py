"""How settings are loaded: from flags, the environment, and files that hold secrets."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings

from gateway.errors import SettingsError
from gateway.settings import messages, parse
from gateway.settings.messages import PREFIX

_LARGEST_SECRET = 64 * 2**10


class LoadedSettings(BaseSettings):
    """The base of `Settings`."""

    _flags: Mapping[str, object] | None = PrivateAttr(None)
    """The arguments of `load`, if it made the settings."""

    @classmethod
    def load(cls, **flags: Any) -> Self:  # pydantic checks them
        """Read the settings from the environment and from flags, which take precedence.

        A secret can also come from a file, whose path is in the setting's name with `_FILE`.

        Raises:
            SettingsError: a setting is missing, unknown or invalid; the message is one line.
        """
        names = {*cls.model_fields, *(f"{name}_file" for name in cls.secrets())}
        environment = {k.removeprefix(PREFIX).lower(): k for k in os.environ if k[:8] == PREFIX}
        # pydantic would also take a name in another case; here it is unknown.
        known = {messages.variable(name) for name in names}
        environment |= {k: k for k in os.environ if k.upper() in known and not k.isupper()}
        for field in sorted(environment.keys() - names):
            raise SettingsError(messages.unknown_setting(environment[field], cls.model_fields))
        variables = {field: value for field, k in environment.items() if (value := os.environ[k])}
        values = {name: value for name, value in flags.items() if name in cls.model_fields}
        files = {**cls._files(variables), **cls._files(flags)}
        files = {name: file for name, file in files.items() if name not in values}
        values.update({name: _secret(name, file) for name, file in files.items()})
        try:
            settings = cls(**values)
        except ValidationError as exc:
            raise SettingsError(messages.bad_setting(exc, cls.model_fields, files)) from None
        settings._flags = flags
        return settings

    @classmethod
    def secrets(cls) -> list[str]:
        """Return the names of the secret settings, each of which can also come from a file."""
        return [name for name, field in cls.model_fields.items() if messages.is_secret(field)]

    @classmethod
    def _files(cls, source: Mapping[str, str]) -> dict[str, str]:
        """Return the files of secrets in one source: flags or environment."""
        files = {name: source[f"{name}_file"] for name in cls.secrets() if f"{name}_file" in source}
        for name in files.keys() & source.keys():
            name = messages.variable(name)
            raise SettingsError(f"{name} and {name}_FILE are both set: remove one of them")
        return files

    def reread(self) -> Self:
        """Return the same settings, with the secrets read again from their files.

        Raises:
            SettingsError: one cannot be read, or is invalid.
        """
        if self._flags is None:
            return self
        again = self.load(**self._flags)
        secrets = again.model_fields_set.intersection(self.secrets())
        return self.model_copy(update={name: getattr(again, name) for name in secrets})

    def exposed(self) -> list[str]:
        """Return the secrets on the command line; URLs without credentials do not count."""
        flags = self._flags or {}
        texts = {name: flags[name] for name in self.secrets() if isinstance(flags.get(name), str)}
        return [name for name, text in texts.items() if "@" in str(text) or "://" not in str(text)]

    _check_text = field_validator("*", mode="before")(parse.plain)
    _check_secret = field_validator("*")(parse.trimmed)


def _secret(name: str, path: str) -> SecretStr:
    """Read a secret from a file, without the line breaks that editors add at the end."""
    try:
        if Path(path).is_fifo():
            raise OSError(errno.ESPIPE, "a pipe cannot be read again, as a reload does")
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST_SECRET).rstrip("\r\n")
        problem = "" if text else f"{path} is empty"
    except OSError as exc:
        shown = path if Path(path).is_absolute() else "its file"  # it may be the secret itself
        problem = f"cannot read {shown}: {exc.strerror}"
    except UnicodeDecodeError:
        problem = f"cannot read {path}: not UTF-8"
    if problem:
        raise SettingsError(f"{messages.variable(name)}_FILE: {problem}")
    return SecretStr(text)
