"""What `gateway doctor` says of the machine."""

import resource
import socket
from typing import Any

import pytest

from gateway import Settings
from gateway.commands.doctor import machine


def settings(**more: Any) -> Settings:
    """Return some settings."""
    return Settings(**{"upstream_url": "http://rest.invalid", "port": 0, **more})


def test_a_free_port_is_one() -> None:
    """It is given back at once."""
    [finding] = machine.ports(settings())

    assert (finding.level, finding.found) == ("ok", "127.0.0.1:0 is free")


def test_a_port_that_is_taken_may_be_the_gateways_own() -> None:
    """So it is no failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        [finding] = machine.ports(settings(port=port))

    assert finding.level == "warn"
    assert finding.found == f"127.0.0.1:{port} is in use"


def test_the_port_of_the_metrics_has_to_be_another_one() -> None:
    """Both are listened on."""
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
def test_an_address_that_is_not_this_machines_is_a_failure(host: str) -> None:
    """It could not be listened on."""
    [finding] = machine.ports(settings(host=host))

    assert finding.level == "fail"
    assert f"cannot listen on {host}:0: " in finding.found


@pytest.mark.parametrize(
    ("most", "level"), [(resource.RLIM_INFINITY, "ok"), (500, "ok"), (364, "ok"), (363, "warn")]
)
def test_as_many_files_are_needed_as_connections_may_be_open(
    most: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And some more: for the log, the pool and the like."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, most))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    finding = machine.open_files(settings(max_connections=100, upstream_connections=64))

    assert finding.level == level
    assert "364" in finding.found
