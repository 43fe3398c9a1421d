"""`gateway doctor`: check settings, network and SuperOffice, and print advice."""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from pydantic import SecretStr

from gateway.commands import arguments
from gateway.commands.doctor.finding import Finding
from gateway.commands.table import aligned
from gateway.headers import TENANT, Header
from gateway.settings import Settings
from gateway.settings.messages import variable

if TYPE_CHECKING:
    from gateway.web.graphql import GraphQL

_MASK = "********"
_COLORS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[31m"}


def register(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.set_defaults(run=_run)
    command.add_argument("--json", dest="is_json", action="store_true", help="print JSON")
    command.add_argument(
        "--all", dest="shows_all", action="store_true", help="print the unchanged settings, too"
    )
    arguments.add_caller(command, "[options]")


def _run(
    headers: list[str], tenant: str | None, *, is_json: bool, shows_all: bool, **flags: str
) -> int:
    """Print findings and changed settings; return 1 if a check fails.

    Raises:
        SettingsError: the gateway would not start.
    """
    from gateway.app import create_app

    settings, sent = arguments.read_caller(headers, tenant, flags)
    tenant = tenant or os.fsdecode(dict(sent).get(TENANT, b""))
    app = create_app(settings)  # if the gateway cannot start, no check is made
    findings = asyncio.run(_examine(settings, app.state.graphql, sent, tenant or None))
    shown = _effective(settings, flags)
    if is_json:
        report = {"settings": shown, "findings": [asdict(finding) for finding in findings]}
        text = orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()
    else:
        text = findings_text(findings, sys.stdout.isatty())
        text += f"\n\n{_settings_text(shown, shows_all=shows_all)}"
    print(text)  # noqa: T201
    return int(any(finding.level == "fail" for finding in findings))


async def _examine(
    settings: Settings, graphql: "GraphQL", headers: Sequence[Header], tenant: str | None
) -> list[Finding]:
    """Check the settings, trusted documents, this machine, Redis, the network and SuperOffice."""
    from gateway.commands.doctor import machine, servers  # slow to import
    from gateway.upstream.transport import PooledTransport

    findings = [Finding("settings", "warn", text) for text in settings.warnings]
    findings += await _trusted_documents(settings, graphql)
    findings += [*machine.ports(settings), machine.open_files(settings)]
    if settings.redis_url is not None:
        findings.append(await machine.shared_cache(settings.redis_url))
    async with PooledTransport(settings) as connections:
        return findings + await servers.superoffice(connections, settings, headers, tenant)


async def _trusted_documents(settings: Settings, graphql: "GraphQL") -> list[Finding]:
    """Find documents that cannot run, perhaps for another version of the schema."""
    from gateway.web.read.manifests import read_manifests

    advice = "build it again, with the gateway's /schema.graphql"
    return [
        Finding("trusted document", "warn", f"{name} cannot run: {errors[0].message}", advice)
        for name, text in read_manifests(settings.trusted_documents).items()
        if (errors := (await graphql.reader.validated(text)).errors)
    ]


def _effective(settings: Settings, flags: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return each setting as it was written, masked if it is a secret, and where it comes from."""
    from gateway.commands.doctor.machine import public_part

    shown = {}
    for name, default in Settings.shown_defaults().items():
        variables = variable(name), f"{variable(name)}_FILE"
        texts = {
            "flag": flags.get(name, flags.get(f"{name}_file")),
            **{key: os.environ.get(key) or None for key in variables},
            "default": default,
        }
        source, text = next(item for item in texts.items() if item[1] is not None)
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and source != "default":
            text = public_part(value.get_secret_value()) if name == "cache_url" else _MASK
        shown[name] = {"value": text or "", "source": source}
    return shown


def _settings_text(shown: dict[str, dict[str, str]], *, shows_all: bool) -> str:
    lines = []
    for name, setting in shown.items():
        source = setting["source"]
        if shows_all or source != "default":
            where = "" if source in {"default", variable(name)} else f"({source})"
            lines.append(("", variable(name), setting["value"] or "-", where))
    which = "" if shows_all else " that differ from their defaults; --all prints the others"
    return f"Settings{which}\n{aligned(lines)}"


def findings_text(findings: Sequence[Finding], is_terminal: bool) -> str:
    """Return a line per finding, with its advice below it; in colours for a terminal."""
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
