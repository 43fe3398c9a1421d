"""What is given on a command line: a text or `@FILE`, and headers with credentials in them."""

import os
from collections.abc import Sequence
from pathlib import Path

from gateway.caller import Header
from gateway.errors import SettingsError

__all__ = ["AUTHORIZATION", "headers_given", "text_given"]

AUTHORIZATION = "SUPEROFFICE_AUTHORIZATION"
"""A variable of the environment: what is on a command line is seen by others, and kept."""


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


def headers_given(given: Sequence[str]) -> list[Header]:
    """Read headers, one or a file of them in each text, and what the environment has beside them.

    Raises:
        SettingsError: one cannot be read; none is quoted, as it may be a credential.
    """
    lines = [line for text in given for line in text_given(text).splitlines()]
    headers = [_header(line) for line in lines]
    if AUTHORIZATION in os.environ and all(name != b"authorization" for name, _ in headers):
        headers.append(_header(f"Authorization: {os.environ[AUTHORIZATION]}"))
    return headers


def _header(line: str) -> Header:
    name, colon, value = (part.strip() for part in line.partition(":"))
    if not (colon and name.isascii() and value):
        raise SettingsError("--header: write it as 'Name: value'")
    return name.lower().encode(), os.fsencode(value)
