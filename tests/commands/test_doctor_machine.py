"""The findings of `gateway doctor` about the machine."""

import resource
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gateway import Settings
from gateway.commands.doctor import machine


def settings(**more: Any) -> Settings:
    """Return settings with port 0 and the given changes."""
    return Settings(**{"upstream_url": "http://rest.invalid", "port": 0, **more})


def test_a_free_port_is_ok() -> None:
    """Doctor releases the port at once."""
    [finding] = machine.ports(settings())

    assert (finding.level, finding.found) == ("ok", "127.0.0.1:0 can be used")


def test_a_port_in_use_is_a_warning() -> None:
    """The gateway itself may be using it, so it is no failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        [finding] = machine.ports(settings(port=port))

    assert finding.level == "warn"
    assert finding.found == f"127.0.0.1:{port} is in use"


def test_the_metrics_port_must_differ_from_the_port() -> None:
    """The gateway listens on both."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    same = machine.ports(settings(port=port, metrics_port=port))
    other = machine.ports(settings(port=port, metrics_port=0))

    assert [(finding.check, finding.level) for finding in same] == [
        ("port", "ok"),
        ("metrics", "warn"),
    ]
    assert [finding.level for finding in other] == ["ok", "ok"]


@pytest.mark.parametrize("options", [{"workers": 2}, {"metrics_port": 0}], ids=str)
def test_a_missing_temporary_directory_is_a_failure(
    options: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers share their metrics there, and `serve` fails without it."""
    assert machine.ports(settings(**options))[1].level == "ok"
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    assert machine.ports(settings(**options))[1].level == "fail"


def test_a_file_in_place_of_a_unix_socket_is_a_failure(tmp_path: Path) -> None:
    """No other program is to be stopped."""
    (tmp_path / "plain").touch()
    [finding] = machine.ports(settings(host=f"unix:{tmp_path}/plain"))

    assert finding.level == "fail"
    assert finding.found.endswith("File exists; give another --host")


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host.invalid", "a..b"])
def test_an_address_of_another_machine_is_a_failure(host: str) -> None:
    """The gateway cannot listen on another machine's address."""
    [finding] = machine.ports(settings(host=host))

    assert finding.level == "fail"
    assert f"cannot listen on {host}:0: " in finding.found


@pytest.mark.parametrize(
    ("most", "level"),
    [(resource.RLIM_INFINITY, "ok"), (364, "ok"), (363, "warn"), (265, "warn"), (264, "fail")],
)
def test_too_few_open_files_for_all_connections_is_a_warning(
    most: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log, pool and the like need some more files; without one for a client, `serve` fails."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, most))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    finding = machine.open_files(settings(max_connections=100, upstream_connections=64))

    assert finding.level == level
    assert "364" in finding.found
