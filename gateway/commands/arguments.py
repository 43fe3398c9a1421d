"""The arguments that several commands share: their flags, and the parsers of their values."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from gateway.caller import CallerPolicy
from gateway.errors import GatewayError, SettingsError
from gateway.headers import Header
from gateway.settings import Settings

AUTHORIZATION = "SUPEROFFICE_AUTHORIZATION"
"""Environment variable for credentials: other users see command lines, and shells store them."""


_METAVARS = {
    r"host:": "ADDRESS",
    r"port:": "PORT",
    r"_url:": "URL",
    r"_rate:": "PER_SECOND",
    r"bool": "on|off",
    r"ByteSize": "BYTES",
    r"float": "SECONDS",
    r"frozenset|list|tuple": "A,B",
    r"Path": "FILE",
    r"ZoneInfo": "ZONE",
    r"SecretStr": "SECRET",
    r"dict": "1=A,2=B",
    r"int": "NUMBER",
}
"""Placeholders for values in the help, by the first pattern that is found in `name: type`."""

_COMMAND_LINES = "; other users can read command lines: use a file or the environment"


def add_settings(command: argparse.ArgumentParser, usage: str) -> None:
    """Add a flag for each setting; without the flag, the environment variable counts."""
    command.usage = f"{command.prog} {usage} [settings]".replace("  ", " ")
    meanings, defaults = Settings.meanings(), Settings.shown_defaults()
    secrets = Settings.secrets()
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, field in Settings.model_fields.items():
        title = str(cast("JsonDict", field.json_schema_extra)["group"])
        if title not in groups:
            groups[title] = command.add_argument_group(title)
        flag, default = f"--{name.replace('_', '-')}", defaults[name]
        text = meanings[name] + (_COMMAND_LINES if name in secrets else "")
        _add_flag(groups[title], flag, _metavar(name, field), text + (default and f" [{default}]"))
        if name in secrets:
            _add_flag(groups[title], f"{flag}-file", "FILE", f"File with the value of {flag}")
    command.epilog = (
        "Each setting is also an environment variable: --cache-ttl is GATEWAY_CACHE_TTL."
    )


def _add_flag(group: argparse._ArgumentGroup, flag: str, metavar: str, text: str) -> None:
    text = text.replace("%", "%%")
    group.add_argument(flag, default=argparse.SUPPRESS, metavar=metavar, help=text)


def _metavar(name: str, field: FieldInfo) -> str:
    annotation = str(field.annotation)
    if "Literal" in annotation and "frozenset" not in annotation:
        return "|".join(re.findall(r"'(\w+)'", annotation))
    field_text = f"{name}: {annotation}"
    return next((text for key, text in _METAVARS.items() if re.search(key, field_text)), "TEXT")


def add_caller(command: argparse.ArgumentParser, usage: str) -> None:
    """Add the flags for a caller and a tenant, and one for each setting."""
    command.add_argument(
        "--header",
        dest="headers",
        action="append",
        default=[],
        metavar="HEADER",
        help="'Name: value', or @FILE with one per line; put an Authorization into the "
        f"environment variable {AUTHORIZATION} instead: others can read a command line",
    )
    command.add_argument("--tenant", metavar="NAME", help="SuperOffice Online: Cust12345")
    add_settings(command, usage)


def count(text: str) -> int:
    """Parse a number of items, as an argparse type."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: must be 0 or more")
    return int(text)


def utf8(name: str, text: str) -> str:
    """Return an argument's text if it is UTF-8; other bytes are surrogates in it (PEP 383).

    Raises:
        SettingsError: the bytes are not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise SettingsError(f"{name}: not UTF-8") from exc
    return text


def text_or_file(text: str) -> str:
    """Return the text itself, or the content of the file in `@FILE`.

    Raises:
        SettingsError: the file cannot be read, or is not UTF-8.
    """
    return _decoded(text[1:], Path(text[1:]).read_bytes) if text.startswith("@") else text


def stdin_text() -> str:
    """Read all of stdin as UTF-8, in every locale.

    Raises:
        SettingsError: it is not UTF-8.
    """
    return _decoded("stdin", sys.stdin.buffer.read)


def _decoded(source: str, read: Callable[[], bytes]) -> str:
    try:
        return read().decode("utf-8-sig")
    except OSError as exc:
        raise SettingsError(f"cannot read {source}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"cannot read {source}: not UTF-8") from exc


def read_caller(
    texts: Sequence[str], tenant: str | None, flags: Mapping[str, str]
) -> tuple[Settings, list[Header]]:
    """Return the settings, and the caller's headers with the credentials from the environment.

    Raises:
        SettingsError: one is invalid; the message quotes no header, as it may be a credential.
    """
    settings = Settings.load(**flags)
    lines = (line for text in texts for line in text_or_file(text).splitlines())
    headers = [_header(line) for line in lines if line.strip()]
    value = os.environ.get(AUTHORIZATION, "").strip()
    if value and all(name != b"authorization" for name, _ in headers):
        headers.append(_authorization(value))
    if tenant and utf8("--tenant", tenant) and settings.environment is None:
        raise SettingsError("--tenant needs GATEWAY_ENVIRONMENT")
    return settings, headers


def _header(line: str) -> Header:
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not (colon and name.isascii() and value):
        raise SettingsError("--header: write it as 'Name: value'")
    return name.lower().encode(), os.fsencode(value)


def _authorization(value: str) -> Header:
    header = b"authorization", os.fsencode(value)
    advice = f"{AUTHORIZATION}: write it as 'Basic …', 'Bearer …' or 'SoTicket …'"
    try:
        CallerPolicy().read([header])
    except GatewayError as exc:
        raise SettingsError(advice) from exc
    if not value.isprintable():  # a line break, for example
        raise SettingsError(advice)
    return header
