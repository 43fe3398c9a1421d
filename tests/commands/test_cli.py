"""The command line: its help, its exit codes, and the arguments that it passes on."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway import Settings
from gateway.app import create_app
from gateway.commands import cli, demo, upstream
from gateway.commands.cli import main
from gateway.demo.tenants import DEMO_TENANTS
from gateway.demo.users import DEMO_USERS
from gateway.demo.webhooks import Hook
from gateway.schema.build import sdl
from gateway.server import run as serving

URL = "https://crm.example.com"
ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """Replaces the servers, and records the settings and options that they would serve."""

    settings: list[Settings] = field(default_factory=list)
    upstreams: list[dict[str, Any]] = field(default_factory=list)
    demo_users: Sequence[tuple[str, str, int]] = ()
    demo_url: str | None = None

    def serve(
        self,
        settings: Settings,
        *,
        make_app: Any = None,
        when_ready: Callable[[str], None] | None = None,
    ) -> None:
        """Report readiness and return."""
        if make_app:
            self.demo_users = make_app.keywords["users"]
            self.demo_url = make_app.keywords["url"]
        self.settings.append(settings)
        if when_ready:
            when_ready("http://127.0.0.1:8000/graphql")

    def serve_upstream(self, port: int, **options: Any) -> None:
        """Return at once."""
        self.upstreams.append({"port": port, **options})

    @contextlib.contextmanager
    def demo_upstream(self, **options: Any) -> Iterator[str]:
        """Yield an address where no process listens."""
        self.upstreams.append(options)
        yield "http://127.0.0.1:1"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """Return a record of the served settings, with servers replaced."""
    fake = Served()
    monkeypatch.setattr(serving, "serve", fake.serve)
    monkeypatch.setattr(demo, "demo_upstream", fake.demo_upstream)
    monkeypatch.setattr(upstream, "serve_upstream", fake.serve_upstream)
    return fake


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["serve", "demo", "upstream", "query", "doctor", "dashboard", "alerts", "schema"]),
        (["doctor"], ["--json", "--header HEADER", "--tenant NAME", "--upstream-url"]),
        (["query"], ["QUERY", "--variables JSON", "--header HEADER", "--watch", "--upstream-url"]),
        (["serve"], ["--upstream-url", "--cache-ttl", "[127.0.0.1]", "GATEWAY_CACHE_TTL"]),
        (["demo"], ["--port", "--tenants", "--sessions", "--delay", "--seed"]),
        (["upstream"], ["--port", "--sessions", "--delay", "--seed", "--sample FILE"]),
        (["schema"], ["export", "check"]),
        (["schema", "export"], ["file"]),
        (["schema", "check"], ["file"]),
    ],
    ids=str,
)
def test_help_lists_commands_and_flags(
    command: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command explains itself and exits with 0."""
    with pytest.raises(SystemExit) as exited:
        main([*command, "--help"])

    assert exited.value.code == 0
    shown = capsys.readouterr().out
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize(
    ("command", "is_server"),
    [("serve", True), ("demo", True), ("upstream", True), ("query", False), ("doctor", False)],
)
def test_a_signal_ends_no_server_that_starts(
    command: str, monkeypatch: pytest.MonkeyPatch, *, is_server: bool
) -> None:
    """A reload may come before the imports are done; other commands end with their terminal.

    SIGTERM has a handler, without which it would not reach a server that is process 1.
    """
    seen: list[object] = []
    ended: list[object] = []

    def note(name: str) -> None:
        seen.extend(signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR1))
        ended.append(signal.getsignal(signal.SIGTERM))
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", note)
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
    }
    try:
        assert main([command]) == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    assert seen == 2 * [signal.SIG_IGN if is_server else signal.SIG_DFL]
    assert ended == [signal.SIG_DFL] or is_server
    assert callable(ended[0]) == is_server


