"""Error messages about settings: one line each."""

import difflib
import json
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


def unknown_setting(name: str, fields: Collection[str]) -> str:
    """Return the message for an unknown name, with the most similar one."""
    known = [f"{PREFIX}{field.upper()}" for field in fields]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "`gateway serve --help` lists the settings."
    return f"{name}: there is no such setting; {hint}"


def bad_setting(
    exc: ValidationError, fields: Mapping[str, FieldInfo], flags: Collection[str] = ()
) -> str:
    """Return the message for an invalid value, with an example; a secret is not shown.

    A setting that came as one of the `flags` is named as a flag.
    """
    error = exc.errors(include_url=False)[0]
    reason = error["msg"].removeprefix("Value error, ").partition(", unable to")[0]
    reason = reason.replace("Input should be", "it must be")
    if not error["loc"]:
        return reason  # about several settings, and says which
    field = str(error["loc"][0])
    info = fields[field]
    # In a URL, the part before an @ may be a password.
    is_secret = "SecretStr" in str(info.annotation) or "@" in str(error["input"])
    name, gives = f"{PREFIX}{field.upper()}", "="
    if field in flags:
        name, gives = f"--{field.replace('_', '-')}", " "
    text = json.dumps(str(error["input"])[:80], ensure_ascii=False)
    given = "" if is_secret else f"{gives}{text}"
    example = (info.examples or [""])[0]
    return f"{name}{given}: {reason}; for example {name}{gives}{example}"
