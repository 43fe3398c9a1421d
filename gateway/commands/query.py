"""`gateway query`: run one operation from the terminal, in this process and without a port."""

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from gateway.commands import arguments
from gateway.commands.table import table
from gateway.errors import GatewayError, SettingsError
from gateway.headers import Header
from gateway.settings import Settings

_CLEAR = "\x1b[H\x1b[2J"
# Control characters that JSON does not escape: customers' text must not control a terminal.
_CONTROLS = re.compile("[\x7f-\x9f]")


def register(command: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    command.set_defaults(run=_run)
    command.add_argument("query", metavar="QUERY", help="the operation, @FILE, or - for stdin")
    command.add_argument("--variables", metavar="JSON", help="variables of the operation, or @FILE")
    command.add_argument(
        "--operation", metavar="NAME", help="which operation, if there are several"
    )
    command.add_argument(
        "--watch",
        dest="is_watched",
        action="store_true",
        help="print each answer of a subscription as it arrives, on a terminal as a table",
    )
    arguments.add_caller(command, "QUERY [options]")


def _run(
    query: str,
    variables: str | None,
    operation: str | None,
    headers: list[str],
    tenant: str | None,
    *,
    is_watched: bool,
    **flags: str,
) -> int:
    """Print the answer, or each answer as it arrives; return 1 if one has errors."""
    from gateway.observe.logs import configure_logs

    settings, sent = arguments.read_caller(headers, tenant, flags)
    text = arguments.stdin_text() if query == "-" else arguments.text_or_file(query)
    request: dict[str, object] = {"query": arguments.utf8("QUERY", text)}
    if variables is not None:
        request["variables"] = _variables(arguments.text_or_file(variables))
    if operation is not None:
        request["operationName"] = arguments.utf8("--operation", operation)
    configure_logs("error", settings.log_format)
    path = f"/graphql/{tenant}" if tenant else "/graphql"
    try:
        return asyncio.run(_print_all(settings, path, sent, request, is_watched=is_watched))
    except KeyboardInterrupt:
        return 0 if is_watched else 130
    except TimeoutError:
        text = f"no answer within {settings.request_timeout:g} s (GATEWAY_REQUEST_TIMEOUT)"
        raise SettingsError(text) from None


def _variables(text: str) -> dict[str, object]:
    try:
        variables = orjson.loads(arguments.utf8("--variables", text))
    except orjson.JSONDecodeError as exc:
        raise SettingsError(f"--variables: not valid JSON: {exc}") from exc
    if not isinstance(variables, dict):
        raise SettingsError("--variables: it must be an object, for example '{\"limit\": 5}'")
    return variables


async def _print_all(
    settings: Settings,
    path: str,
    headers: Sequence[Header],
    request: Mapping[str, object],
    *,
    is_watched: bool,
) -> int:
    """Execute an operation as the gateway does; a subscription has an answer per change."""
    from gateway.app import create_app
    from gateway.schema.engine import refusal
    from gateway.web.inbound import Inbound, check_tenant
    from gateway.web.respond.caching import mark_stale

    app = create_app(settings)
    graphql, head = app.state.graphql, app.state.edge.door.read(path, headers)
    timeout_s = None if is_watched else settings.request_timeout
    has_errors = False
    async with asyncio.timeout(timeout_s), app.router.lifespan_context(app):
        try:
            check_tenant(head)
            operation = await graphql.reader.operation(request)
            context = graphql.context(Inbound(head, head.request_id()))
            async with aclosing(graphql.engine.stream(operation, context)) as stream:
                async for answer in stream:
                    mark_stale([answer.body], context.served)
                    has_errors |= _print(answer.body, is_watched=is_watched)
                    if not is_watched:
                        break
        except GatewayError as exc:
            has_errors = _print(refusal(exc).body, is_watched=is_watched)
    return int(has_errors)


def _print(answer: Mapping[str, Any], *, is_watched: bool) -> bool:
    """Print the JSON of a response; return whether it has errors."""
    text = orjson.dumps(answer).decode()
    if sys.stdout.isatty():
        answer = orjson.loads(text)  # parts of it can be JSON already
        data = answer.get("data")
        if is_watched and "errors" not in answer and isinstance(data, Mapping):
            text = _CLEAR + table(data)
        else:
            text = orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode()
            text = _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    print(text, flush=True)  # noqa: T201
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    if any(code.startswith("UPSTREAM_") for code in codes):
        print("To find out why, run: gateway doctor", file=sys.stderr)  # noqa: T201
    return "errors" in answer
