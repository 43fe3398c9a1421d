"""The findings of `gateway doctor` about the machine."""

import resource
import socket
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

    assert (finding.level, finding.found) == ("ok", "127.0.0.1:0 is free")


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
        ("metrics port", "warn"),
    ]
    assert [finding.level for finding in other] == ["ok", "ok"]


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host.invalid", "a..b"])
def test_an_address_of_another_machine_is_a_failure(host: str) -> None:
    """The gateway cannot listen on another machine's address."""
    [finding] = machine.ports(settings(host=host))

    assert finding.level == "fail"
    assert f"cannot listen on {host}:0: " in finding.found


@pytest.mark.parametrize(
    ("most", "level"), [(resource.RLIM_INFINITY, "ok"), (500, "ok"), (364, "ok"), (363, "warn")]
)
def test_too_few_open_files_for_all_connections_is_a_warning(
    most: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log, pool and the like need some more files than the connections."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, most))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    finding = machine.open_files(settings(max_connections=100, upstream_connections=64))

    assert finding.level == level
    assert "364" in finding.found
