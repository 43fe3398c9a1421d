"""What is given to a command: texts, files, a tenant, and headers with credentials in them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.caller import CallerPolicy
from gateway.errors import GatewayError, SettingsError
from gateway.headers import Header
from gateway.settings import Settings

__all__ = [
    "AUTHORIZATION",
    "headers_given",
    "stdin_given",
    "tenant_given",
    "text_given",
    "utf8_given",
]

AUTHORIZATION = "SUPEROFFICE_AUTHORIZATION"
"""A variable of the environment: what is on a command line is seen by others, and kept."""


def utf8_given(name: str, text: str) -> str:
    """Return what the argument of this name says; other bytes are there as surrogates (PEP 383).

    Raises:
        SettingsError: it has such bytes.
    """
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise SettingsError(f"{name}: it is not UTF-8") from exc
    return text


def text_given(text: str) -> str:
    """Return the text itself, or what is in the file that it names.

    Raises:
        SettingsError: the file cannot be read.
    """
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8")
    except OSError as exc:
        raise SettingsError(f"cannot read {text[1:]}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise SettingsError(f"cannot read {text[1:]}: it is not UTF-8") from exc


def stdin_given() -> str:
    """Return all that comes on stdin, whatever the shell's locale takes it for.

    Raises:
        SettingsError: it is no text.
    """
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as exc:
        raise SettingsError("cannot read stdin: it is not UTF-8") from exc


def tenant_given(settings: Settings, tenant: str | None) -> str | None:
    """Return the name of a tenant, if one is given.

    Raises:
        SettingsError: there can be no such tenant.
    """
    if not tenant:
        return None
    name = utf8_given("--tenant", tenant)
    if settings.environment is None:
        raise SettingsError("--tenant: there are several with GATEWAY_ENVIRONMENT only")
    return name


def headers_given(given: Sequence[str]) -> list[Header]:
    """Read headers, one or a file of them in each text, and what the environment has beside them.

    Raises:
        SettingsError: one cannot be read; none is quoted, as it may be a credential.
    """
    lines = [line for text in given for line in text_given(text).splitlines()]
    headers = [_header(line) for line in lines]
    value = os.environ.get(AUTHORIZATION, "").strip()
    if value and all(name != b"authorization" for name, _ in headers):
        headers.append(_authorization(value))
    return headers


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
    if not value.isprintable():  # a line break, say, can be in no header
        raise SettingsError(advice)
    return header
