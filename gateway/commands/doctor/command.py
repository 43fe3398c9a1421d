"""`gateway doctor`: check settings, network and SuperOffice, and say what to do."""

import argparse
import asyncio
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr

from gateway.commands import arguments
from gateway.commands.doctor.finding import Finding
from gateway.settings import Settings
from gateway.settings.messages import PREFIX

_MASK = "********"
_COLORS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[31m"}


def register(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.set_defaults(run=_run)
    command.add_argument("--json", dest="is_json", action="store_true", help="print JSON")
    arguments.add_caller(command)


def _run(headers: list[str], tenant: str | None, *, is_json: bool, **flags: str) -> int:
    """Print settings and findings; return 1 if a check fails.

    Raises:
        SettingsError: the gateway would not start.
    """
    from gateway.app import create_app
    from gateway.commands.doctor.examination import examine

    settings, sent = arguments.read_caller(headers, tenant, flags)
    create_app(settings)  # if it cannot start, the reason is the only finding
    findings = asyncio.run(examine(settings, sent, tenant or None))
    shown = _effective(settings, flags)
    if is_json:
        report = {"settings": shown, "findings": [asdict(finding) for finding in findings]}
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()
    else:
        text = f"{_settings_text(shown)}\n\n{findings_text(findings, sys.stdout.isatty())}"
    print(text)  # noqa: T201
    return int(any(finding.level == "fail" for finding in findings))


def _effective(settings: Settings, flags: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the value of each setting, masked if it is a secret, and where it comes from."""
    shown, defaults = {}, Settings.shown_defaults()
    for name, field in type(settings).model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        source = "flag" if name in flags else variable if variable in os.environ else "default"
        is_random = source == "default" and field.default_factory is not None
        value = None if is_random else getattr(settings, name)
        text = defaults[name] if value is None else _shown(value)
        shown[name] = {"value": text, "source": source}
    return shown


def _shown(value: object) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case frozenset():
            names = (name.decode() if isinstance(name, bytes) else name for name in value)
            return ",".join(sorted(names))
        case SecretStr():
            try:
                url = urlsplit(value.get_secret_value())
            except ValueError:
                return _MASK
            if url.scheme in {"redis", "rediss"} and url.hostname:
                return f"{url.scheme}://{url.hostname}:{url.port or 6379}"
            if url.scheme == "unix":
                return f"unix://{url.path}"
            return _MASK
    return str(value)


def _settings_text(shown: dict[str, dict[str, str]]) -> str:
    width = max(map(len, shown))
    lines = [
        f"  {name:{width}}  {setting['value'] or '-'}"
        + (f"  ({setting['source']})" if setting["source"] != "default" else "")
        for name, setting in shown.items()
    ]
    return "\n".join(["Settings", *lines])


def findings_text(findings: Sequence[Finding], is_terminal: bool) -> str:
    """Write a line per finding, and its advice below it; a terminal gets colours."""
    width = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        level = f"{finding.level:4}"
        if is_terminal:
            level = f"{_COLORS[finding.level]}{level}\x1b[0m"
        lines.append(f"  {level}  {finding.check:{width}}  {finding.found}")
        if finding.advice:
            lines.append(f"  {'':4}  {'':{width}}  → {finding.advice}")
    return "\n".join(["Findings", *lines])