@pytest.mark.parametrize(
    "command", [["docs"], ["docs", "settings"], ["dashboard"], ["schema", "export", "-"]]
)
def test_whoever_has_read_enough_can_leave(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `head` does; nothing is said about it, now or at the end of the process."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main(command) == 0
        out.write("more")


PRINTING = [
    ["alerts"],
    ["dashboard"],
    ["docs"],
    ["docs", "queries"],
    ["doctor", "--upstream-url", "http://127.0.0.1:1"],
    ["query", "{ chatSessions { customerName } }", "--upstream-url", "http://127.0.0.1:1"],
    ["schema", "export", "-"],
]


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
@pytest.mark.parametrize(
    ("is_open", "reason"), [(True, "No space left on device"), (False, "not writable")]
)
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(
    command: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_open: bool,
) -> None:
    """A full disk, or a closed stdout, ends no command with a traceback, now or at its exit."""
    monkeypatch.setattr(sys, "stdout", Path("/dev/full").open("w") if is_open else None)  # noqa: SIM115
    assert main(command) == 1
    sys.stdout.close()

    assert capsys.readouterr().err.splitlines()[-1] == f"gateway: stdout: {reason}"


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_output_is_utf8_in_every_locale(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON and schemas are UTF-8, and Windows has no letters for some of our text."""
    expected = main(command), capsys.readouterr().out
    out = io.TextIOWrapper(io.BytesIO(), "cp1252")
    monkeypatch.setattr(sys, "stdout", out)
    code = main(command)

    shown = out.buffer.getvalue().decode()
    assert code == expected[0]
    assert [*map(len, shown.splitlines())] == [*map(len, expected[1].splitlines())]


def test_a_closed_stdin_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an error like any other file that cannot be read."""
    monkeypatch.setattr(sys, "stdin", None)

    assert main(["query", "-", "--upstream-url", URL]) == 2
    sys.stdin.close()
    assert capsys.readouterr().err.startswith("gateway: cannot read stdin: ")


@pytest.mark.parametrize(
    ("command", "file"), [("dashboard", "dashboard.json"), ("alerts", "alerts.yml")]
)
def test_dashboard_and_alerts_are_printed_unchanged(
    command: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The output can be imported into Grafana and read by Prometheus."""
    assert main([command]) == 0

    assert capsys.readouterr().out == (ROOT / "gateway/observe" / file).read_text("utf-8")


def test_the_help_of_serve_has_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is a flag of the same name."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])

    shown = capsys.readouterr().out
    assert [
        name for name in Settings.model_fields if f"--{name.replace('_', '-')} " not in shown
    ] == []


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["schema"], "required: ACTION"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["demo", "--port", "http"], "invalid int value: 'http'"),
        (["serve", "--nonsense", "1"], "unrecognized arguments"),
    ],
    ids=str,
)
def test_an_invalid_command_exits_with_2(
    command: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stderr has the reason."""
    with pytest.raises(SystemExit) as exited:
        main(command)

    assert exited.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_arguments_are_those_of_the_process(
    monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    """The installed command reads the arguments of its process."""
    monkeypatch.setattr(sys, "argv", ["gateway", "upstream", "--port", "9"])

    assert main() == 0
    assert served.upstreams[0]["port"] == 9


def test_serve_passes_its_flags_on(served: Served) -> None:
    """A flag is a setting; other settings come from the environment and the defaults."""
    code = main(["serve", "--upstream-url", f"{URL}/api", "--cache-ttl", "2", "--graphiql", "off"])

    (settings,) = served.settings
    assert code == 0
    assert (settings.upstream_url, settings.cache_ttl, settings.graphiql) == (URL, 2.0, False)
    assert settings.port == 8000


def test_a_flag_of_serve_wins_over_the_environment(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typed flag is more specific than a variable."""
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", URL)
    monkeypatch.setenv("GATEWAY_PORT", "8080")

    main(["serve", "--port", "9090"])

    assert (served.settings[0].upstream_url, served.settings[0].port) == (URL, 9090)


def test_ctrl_c_before_a_server_has_started_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A start consists mostly of imports, which can be interrupted."""

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)

    assert main(["serve"]) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (["serve"], {}),
        (["serve", "--upstream-url", "nowhere"], {}),
        (["serve", "--upstream-url", URL, "--port", "x"], {}),
        (["serve", "--upstream-url", URL], {"GATEWAY_PROT": "1"}),
        (["serve", "--upstream-url", URL], {"GATEWAY_LOG_LEVEL": "loud"}),
        (["demo"], {"GATEWAY_CACHE_TTL": "soon"}),
        (["demo"], {"GATEWAY_PROT": "1"}),
        (["demo", "--port", "99999"], {}),
        (["upstream", "--sample", "no/such/file.json"], {}),
        (["schema", "export", "no/such/folder/schema.graphql"], {}),
    ],
    ids=str,
)
def test_a_command_that_cannot_run_prints_one_line_and_exits_with_2(
    command: list[str],
    variables: dict[str, str],
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is served, stdout stays empty, and there is no traceback."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    code = main(command)

    written = capsys.readouterr()
    assert code == 2
    assert written.out == ""
    assert written.err.startswith("gateway: ")
    assert len(written.err.splitlines()) == 1
    assert served.settings == []


def test_demo_serves_the_gateway_over_the_demo_rest_server(served: Served) -> None:
    """Flags configure the demo REST server, except the port, which is the gateway's."""
    code = main(["demo", "--port", "9", "--sessions", "3", "--delay", "20", "--seed", "7"])

    (settings,) = served.settings
    assert code == 0
    (options,) = served.upstreams
    hook = options.pop("hook")
    assert options == {"sessions": 3, "delay_ms": 20, "seed": 7}
    assert (settings.upstream_url, settings.port) == ("http://127.0.0.1:1", 9)
    assert settings.topic_names[10] == "Support"
    assert settings.webhook_secret is not None
    assert hook == Hook(
        settings.webhook_secret.get_secret_value(), "http://127.0.0.1:8000/webhooks/superoffice"
    )
    assert hook.secret not in repr(hook)
    assert served.demo_url is None


def test_demo_can_be_all_of_superoffice_online(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The demo REST server replaces all hosts, whatever the environment variables are.

    Its channels have no names, as in every gateway for several tenants.
    """
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", URL)
    monkeypatch.setenv("GATEWAY_TENANTS", "Cust1")
    monkeypatch.setenv("GATEWAY_TENANT_HOSTS", "example.net")
    monkeypatch.setenv("GATEWAY_TOPIC_NAMES", "1=Sales")

    code = main(["demo", "--tenants"])

    (settings,) = served.settings
    assert code == 0
    assert (settings.upstream_url, settings.environment) == (None, "online")
    assert settings.tenants is None
    assert settings.tenant_hosts == {"superoffice.com"}
    assert settings.topic_names == {}
    assert served.demo_url == "http://127.0.0.1:1"
    shown = capsys.readouterr().out
    assert f"curl http://127.0.0.1:8000/graphql/{next(iter(DEMO_TENANTS))}" in shown
    assert [name for name in DEMO_TENANTS if f"/graphql/{name} " not in shown] == []


def test_demo_obeys_the_environment_except_for_addresses(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell configured for a real SuperOffice can run the demo without calling it.

    The gateway's own port is obeyed, as its host is.
    """
    monkeypatch.setenv("GATEWAY_UPSTREAM_URL", URL)
    monkeypatch.setenv("GATEWAY_ENVIRONMENT", "sod")
    monkeypatch.setenv("GATEWAY_UPSTREAM_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("GATEWAY_CACHE_TTL", "1")
    monkeypatch.setenv("GATEWAY_PORT", "9")

    main(["demo"])

    assert served.settings[0].upstream_url == "http://127.0.0.1:1"
    assert served.settings[0].upstream_proxy is None
    assert served.settings[0].cache_ttl == 1
    assert served.settings[0].port == 9


def test_demo_prints_how_to_use_it(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo prints its address, the three users with their credentials, and a curl line."""
    main(["demo"])

    shown = capsys.readouterr().out
    assert "http://127.0.0.1:8000/graphql" in shown
    assert [user.full_name for user in DEMO_USERS if user.full_name not in shown] == []
    assert [user.login for user in DEMO_USERS if user.authorization_basic not in shown] == []
    assert "curl http://127.0.0.1:8000/graphql" in shown


def test_upstream_passes_its_flags_on(served: Served, tmp_path: Path) -> None:
    """The demo REST server runs alone, and can serve a file."""
    sample = tmp_path / "sample.json"
    sample.write_text("[]")

    code = main(["upstream", "--sample", str(sample), "--sessions", "3"])

    assert code == 0
    assert served.upstreams == [
        {"port": 8001, "sessions": 3, "delay_ms": 0, "seed": 1, "sample": sample, "hook": None}
    ]


def test_upstream_sends_webhooks_to_the_given_url(served: Served) -> None:
    """The receiver can be a gateway in development."""
    url = "http://127.0.0.1:8000/webhooks/superoffice"
    main(["upstream", "--webhook-url", url, "--webhook-secret", "hunter2"])

    assert served.upstreams[0]["hook"] == Hook("hunter2", url)


def test_webhooks_without_a_secret_are_not_sent(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gateway refuses unsigned webhooks, so the command refuses to start."""
    assert main(["upstream", "--webhook-url", "http://127.0.0.1:8000/x"]) == 2
    assert "--webhook-secret" in capsys.readouterr().err
    assert not served.upstreams


def test_schema_export_writes_the_schema(tmp_path: Path) -> None:
    """The file has only the schema."""
    file = tmp_path / "schema.graphql"

    assert main(["schema", "export", str(file)]) == 0
    assert file.read_bytes() == sdl().encode()


def test_schema_export_writes_to_schema_graphql_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is also the default of `schema check`."""
    monkeypatch.chdir(tmp_path)

    assert main(["schema", "export"]) == 0
    assert main(["schema", "check"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["schema.graphql"]


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "with a byte order mark"])
def test_schema_check_accepts_what_git_and_editors_do_on_windows(mark: str, tmp_path: Path) -> None:
    """`core.autocrlf` makes CRLF of each line end."""
    file = tmp_path / "schema.graphql"
    file.write_bytes((mark + sdl().replace("\n", "\r\n")).encode())

    assert main(["schema", "check", str(file)]) == 0


@pytest.mark.parametrize(
    "content",
    [None, b"", b"type Query { other: Int }\n", sdl().encode().rstrip(), b"\xff\xfe"],
    ids=["missing", "empty", "other", "without its last newline", "not text"],
)
def test_schema_check_fails_when_the_file_is_not_the_schema(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line has the command to run, and the file is not changed."""
    file = tmp_path / "schema.graphql"
    if content is not None:
        file.write_bytes(content)

    code = main(["schema", "check", str(file)])

    assert code == 1
    assert capsys.readouterr().err == (
        f"gateway: {file} is {'missing' if content is None else 'not the current schema'}; "
        f"run: gateway schema export {file}\n"
    )
    assert (file.read_bytes() if file.exists() else None) == content


def test_the_repositorys_schema_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code generators read `schema.graphql`: it equals the served schema."""
    monkeypatch.chdir(ROOT)

    assert main(["schema", "check"]) == 0


def test_python_m_gateway_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module runs the installed command's function, and exits with its code."""
    monkeypatch.setattr(cli, "main", lambda: 7)
    monkeypatch.delitem(sys.modules, "gateway.__main__", raising=False)

    with pytest.raises(SystemExit) as exited:
        __import__("gateway.__main__")

    assert exited.value.code == 7


def test_without_a_command_it_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A first-time user types only `gateway`."""
    assert main([]) == 0

    shown = capsys.readouterr()
    assert shown.out.startswith("usage: gateway ")
    assert shown.err == ""


def test_it_prints_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is that of the package."""
    with pytest.raises(SystemExit) as exited:
        main(["--version"])

    assert exited.value.code == 0
    assert capsys.readouterr().out == f"gateway {gateway.__version__}\n"


def test_the_help_has_groups_and_kinds_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    """The usage line is short, and secrets have a warning about command lines."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])

    shown = capsys.readouterr().out
    assert shown.startswith("usage: gateway serve [settings]\n")
    groups = ["SuperOffice", "Cache", "Limits", "Serving", "Observability"]
    assert [group for group in groups if f"\n{group}:\n" not in shown] == []
    flags = ["cache-ttl SECONDS", "tracing on|off", "max-body-bytes BYTES", "upstream-url URL"]
    flags += ["log-level debug|info|warning|error", "cache-secret-file FILE", "host ADDRESS"]
    assert [flag for flag in flags if f"  --{flag}" not in shown] == []
    assert "VALUE" not in shown
    words = " ".join(shown.split())
    assert words.count("other users can read command lines") == len(Settings.secrets())


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--cache-tll", "3"], "unrecognized arguments: --cache-tll; did you mean --cache-ttl?"),
        (["--cache-tll=3"], "unrecognized arguments: --cache-tll; did you mean --cache-ttl?"),
        (["--something-else"], "unrecognized arguments: --something-else\n"),
        (["--app-tokens=hunter2"], "unrecognized arguments: --app-tokens; did you mean"),
        (["-H", "Authorization: hunter2"], "unrecognized arguments: -H\n"),
        (["hunter2"], "unrecognized arguments: more values than flags\n"),
    ],
)
def test_a_mistyped_flag_is_explained(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error suggests the most similar flag, without the whole help, or a value."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", *arguments])

    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert hint in shown
    assert len(shown.splitlines()) == 2
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("name", "value"), [("trusted_documents", "/nowhere"), ("trusted_documents_only", "on")]
)
def test_an_error_names_a_setting_as_it_was_given(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error has the flag or the variable, even if it is found after validation."""
    flag, variable = f"--{name.replace('_', '-')}", f"GATEWAY_{name.upper()}"
    assert main(["query", "{ a }", "--upstream-url", URL, flag, value]) == 2
    assert capsys.readouterr().err.startswith(f"gateway: {flag} {value}: ")

    monkeypatch.setenv(variable, value)
    assert main(["query", "{ a }", "--upstream-url", URL]) == 2
    assert capsys.readouterr().err.startswith(f"gateway: {variable}={value}: ")


def test_a_flag_cannot_be_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    """An abbreviation could mean another flag in the next version."""
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--upstream-url", URL, "--cache-t", "3"])

    assert caught.value.code == 2
    assert "unrecognized arguments: --cache-t;" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--sessions", "--delay"])
def test_the_demo_refuses_negative_numbers(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the number of sessions nor the delay can be negative."""
    with pytest.raises(SystemExit) as caught:
        main(["demo", flag, "-3"])

    assert caught.value.code == 2
    assert "-3: must be 0 or more" in capsys.readouterr().err


def test_the_schema_can_be_exported_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """The file name `-` prints the schema, to be piped."""
    assert main(["schema", "export", "-"]) == 0

    assert capsys.readouterr().out == sdl()


@pytest.mark.parametrize("command", ["--help", "dashboard", "schema --help"])
def test_a_command_loads_only_the_modules_that_it_needs(command: str) -> None:
    """Help and the dashboard need no settings, no schema and no server."""
    script = (
        "import contextlib, sys\n"
        "from gateway.commands.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):\n"
        "    main(sys.argv[1:])\n"
        "print(*sys.modules)"
    )
    run = [sys.executable, "-c", script, *command.split()]
    loaded = subprocess.run(run, capture_output=True, check=True, text=True).stdout.split()

    assert "gateway.commands.cli" in loaded
    unneeded = {"gateway.app", "gateway.settings", "pydantic", "starlette", "strawberry", "uvicorn"}
    assert unneeded.isdisjoint(loaded)


def test_the_supervisor_of_workers_loads_no_application() -> None:
    """Workers start only after their supervisor, so its imports delay them."""
    script = "import sys, gateway.server.run\nprint(*sys.modules)"
    run = [sys.executable, "-c", script]
    loaded = subprocess.run(run, capture_output=True, check=True, text=True).stdout.split()

    assert {"gateway.app", "starlette", "strawberry", "uvicorn"}.isdisjoint(loaded)


def test_the_package_has_only_its_public_names() -> None:
    """Public names are imported on first use; any other name is an AttributeError."""
    assert gateway.create_app is create_app
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = gateway.nonsense  # type: ignore[attr-defined]
