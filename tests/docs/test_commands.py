"""The commands of the README and the manual work as documented."""

import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import Settings, create_app
from gateway.commands.cli import main
from gateway.demo.app import create_demo_app
from gateway.demo.users import DEMO_USERS
from gateway.server.servers import GatewayServer
from tests.docs.pages import ROOT, TEXTS, blocks
from tests.support import served

pytestmark = pytest.mark.socket

EXAMPLE_URL = "https://crm.example.com"
COMMANDS = sorted({line for block in blocks("sh") for line in block.splitlines()})
SERVERS = ("serve", "demo", "upstream")
RUN_BY_THE_GATE = ".venv/bin/pytest"
INSTALLS_AN_EXTRA = "pip install '.[tracing]'"


def words_of_gateway(command: str) -> tuple[str, ...]:
    """Return the words of a `gateway` command, without its installation; none for others."""
    words = shlex.split(command.rpartition("&& ")[2].replace(".venv/bin/", ""))
    return tuple(words) if "gateway" in words else ()


STARTING = sorted(
    {words for words in map(words_of_gateway, COMMANDS) if words and set(words) & set(SERVERS)}
)
ENDING = [words for words in map(words_of_gateway, COMMANDS) if words and words not in STARTING]
CURL = [command for command in COMMANDS if command.startswith("curl ")]


def split(words: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Return the environment variables of a command, and the arguments of `gateway`."""
    start = words.index("gateway")
    return dict(word.split("=", 1) for word in words[:start]), list(words[start + 1 :])


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """Return the address of a demo REST server."""
    with served(create_demo_app()) as url:
        yield url


def test_every_command_is_run() -> None:
    """The tests here or the gate, which takes its command from the README, run each command."""
    others = set(COMMANDS) - set(CURL) - {line for line in COMMANDS if words_of_gateway(line)}
    pattern = "'^python3 -m venv .*pytest$'"

    assert others == {
        INSTALLS_AN_EXTRA,
        *(line for line in others if line.endswith(RUN_BY_THE_GATE)),
    }
    assert "tracing = [" in (ROOT / "pyproject.toml").read_text("utf-8")
    assert pattern in (ROOT / ".ci" / "run").read_text("utf-8")
    assert sum(bool(re.search(pattern.strip("'"), line)) for line in COMMANDS) == 1


@pytest.mark.parametrize("words", STARTING, ids=" ".join)
def test_a_server_starts(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server starts on a free port, and would run until a signal."""
    variables, arguments = split(words)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ready: list[int] = []

    serve_on = GatewayServer.main_loop

    async def end_at_once(server: GatewayServer) -> None:
        if threading.current_thread() is not threading.main_thread():
            await serve_on(server)  # the REST API of the demo
        else:
            ready.extend(len(listening.sockets) for listening in server.servers)

    monkeypatch.setattr(GatewayServer, "main_loop", end_at_once)

    assert main([*arguments, "--port", "0"]) == 0
    assert ready == [1]


@pytest.mark.parametrize("words", ENDING, ids=" ".join)
def test_a_command_succeeds(
    words: tuple[str, ...],
    demo: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A command that is pasted prints something and exits with 0; its SuperOffice is the demo."""
    variables, arguments = split(words)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    arguments = [demo if word == EXAMPLE_URL else word for word in arguments]
    monkeypatch.setenv("GATEWAY_PORT", "0")
    monkeypatch.setenv("SUPEROFFICE_AUTHORIZATION", DEMO_USERS[0].authorization_basic)

    assert main(arguments) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("command", CURL)
def test_curl_gets_an_answer(command: str, demo: str, tmp_path: Path) -> None:
    """The gateway has the address that `gateway demo` prints; an event stream does not end."""
    with served(create_app(Settings(upstream_url=demo))) as url:
        words = shlex.split(command.replace("http://127.0.0.1:8000", url))
        longest_s = "5" if "-N" in words else "20"
        done = subprocess.run(
            [*words, "--max-time", longest_s], cwd=tmp_path, capture_output=True, text=True
        )

    answer = done.stdout or next(tmp_path.glob("*.graphql")).read_text("utf-8")
    assert done.returncode == 0 or ("-N" in words and done.returncode == 28)
    assert "errors" not in answer.partition("type Query")[0]
    assert '"data"' in answer or "type Query" in answer


def test_the_windows_command_has_the_same_steps() -> None:
    """The steps of the shell command are translated to PowerShell."""
    [windows] = blocks("powershell")
    [here] = [line for line in COMMANDS if re.search("python3 .*/gateway demo$", line)]
    translated = here.replace("python3", "py").replace(" && ", "; ")

    assert windows == translated.replace(".venv/bin/", ".venv\\Scripts\\")
    assert windows in TEXTS["README"]
