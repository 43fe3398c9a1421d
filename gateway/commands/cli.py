"""The `gateway` command: serve, demo, upstream, query, doctor, dashboard, schema."""

import argparse
import json
import secrets
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gateway.commands import demo as demo_servers
from gateway.commands.arguments import AUTHORIZATION, headers_given, tenant_given
from gateway.commands.doctor.command import run as run_doctor
from gateway.commands.query import run as run_query
from gateway.demo.tenants import DEMO_TENANTS, DOMAIN
from gateway.demo.users import DEMO_USERS
from gateway.demo.webhooks import Hook
from gateway.errors import SettingsError
from gateway.observe.dashboard import dashboard
from gateway.schema.build import sdl
from gateway.server import run as serving
from gateway.settings import Settings

__all__ = ["main"]

SCHEMA_FILE = Path("schema.graphql")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (it failed) or 2 (it was asked wrongly)."""
    arguments = vars(_parser().parse_args(argv))
    run = arguments.pop("run")
    try:
        return int(run(**arguments) or 0)
    except SettingsError as exc:
        print(f"gateway: {exc}", file=sys.stderr)  # noqa: T201  the command line's own words
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway", description="A GraphQL gateway over SuperOffice's chat sessions."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = _command(commands, "serve", _serve, "serve a SuperOffice installation")
    _add_settings(serve)
    demo = _command(commands, "demo", _demo, "serve the built-in demo REST server, to try it out")
    demo.add_argument("--port", type=int, default=8000, help="port of the gateway (8000)")
    demo.add_argument("--tenants", action="store_true", help="play SuperOffice Online")
    upstream = _command(commands, "upstream", _upstream, "run the demo REST server alone")
    upstream.add_argument("--port", type=int, default=8001, help="port to listen on (8001)")
    upstream.add_argument("--sample", type=Path, metavar="FILE", help="serve this file instead")
    upstream.add_argument("--webhook-url", metavar="URL", help="send webhooks there")
    upstream.add_argument(
        "--webhook-secret", metavar="SECRET", default="", help="what they are signed with"
    )
    for command in (demo, upstream):
        command.add_argument("--sessions", type=_count, default=12, help="sessions per user (12)")
        command.add_argument(
            "--delay", type=_count, default=0, metavar="MS", help="wait so long (0)"
        )
        command.add_argument("--seed", type=int, default=1, help="another seed, another story (1)")
    query = _command(commands, "query", _query, "run one operation here, and print its answer")
    _add_query(query)
    doctor = _command(commands, "doctor", _doctor, "look at the settings, and at what they lead to")
    doctor.add_argument("--json", dest="is_json", action="store_true", help="tell it as JSON")
    for command in (query, doctor):
        _add_caller(command)
        _add_settings(command)
    _command(commands, "dashboard", _dashboard, "print a Grafana dashboard, as JSON to import")
    schema = commands.add_parser("schema", help="write or check schema.graphql")
    actions = schema.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("export", _schema_export, "write the schema to the file, or to stdout where it is -"),
        ("check", _schema_check, "fail when the file is not the schema"),
    ):
        action = _command(actions, name, run, text)
        action.add_argument(
            "file",
            type=Path,
            nargs="?",
            default=SCHEMA_FILE,
            help="schema.graphql, if none is named",
        )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no number from 0 on")
    return int(text)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[..., int | None],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    command.set_defaults(run=run)
    return command


def _add_query(command: argparse.ArgumentParser) -> None:
    command.add_argument("query", metavar="QUERY", help="its text, @FILE, or - for stdin")
    command.add_argument("--variables", metavar="JSON", help="its variables, or @FILE")
    command.add_argument("--operation", metavar="NAME", help="which one, if there are several")
    command.add_argument(
        "--watch",
        dest="is_watched",
        action="store_true",
        help="print each answer of a subscription as it comes, on a terminal as a table",
    )


def _add_caller(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--header",
        dest="headers",
        action="append",
        default=[],
        metavar="HEADER",
        help=f"'Name: value', or @FILE with one a line; an Authorization is better kept in "
        f"{AUTHORIZATION} of the environment: others can read a command line",
    )
    command.add_argument("--tenant", metavar="NAME", help="of SuperOffice Online: Cust12345")


def _add_settings(command: argparse.ArgumentParser) -> None:
    """Give the command one flag per setting; what is not given is left to the environment."""
    defaults = Settings.shown_defaults()
    for name, field in Settings.model_fields.items():
        default = f" [{defaults[name]}]" if defaults[name] else ""
        command.add_argument(
            f"--{name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            metavar="VALUE",
            help=f"{field.description}{default}".replace("%", "%%"),
        )
    command.epilog = (
        "Each flag is also a variable of the environment: --cache-ttl is GATEWAY_CACHE_TTL."
    )


def _serve(**flags: str) -> None:
    serving.serve(Settings.load(**flags))


def _demo(port: int, sessions: int, delay: int, seed: int, *, tenants: bool) -> None:
    hook = Hook(secrets.token_urlsafe(32))
    if tenants:
        hook.tenants = [name for name, tenant in DEMO_TENANTS.items() if tenant.is_running]
    welcome = _welcome_to_tenants if tenants else _welcome

    def ready(url: str) -> None:
        hook.url = url.replace("/graphql", "/webhooks/superoffice")
        print(welcome(url), flush=True)  # noqa: T201

    with demo_servers.demo_upstream(
        sessions=sessions, delay_ms=delay, seed=seed, hook=hook
    ) as demo_url:
        settings = Settings.load(
            upstream_url=None if tenants else demo_url,
            environment="online" if tenants else None,
            tenants="",
            tenant_hosts=DOMAIN,
            port=port,
            time_zone="Europe/Oslo",  # which the demo's zone-less times are in
            webhook_secret=hook.secret,
        )
        serving.serve(
            settings,
            make_app=partial(
                demo_servers.create_gateway,
                users=[(user.full_name, user.authorization_basic) for user in DEMO_USERS],
                url=demo_url if tenants else None,
            ),
            when_ready=ready,
        )


def _upstream(
    port: int,
    sessions: int,
    delay: int,
    seed: int,
    sample: Path | None,
    webhook_url: str | None,
    webhook_secret: str,
) -> None:
    if sample and not sample.is_file():
        raise SettingsError(f"--sample {sample}: there is no such file.")
    if webhook_url and not webhook_secret:
        raise SettingsError(f"--webhook-url {webhook_url}: give --webhook-secret, too.")
    hook = Hook(webhook_secret, webhook_url) if webhook_url else None
    demo_servers.serve_upstream(
        port, sessions=sessions, delay_ms=delay, seed=seed, sample=sample, hook=hook
    )


def _welcome(url: str) -> str:
    users = "\n".join(f"    {u.full_name:14} {u.authorization_basic}" for u in DEMO_USERS)
    body = json.dumps({"query": "{ chatSessions { chatSessionId status customerName } }"})
    return f"""
