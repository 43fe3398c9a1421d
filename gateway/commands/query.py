"""`gateway query`: run one operation from the terminal, through all that a request goes through."""

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import orjson

from gateway.app import create_app
from gateway.commands.arguments import stdin_given, text_given, utf8_given
from gateway.commands.asking import answers
from gateway.commands.table import table
from gateway.errors import SettingsError
from gateway.headers import Header
from gateway.observe.logs import configure_logs
from gateway.settings import Settings

__all__ = ["run"]

_CLEAR = "\x1b[H\x1b[2J"
# JSON escapes others by itself; what a customer has written must not steer a terminal.
_CONTROLS = re.compile("[\x7f-\x9f]")


def run(
    settings: Settings,
    query: str,
    *,
    variables: str | None,
    operation: str | None,
    headers: Sequence[Header],
    tenant: str | None,
    is_watched: bool,
) -> int:
    """Print the answer, or each answer as it comes, and return 1 if there is an error in one.

    `query` and `variables` may be `@` and the name of a file; `query` may be `-`, for what comes on
    stdin.

    Raises:
        SettingsError: what is asked for cannot be read.
    """
    request: dict[str, Any] = {"query": stdin_given() if query == "-" else _text("QUERY", query)}
    if variables is not None:
        request["variables"] = _variables(_text("--variables", variables))
    if operation is not None:
        request["operationName"] = utf8_given("--operation", operation)
    configure_logs("error", settings.log_format)
    path = f"/graphql/{tenant}" if tenant else "/graphql"
    try:
        return asyncio.run(_ask(settings, path, headers, request, is_watched=is_watched))
    except KeyboardInterrupt:
        return 0 if is_watched else 1
    except BrokenPipeError:
        # Whoever read has seen enough. Python would try to write the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


async def _ask(
    settings: Settings,
    path: str,
    headers: Sequence[Header],
    request: dict[str, Any],
    *,
    is_watched: bool,
) -> int:
    app = create_app(settings)
    has_errors = False
    async with (
        app.router.lifespan_context(app),
        aclosing(answers(app, path, headers, request)) as found,
    ):
        async for answer in found:
            has_errors |= "errors" in answer
            _print(answer, is_watched=is_watched)
            if not is_watched:
                break
    return int(has_errors)


def _print(answer: Any, *, is_watched: bool) -> None:
    is_terminal = sys.stdout.isatty()
    if is_terminal and is_watched and "errors" not in answer:
        text = _CLEAR + table(answer["data"])
    else:
        text = orjson.dumps(answer, option=orjson.OPT_INDENT_2 if is_terminal else 0).decode()
        if is_terminal:
            text = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    print(text, flush=True)  # noqa: T201  it is what was asked for


def _text(name: str, given: str) -> str:
    return utf8_given(name, text_given(given))


def _variables(text: str) -> dict[str, Any]:
    try:
        variables = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise SettingsError(f"--variables: this is no JSON, {exc}") from exc
    if not isinstance(variables, dict):
        raise SettingsError("--variables: it must be an object, for example '{\"limit\": 5}'")
    return variables
