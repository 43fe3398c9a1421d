"""`gateway doctor`: what the gateway is set to, what it finds there, and what to do about it."""

import asyncio
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr

from gateway.app import create_app
from gateway.commands.doctor import machine, network, redis
from gateway.commands.doctor import superoffice as rest
from gateway.commands.doctor.finding import Finding, Target
from gateway.errors import GatewayError
from gateway.headers import Header
from gateway.settings import Settings
from gateway.settings.messages import PREFIX
from gateway.settings.tenant_names import canonical_tenant
from gateway.tenants.state_service import StateService
from gateway.upstream.transport import PooledTransport
from gateway.wiring.upstreams import caller_policy

__all__ = ["run"]

_MASK = "********"
_COLORS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "fail": "\x1b[31m"}


def run(
    settings: Settings,
    *,
    flags: Collection[str],
    headers: Sequence[Header],
    tenant: str | None,
    is_json: bool,
) -> int:
    """Print it all, and return 1 if something is wrong.

    With `headers`, which are a caller's, one real call is made.

    Raises:
        SettingsError: the gateway would not start with them.
    """
    create_app(settings)  # what keeps it from starting is no finding among others
    findings = asyncio.run(_examine(settings, headers, tenant))
    shown = _effective(settings, flags)
    if is_json:
        told = {"settings": shown, "findings": [asdict(finding) for finding in findings]}
        _print(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(_settings_text(shown))
        _print(_findings_text(findings, is_terminal=sys.stdout.isatty()))
    return int(any(finding.level == "fail" for finding in findings))


async def _examine(
    settings: Settings, headers: Sequence[Header], tenant: str | None
) -> list[Finding]:
    findings = [
        *machine.warnings(settings),
        *machine.ports(settings),
        machine.open_files(settings),
    ]
    if settings.redis_url is not None:
        findings.append(await redis.shared_cache(settings.redis_url))
    state = _target(settings, settings.address)
    findings += await network.reach(state)
    if settings.environment is None:
        return findings + await _examine_rest(settings, state, findings, headers)
    if tenant is None or findings[-1].level == "fail":
        return findings
    url, found = await _tenant(settings, tenant)
    findings.append(found)
    if url is None:
        return findings
    target = _target(settings, url)
    findings += await network.reach(target)
    return findings + await _examine_rest(settings, target, findings, headers)


async def _examine_rest(
    settings: Settings, target: Target, before: Sequence[Finding], headers: Sequence[Header]
) -> list[Finding]:
    if before[-1].level == "fail":
        return []
    findings = await rest.answer(target, timeout_s=settings.upstream_timeout)
    if not headers:
        return findings
    try:
        caller = caller_policy(settings).read(headers)
    except GatewayError as exc:
        return [*findings, Finding("call", "fail", str(exc))]
    return [*findings, await rest.call(settings, target, caller.headers)]


async def _tenant(settings: Settings, tenant: str) -> tuple[str | None, Finding]:
    name = canonical_tenant(tenant)
    if name is None:
        return None, Finding("tenant", "fail", f"{tenant} is no name of one", "Cust12345 is")
    if settings.tenants is not None and name not in settings.tenants:
        return None, Finding("tenant", "fail", f"{name} is not served", "add it to GATEWAY_TENANTS")
    service = StateService(
        url=settings.address,
        trusted_domains=settings.tenant_hosts,
        timeout_s=settings.upstream_timeout,
        transport=PooledTransport(
            connections=1, connect_timeout_s=settings.upstream_connect_timeout
        ),
    )
    try:
        state = await service.read(name)
    except GatewayError as exc:
        return None, Finding("tenant", "fail", str(exc))
    finally:
        await service.aclose()
    if state.url is None:
        return None, Finding("tenant", "fail", f"{name} does not run: its state is {state.name}")
    host = urlsplit(state.url).hostname
    return state.url, Finding("tenant", "ok", f"{name} is {state.name}, at {host}")


def _target(settings: Settings, url: str) -> Target:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    return Target(url, str(parts.hostname), port, is_tls, settings.upstream_connect_timeout)


def _effective(settings: Settings, flags: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the value of each setting, and where it comes from; of a secret, that there is one."""
    shown, defaults = {}, Settings.shown_defaults()
    for name, field in type(settings).model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        source = "flag" if name in flags else variable if variable in os.environ else "default"
        is_drawn = source == "default" and field.default_factory is not None
        value = None if is_drawn else getattr(settings, name)
        text = defaults[name] if value is None else _shown(value)
        shown[name] = {"value": text, "source": source}
    return shown


def _shown(value: Any) -> str:
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
            return _MASK
    return str(value)


def _settings_text(shown: dict[str, dict[str, str]]) -> str:
    width = max(map(len, shown))
    lines = [
        f"  {name:{width}}  {setting['value'] or '-'}"
        + (f"  ({setting['source']})" if setting["source"] != "default" else "")
        for name, setting in shown.items()
    ]
    return "\n".join(["Settings", *lines, ""])


def _findings_text(findings: Sequence[Finding], *, is_terminal: bool) -> str:
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


def _print(text: str) -> None:
    print(text)  # noqa: T201  it is what was asked for
