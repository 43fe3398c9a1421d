"""`gateway query`, run as from a shell."""

import asyncio
import io
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import create_app
from gateway.commands import query as command
from gateway.commands.arguments import AUTHORIZATION
from gateway.commands.cli import main
from gateway.schema.engine import Engine
from tests.support import SESSION, RestSide

KARI = "Authorization: Basic a2FyaTpkZW1v"
QUERY = "{ chatSessions { chatSessionId } }"
SESSIONS = {"data": {"chatSessions": [{"chatSessionId": 1}]}}
WATCH = "subscription { chatSessions { status } }"


class Terminal(io.StringIO):
    """A stdout that may be a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._is_terminal


@pytest.fixture(autouse=True)
def in_process(rest: RestSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Play the REST API in this process."""
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", "http://rest.invalid")
    monkeypatch.delenv(AUTHORIZATION, raising=False)
    app = partial(create_app, upstream_transport=httpx.MockTransport(rest))
    monkeypatch.setattr("gateway.app.create_app", app)


@pytest.fixture
def query(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the command and returns its exit code and output."""

    def run(*arguments: str, stdin: str | bytes = "", is_terminal: bool = False) -> tuple[int, str]:
        out = Terminal(is_terminal=is_terminal)
        monkeypatch.setattr(sys, "stdout", out)
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "ascii"))
        # On its own thread: Python 3.11 stops tracing, and coverage counting, where the end
        # of an asynchronous generator has been thrown through.
        with ThreadPoolExecutor(1) as thread:
            code = thread.submit(main, ["query", *arguments]).result()
        return code, out.getvalue()

    return run


def test_an_answer_is_one_line_of_json(query: Any) -> None:
    """A program can read the answer line by line."""
    code, shown = query(QUERY, "--header", KARI)

    assert (code, shown.count("\n")) == (0, 1)
    assert json.loads(shown) == SESSIONS


def test_on_a_terminal_the_answer_is_indented(query: Any) -> None:
    """A person can read the answer on a terminal."""
    code, shown = query(QUERY, "--header", KARI, is_terminal=True)

    assert code == 0
    assert shown == json.dumps(SESSIONS, indent=2) + "\n"


def test_the_query_may_come_on_stdin_or_in_a_file(query: Any, tmp_path: Path) -> None:
    """Headers and variables can also come from files, as they may be long or secret."""
    texts = {
        "query": "query One($n: Int) { chatSessions(limit: $n) { chatSessionId } }",
        "variables": '{"n": 1}',
        "headers": f"{KARI}\n\nSO-Language: nb\n \n",  # blank lines are skipped
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8-sig")  # with the mark that Windows writes
    flags = {"--header": "headers", "--variables": "variables"}
    more = [f"{flag}=@{tmp_path / name}" for flag, name in flags.items()]

    from_file = query(f"@{tmp_path / 'query'}", *more, "--operation", "One")
    from_stdin = query("-", "--header", KARI, stdin=QUERY)

    assert from_file == from_stdin
    assert json.loads(from_stdin[1]) == SESSIONS


@pytest.mark.parametrize(
    ("variable", "headers", "sent"),
    [
        ("Basic a2FyaTpkZW1v", [], "Basic a2FyaTpkZW1v"),
        ("Basic a2FyaTpkZW1v", ["--header", "Authorization: Bearer x"], "Bearer x"),
        (" ", ["--header", "Authorization: Bearer x"], "Bearer x"),
    ],
)
def test_credentials_may_come_from_the_environment(
    query: Any,
    rest: RestSide,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    headers: list[str],
    sent: str,
) -> None:
    """Other users cannot read the environment; a header wins over the variable."""
    monkeypatch.setenv(AUTHORIZATION, variable)

    assert query(QUERY, *headers)[0] == 0
    assert rest.requests[0].headers["authorization"] == sent


@pytest.mark.parametrize(
    ("text", "code"),
    [("{ nope }", "GRAPHQL_VALIDATION_FAILED"), (QUERY, "UNAUTHENTICATED")],
)
def test_an_error_in_the_answer_is_exit_code_1(query: Any, text: str, code: str) -> None:
    """The answer is printed as usual."""
    exit_code, shown = query(text)

    assert exit_code == 1
    assert json.loads(shown)["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["@/nowhere/query.graphql"], "cannot read /nowhere/query.graphql: No such file"),
        (["@."], "cannot read .: "),
        ([QUERY, "--variables", "{"], "--variables: not valid JSON"),
        ([QUERY, "--variables", "[]"], "--variables: it must be an object"),
        ([QUERY, "--header", "Basic hunter2"], "--header: write it as 'Name: value'"),
        ([QUERY, "--header", "Authorization:"], "--header: write it as 'Name: value'"),
        ([QUERY, "--cache-ttl", "x"], "--cache-ttl"),
        (["{ \udcff }"], "QUERY: not UTF-8"),
        ([QUERY, "--variables", '{"a": "\udcff"}'], "--variables: not UTF-8"),
        ([QUERY, "--operation", "\udcff"], "--operation: not UTF-8"),
        ([QUERY, "--tenant", "\udcff"], "--tenant: not UTF-8"),
        ([QUERY, "--tenant", "Cust1"], "--tenant needs GATEWAY_ENVIRONMENT"),
    ],
)
def test_an_invalid_argument_is_exit_code_2(
    query: Any, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr has the reason and quotes no credentials."""
    code, shown = query(*arguments)

    error = capsys.readouterr().err
    assert (code, shown, error.count("\n")) == (2, "", 1)
    assert complaint in error or "GATEWAY_CACHE_TTL" in error
    assert "hunter2" not in error


@pytest.mark.parametrize("value", ["hunter2", "Digest hunter2", "Basic hunt\ner2", "Basic \udcff"])
def test_bad_credentials_in_the_environment_are_reported_by_the_variables_name(
    query: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    """The error does not blame a header, and quotes no credentials."""
    monkeypatch.setenv(AUTHORIZATION, value)

    assert query(QUERY) == (2, "")
    assert capsys.readouterr().err == (
        f"gateway: {AUTHORIZATION}: write it as 'Basic …', 'Bearer …' or 'SoTicket …'\n"
    )


def test_an_empty_variable_has_no_credentials(query: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The query is then run without credentials."""
    monkeypatch.setenv(AUTHORIZATION, "")

    code, shown = query(QUERY)

    assert code == 1
    assert json.loads(shown)["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_gets_no_control_characters(
    query: Any, rest: RestSide, is_terminal: bool
) -> None:
    """Customers' text cannot control a terminal; a program gets the original characters."""
    name = "\x1b[31m\x7f\x80\x9b31m\x9fÆ"
    rest.body = [{**SESSION, "CustomerName": name}]

    _, shown = query("{ chatSessions { customerName } }", "--header", KARI, is_terminal=is_terminal)

    assert json.loads(shown) == {"data": {"chatSessions": [{"customerName": name}]}}
    assert ("\x7f" in shown, "\x9b" in shown) == (not is_terminal, not is_terminal)
    assert shown.replace("\n", "").isprintable() == is_terminal


def test_stdin_that_is_not_utf8_is_exit_code_2(
    query: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names stdin."""
    assert query("-", stdin=b"{ \xff }") == (2, "")
    assert capsys.readouterr().err == "gateway: cannot read stdin: not UTF-8\n"


def test_a_file_that_is_not_utf8_is_exit_code_2(
    query: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is on stderr."""
    (tmp_path / "query").write_bytes(b"\xff")

    assert query(f"@{tmp_path / 'query'}")[0] == 2
    assert "not UTF-8" in capsys.readouterr().err


def test_a_subscription_is_answered_once(query: Any) -> None:
    """Without `--watch` only the first answer is printed."""
    code, shown = query(WATCH, "--header", KARI)

    assert (code, shown.count("\n")) == (0, 1)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_watching_prints_each_answer(query: Any, rest: RestSide, is_terminal: bool) -> None:
    """Watching ends when SuperOffice refuses the caller; a terminal gets tables and is cleared."""
    statuses = ["InQueue", "UserLast"]

    def answer(request: httpx.Request) -> httpx.Response:
        if not statuses:
            return httpx.Response(401)
        return httpx.Response(200, json=[{**SESSION, "Status": statuses.pop(0)}])

    rest.answer = answer
    flags = ("--live-interval", "0.05", "--cache-ttl", "0")
    code, shown = query(WATCH, "--watch", "--header", KARI, *flags, is_terminal=is_terminal)

    assert code == 1
    assert shown.index("IN_QUEUE") < shown.index("USER_LAST") < shown.index("UNAUTHENTICATED")
    assert shown.count("\x1b[H\x1b[2JchatSessions\nstatus\n") == (2 if is_terminal else 0)


@pytest.mark.parametrize(("watch", "expected"), [(["--watch"], 0), ([], 130)])
def test_ctrl_c_ends_the_command(
    query: Any, monkeypatch: pytest.MonkeyPatch, watch: list[str], expected: int
) -> None:
    """Watching ends normally by Ctrl+C; otherwise the code is that of any command."""

    async def interrupted(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_print_all", interrupted)

    assert query(QUERY, "--header", KARI, *watch) == (expected, "")


def test_a_tenant_can_be_queried(
    query: Any, rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenant is one of the environment in the settings."""
    monkeypatch.delenv("GATEWAY_UPSTREAM_URL")
    rest.body = {
        "ContextIdentifier": "Cust1",
        "Api": "https://sod1.superoffice.com/Cust1/api",
        "State": "Suspended",
        "IsRunning": False,
        "ValidUntil": "2999-01-01T00:00:00Z",
    }
    code, shown = query(QUERY, "--header", KARI, "--environment", "sod", "--tenant", "cust1")

    assert code == 1
    assert json.loads(shown)["errors"][0]["extensions"]["tenantState"] == "Suspended"


def test_a_bug_is_not_hidden(query: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception has its traceback."""

    def broken(*_: Any) -> None:
        raise LookupError("oops")

    monkeypatch.setattr(Engine, "stream", broken)

    with pytest.raises(LookupError, match="oops"):
        query(QUERY, "--header", KARI)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["query A { __typename } query B { __typename }"], "OPERATION_RESOLUTION_FAILURE"),
        (["query A { __typename }", "--operation", "B"], "OPERATION_RESOLUTION_FAILURE"),
        (["mutation { x }"], "GRAPHQL_VALIDATION_FAILED"),
        ([QUERY, "--variables", '{"a": ' + "[" * 40 + "]" * 40 + "}"], "BAD_REQUEST"),
        (["{"], "GRAPHQL_PARSE_FAILED"),
    ],
)
def test_an_operation_is_read_by_the_rules_of_all_transports(
    query: Any, arguments: list[str], code: str
) -> None:
    """An operation refused over HTTP is refused here with the same code."""
    exit_code, shown = query(*arguments)

    answer = json.loads(shown)
    assert exit_code == 1
    assert "data" not in answer
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}


def test_a_missing_answer_times_out(
    query: Any, rest: RestSide, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script must not hang; the limit is the request timeout of the gateway."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    rest.answer = never
    code, shown = query(QUERY, "--header", KARI, "--request-timeout", "0.05")

    assert (code, shown) == (2, "")
    assert capsys.readouterr().err == "gateway: no answer within 0.05 s (--request-timeout)\n"


def test_a_failure_of_superoffice_has_a_hint(
    query: Any, rest: RestSide, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stderr suggests `gateway doctor`; stdout has only the answer."""
    rest.answer = lambda request: httpx.Response(503)

    code, shown = query(QUERY, "--header", KARI)

    assert code == 1
    assert json.loads(shown)["errors"][0]["extensions"]["code"] == "UPSTREAM_UNAVAILABLE"
    assert capsys.readouterr().err == "To find out why, run: gateway doctor\n"
