"""Addresses, ports and unix sockets that the gateway listens on, and errors where it cannot."""

import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from gateway import Settings
from gateway.errors import SettingsError
from gateway.server.resources import join, listening, url_of

pytestmark = pytest.mark.socket


def test_the_address_for_all_interfaces_accepts_ipv4_and_ipv6() -> None:
    """One process accepts IPv4 and IPv6 on `::`."""
    with listening("::", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=5).close()

        assert url_of("::", listener) == f"http://[::]:{port}/graphql"


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections")


@linux
@pytest.mark.parametrize(("host", "target"), [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1")])
def test_connections_are_distributed_to_workers(host: str, target: str) -> None:
    """The kernel distributes connections to the workers that listen."""
    with listening(host, 0, workers=2) as reserved:
        address = target, reserved.getsockname()[1]
        with join(reserved) as one, join(reserved) as other:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            one.listen()
            other.listen()
            clients = [socket.create_connection(address) for _ in range(100)]
            accepted = [_accept_all(listener) for listener in (one, other)]
    for client in clients:
        client.close()

    assert sum(accepted) == 100
    assert min(accepted) > 10  # fewer: once in 10**17 runs


@linux
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("host", ["127.0.0.1", "::", "::1"])
def test_a_reserved_port_is_in_use(host: str, workers: int) -> None:
    """A second gateway gets no port of workers that start, serve, or have crashed."""
    with listening(host, 0, workers=2) as reserved:
        port = reserved.getsockname()[1]

        def assert_in_use() -> None:
            with pytest.raises(SettingsError, match="is in use"):
                listening(host, port, workers=workers).__enter__()

        assert_in_use()
        with join(reserved) as own:
            own.listen()
            assert_in_use()
        assert_in_use()


@linux
def test_closed_connections_do_not_hold_a_port() -> None:
    """A gateway with workers can start after one that closed its connections."""
    host, port = "127.0.0.1", 0
    for workers in (1, 2, 2):
        with listening(host, port, workers=workers) as listener:
            port = listener.getsockname()[1]
            with join(listener) if workers > 1 else listener as own:
                own.listen()
                with socket.create_connection((host, port)):
                    own.accept()[0].close()  # before the client: it waits in TIME_WAIT


def _accept_all(listener: socket.socket) -> int:
    listener.setblocking(False)
    accepted = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            accepted += 1
    return accepted


def test_workers_share_a_unix_socket(tmp_path: Path) -> None:
    """Workers share one unix socket, as the kernel distributes connections to ports only."""
    host = f"unix:{tmp_path}/gateway.sock"
    with listening(host, 8000, workers=2) as listener:
        assert join(listener) is listener


def test_a_unix_socket_is_writable_for_all_users(tmp_path: Path) -> None:
    """Any user with access to the folder may connect; a stale socket is replaced."""
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    with listening(f"unix:{path}", 8000) as listener:
        assert path.stat().st_mode & 0o777 == 0o666
        assert url_of(f"unix:{path}", listener) == f"http://unix:{path}:/graphql"

    assert not path.exists()


def test_a_path_that_belongs_to_another_process_is_kept(tmp_path: Path) -> None:
    """A unix socket in use is not replaced, and a file that took its place is not removed."""
    path = tmp_path / "gateway.sock"
    with listening(f"unix:{path}", 8000) as first:
        with pytest.raises(SettingsError, match=r"gateway\.sock: Address already in use; .*--host"):
            listening(f"unix:{path}", 8000).__enter__()
        path.unlink()
        path.write_text("another one's")
        assert first.fileno() > 0

    assert path.read_text() == "another one's"


@linux
@pytest.mark.parametrize("kind", ["SOCK_DGRAM", "SOCK_SEQPACKET", "SOCK_STREAM"])
def test_a_socket_of_another_program_is_kept(tmp_path: Path, kind: str) -> None:
    """It may be one of systemd's or the log's, or a listener that is too busy to accept."""
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX, getattr(socket, kind)) as other, ExitStack() as waiting:
        other.bind(str(path))
        if kind != "SOCK_DGRAM":
            other.listen(0)
        client, is_full = waiting.enter_context(socket.socket(socket.AF_UNIX)), False
        while kind == "SOCK_STREAM" and not is_full:
            client.setblocking(False)
            is_full = client.connect_ex(str(path)) != 0
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
        with pytest.raises(SettingsError, match=r"other\.sock: Address already in use"):
            listening(f"unix:{path}", 8000).__enter__()

    assert path.is_socket()


@pytest.mark.parametrize(
    ("name", "problem"),
    [("no/such/folder", "No such file or directory"), ("x" * 200, "path too long")],
)
def test_an_invalid_path_is_a_settings_error(tmp_path: Path, name: str, problem: str) -> None:
    """An invalid path is an error in one line; a regular file is not replaced."""
    with pytest.raises(SettingsError, match=rf"^cannot listen on unix:/.*{problem}.*--host$"):
        listening(f"unix:{tmp_path}/{name}", 8000).__enter__()
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match="File exists"):
        listening(f"unix:{file}", 8000).__enter__()
    assert file.exists()


@pytest.mark.parametrize(
    ("host", "metrics_host", "address"),
    [
        ("0.0.0.0", None, "0.0.0.0"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("unix:/run/gateway.sock", None, "127.0.0.1"),
        ("unix:/run/gateway.sock", "::", "::"),
    ],
)
def test_the_address_of_metrics_defaults_to_the_gateways(
    host: str, metrics_host: str | None, address: str
) -> None:
    """The address of metrics is the gateway's by default, or loopback beside a unix socket."""
    settings = Settings(upstream_url="http://rest.invalid", host=host, metrics_host=metrics_host)

    assert settings.metrics_address == address
