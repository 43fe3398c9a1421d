"""Error messages about settings: one line each."""

import difflib
import json
import re
from collections.abc import Collection, Mapping

from pydantic import ValidationError
from pydantic.fields import FieldInfo

PREFIX = "GATEWAY_"
EXAMPLE_URL = "https://crm.example.com/superoffice"

NO_UPSTREAM = (
    f"{PREFIX}UPSTREAM_URL is not set: SuperOffice's address, for example "
    f"{PREFIX}UPSTREAM_URL={EXAMPLE_URL}; for SuperOffice Online, set {PREFIX}ENVIRONMENT=online "
    "instead. To try the gateway without either: gateway demo"
)
TWO_UPSTREAMS = (
    f"{PREFIX}UPSTREAM_URL and {PREFIX}ENVIRONMENT are both set: the first is for one address, the "
    "second for all tenants of SuperOffice Online"
)
ONE_TENANT = (
    f"{PREFIX}TOPIC_NAMES and {PREFIX}ENVIRONMENT are both set: channels of several tenants "
    f"can have the same id, so {PREFIX}TENANTS has to be the one tenant whose channels are named"
)

_REASONS = {"bool_parsing": "it must be on or off"}
"""Replacements for pydantic's messages, by its type of error."""


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def unknown_setting(name: str, fields: Collection[str]) -> str:
    """Return the message for an unknown setting, with the most similar name."""
    near = difflib.get_close_matches(name.upper(), map(variable, fields), n=1)
    hint = f"did you mean {near[0]}?" if near else "`gateway serve --help` lists the settings."
    return f"{name}: there is no such setting; {hint}"


def is_secret(field: FieldInfo) -> bool:
    """Return whether the value of a setting must not be shown."""
    return "SecretStr" in str(field.annotation)


def with_flags(text: str, flags: Collection[str]) -> str:
    """Replace environment variables in a message by flags, for the settings in `flags`."""

    def named(match: re.Match[str]) -> str:
        name = match[1].lower()
        is_flag = name in flags
        return f"--{name.replace('_', '-')}{match[2] and ' '}" if is_flag else match[0]

    return re.sub(rf"\b{PREFIX}([A-Z_]+)(=?)", named, text)


def bad_setting(
    exc: ValidationError, fields: Mapping[str, FieldInfo], files: Collection[str]
) -> str:
    """Return the message for an invalid value, with its example; a secret is not shown.

    The values of the settings in `files` come from files.
    """
    error = exc.errors()[0]
    reason = _REASONS.get(error["type"], error["msg"])
    reason = reason.removeprefix("Value error, ").partition(", unable to")[0]
    reason = reason.replace("Input should be", "it must be")
    if not error["loc"]:
        return reason  # it concerns several settings, and names them
    field = str(error["loc"][0])
    info = fields[field]
    name = variable(field)
    if field in files:
        return f"{name}_FILE: {reason}"
    # In a URL, the part before an @ may be a password.
    is_hidden = is_secret(info) or "@" in str(error["input"])
    text = json.dumps(str(error["input"])[:80], ensure_ascii=False)
    shown = "" if is_hidden else f"={text}"
    example = (info.examples or [""])[0]
    return f"{name}{shown}: {reason}" + (f"; for example {name}={example}" if example else "")
