"""Secrets: from files, without line breaks, and not on command lines."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.settings.messages import with_flags
from gateway.settings.parse import webhook_secrets

URL = "https://crm.example.com"
SECRET = (
    "redis://:hunter2@redis.example.com/0?12345678"  # long enough for each secret, and a valid URL
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with a secret, as editors write it."""
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbf" + SECRET.encode() + b"\r\n\n")
    return file


def problem(**flags: str) -> str:
    """Return the error message of a failed start."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(upstream_url=URL, **flags)
    assert len(str(caught.value).splitlines()) == 1
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", Settings.secrets())
def test_every_secret_can_come_from_a_file(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable or flag names the file; a byte order mark and line breaks at its end are cut."""
    by_flag = Settings.load(upstream_url=URL, **{f"{name}_file": str(file)})
    monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", str(file))
    by_variable = Settings.load(upstream_url=URL)

    assert getattr(by_flag, name) == getattr(by_variable, name) == SecretStr(SECRET)
    assert by_flag.exposed() == by_variable.exposed() == []


@pytest.mark.parametrize("name", Settings.secrets())
def test_a_secret_comes_from_one_place(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value together with a file is an error, but a flag wins over both."""
    variable = f"GATEWAY_{name.upper()}"
    monkeypatch.setenv(variable, "x" * 32)
    monkeypatch.setenv(f"{variable}_FILE", str(file))

    assert problem().startswith(f"{variable} and {variable}_FILE are both set")

    monkeypatch.delenv(variable)
    settings = Settings.load(upstream_url=URL, **{name: SECRET + "x"})
    assert getattr(settings, name) == SecretStr(SECRET + "x")
    assert settings.exposed() == [name]
    assert settings.warnings[0].startswith(
        f"--{name.replace('_', '-')}: other users of this machine"
    )


@pytest.mark.parametrize(
    ("url", "names"),
    [("redis://redis.example.com", []), ("redis://:hunter2@redis.example.com", ["cache_url"])],
)
def test_only_a_url_with_credentials_is_a_secret(url: str, names: list[str]) -> None:
    """Nobody is warned of others who can read the name of a server on the command line."""
    assert Settings.load(upstream_url=URL, cache_url=url).exposed() == names


@pytest.mark.parametrize("name", Settings.secrets())
@pytest.mark.parametrize("text", ["{}\n", "{}\r", "{} ", "\t{}"])
def test_a_secret_with_blanks_at_its_ends_is_refused(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Kubernetes secret made with `echo` ends with a line break: every signature would fail."""
    monkeypatch.setenv(f"GATEWAY_{name.upper()}", text.format("x" * 40))

    assert problem().startswith(f"GATEWAY_{name.upper()}: ")


@pytest.mark.parametrize("name", Settings.secrets())
def test_an_example_is_no_secret(name: str) -> None:
    """An example in a message could be copied as it is: only a URL has one, and it is valid."""
    line = problem(**{name: " x"})

    assert ("; for example " in line) is name.endswith(("_url", "_proxy"))
    for example in filter(None, Settings.model_fields[name].examples or []):
        assert getattr(Settings.load(upstream_url=URL, **{name: example}), name) is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read {}: No such file or directory"),
        (b"\xff\xfe", "cannot read {}: not UTF-8"),
        (b"\n", "{} is empty"),
        (
            b"hunter2",
            "it must have at least 32 characters: `openssl rand -hex 32` prints one",
        ),
        (b"'%b'" % (b"hunter2" * 5), "it is in quotes: remove them"),
        (b"hunter2" * 5 + b" \n", "it begins or ends with a blank or a line break: remove that"),
    ],
)
def test_a_file_without_a_valid_secret_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """One line names the variable and the file, and quotes none of its content."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    line = problem(cache_secret_file=str(file))

    assert line == f"GATEWAY_CACHE_SECRET_FILE: {reason.format(file)}"


def test_a_secret_in_the_place_of_its_file_is_not_shown() -> None:
    """Whoever forgets the file reads why, without the secret."""
    line = problem(cache_secret_file="hunter2")

    reason = "cannot read its file: No such file or directory"
    assert line == f"GATEWAY_CACHE_SECRET_FILE: {reason}"


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """A pipe can be read once: a reload would wait for its next writer."""
    pipe = tmp_path / "secret"
    os.mkfifo(pipe)

    line = problem(cache_secret_file=str(pipe))

    reason = "a pipe cannot be read again, as a reload does"
    assert line == f"GATEWAY_CACHE_SECRET_FILE: cannot read {pipe}: {reason}"


@pytest.mark.parametrize("between", [",", ", ", ",\n", "\n", "\r\n", "\n\n"])
def test_webhook_secrets_have_commas_or_lines_between_them(file: Path, between: str) -> None:
    """A file with one secret a line is not one secret that nothing is signed with."""
    old, new = "an old secret that is long", "a new secret that is long="
    file.write_text(f"{old}{between}Cust12345={new}\n", newline="")

    settings = Settings.load(upstream_url=URL, webhook_secret_file=str(file))

    assert settings.webhook_secret is not None
    secrets = webhook_secrets(settings.webhook_secret)
    assert secrets == {None: [old.encode()], "Cust12345": [new.encode()]}


def test_files_are_read_again(file: Path) -> None:
    """Other settings keep their values, including random ones."""
    settings = Settings.load(upstream_url=URL, webhook_secret_file=str(file))
    file.write_text("another secret as long")

    again = settings.reread()

    assert again.webhook_secret == SecretStr("another secret as long")
    assert again.cache_secret == settings.cache_secret
    without_files = Settings(upstream_url=URL)
    assert without_files.reread() is without_files
    file.write_text("short")
    with pytest.raises(SettingsError, match="GATEWAY_WEBHOOK_SECRET_FILE: "):
        settings.reread()


def test_messages_name_a_flag_as_a_flag() -> None:
    """The name is replaced in any message, but not where it is only the beginning of another."""
    text = "GATEWAY_TRACING=on: no; GATEWAY_DOCS, GATEWAY_TRACING_X, GATEWAY_HOST"

    shown = with_flags(text, ["docs", "tracing"])
    assert shown == "--tracing on: no; --docs, GATEWAY_TRACING_X, GATEWAY_HOST"