GraphQL   {url}   (a browser gets a page to type queries into)

Log in as one of three demo users with an Authorization header:

{users}

Try it:

    curl {url} -H 'Content-Type: application/json' \\
      -H 'Authorization: {DEMO_USERS[0].authorization_basic}' \\
      -d '{body}'

Ctrl+C stops it.
"""


def _welcome_to_tenants(url: str) -> str:
    running = next(iter(DEMO_TENANTS))
    tenants = "\n".join(f"    {url}/{t.name}   {t.description}" for t in DEMO_TENANTS.values())
    return f"{_welcome(f'{url}/{running}')}\nTenants:\n\n{tenants}\n"


def _query(
    query: str,
    variables: str | None,
    operation: str | None,
    headers: list[str],
    tenant: str | None,
    *,
    is_watched: bool,
    **flags: str,
) -> int:
    settings = Settings.load(**flags)
    return run_query(
        settings,
        query,
        variables=variables,
        operation=operation,
        headers=headers_given(headers),
        tenant=tenant_given(settings, tenant),
        is_watched=is_watched,
    )


def _doctor(headers: list[str], tenant: str | None, *, is_json: bool, **flags: str) -> int:
    settings = Settings.load(**flags)
    return run_doctor(
        settings,
        flags=flags,
        headers=headers_given(headers),
        tenant=tenant_given(settings, tenant),
        is_json=is_json,
    )


def _dashboard() -> None:
    print(json.dumps(dashboard(), indent=2))  # noqa: T201


def _schema_export(file: Path) -> None:
    if str(file) == "-":
        sys.stdout.write(sdl())
        return
    try:
        file.write_text(sdl(), "utf-8")
    except OSError as exc:
        raise SettingsError(f"cannot write {file}: {exc.strerror}") from exc


def _schema_check(file: Path) -> int:
    written = file.read_bytes() if file.is_file() else b""
    if written == sdl().encode():
        return 0
    hint = "is not the schema, or not there; run: gateway schema export"
    print(f"gateway: {file} {hint}", file=sys.stderr)  # noqa: T201
    return 1
