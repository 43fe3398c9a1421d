"""What the gateway listens on, and what it says where it cannot."""

import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway import Settings
from gateway.errors import SettingsError
from gateway.server.resources import join, listening, url_of

pytestmark = pytest.mark.socket


def test_all_addresses_are_of_both_families() -> None:
    """One process serves IPv4 and IPv6."""
    with listening("::", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=5).close()

        assert url_of("::", listener) == f"http://[::]:{port}/graphql"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections")
@pytest.mark.parametrize(("host", "target"), [("127.0.0.1", "127.0.0.1"), ("::", "127.0.0.1")])
def test_each_worker_gets_its_part_of_the_connections(host: str, target: str) -> None:
    """None are accepted before a worker listens, and no other gateway can have the port."""
    with listening(host, 0, workers=2) as reserved:
        port = reserved.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((target, port))
        with join(reserved, host) as one, join(reserved, host) as other:
            clients = [socket.create_connection((target, port)) for _ in range(100)]
            with pytest.raises(SettingsError, match="is in use"):
                listening(host, port, workers=2).__enter__()
            accepted = [_accept_all(listener) for listener in (one, other)]
    for client in clients:
        client.close()

    assert sum(accepted) == 100
    assert min(accepted) > 10  # fewer: once in 10**17 runs


def _accept_all(listener: socket.socket) -> int:
    listener.setblocking(False)
    accepted = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            accepted += 1
    return accepted


def test_workers_share_a_unix_socket(tmp_path: Path) -> None:
    """The kernel distributes connections to ports only."""
    host = f"unix:{tmp_path}/gateway.sock"
    with listening(host, 8000, workers=2) as listener:
        assert join(listener, host) is listener


def test_a_unix_socket_is_open_to_all_who_may_enter_its_folder(tmp_path: Path) -> None:
    """One that is left from before is replaced, and at the end there is none."""
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    with listening(f"unix:{path}", 8000) as listener:
        assert path.stat().st_mode & 0o777 == 0o666
        assert url_of(f"unix:{path}", listener) == f"http://unix:{path}:/graphql"

    assert not path.exists()


def test_a_unix_socket_of_another_one_stays(tmp_path: Path) -> None:
    """Whether it is there before, or has taken the place meanwhile."""
    path = tmp_path / "gateway.sock"
    with listening(f"unix:{path}", 8000) as first:
        with pytest.raises(SettingsError, match=r"gateway\.sock: Address already in use; .*--host"):
            listening(f"unix:{path}", 8000).__enter__()
        path.unlink()
        path.write_text("another one's")
        assert first.fileno() > 0

    assert path.read_text() == "another one's"


@pytest.mark.parametrize(
    ("name", "problem"),
    [("no/such/folder", "No such file or directory"), ("x" * 200, "path too long")],
)
def test_a_path_that_cannot_be_listened_on(tmp_path: Path, name: str, problem: str) -> None:
    """One line names it; a file that is no socket stays as it is."""
    with pytest.raises(SettingsError, match=rf"^cannot listen on unix:/.*{problem}.*--host$"):
        listening(f"unix:{tmp_path}/{name}", 8000).__enter__()
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match="in use"):
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
def test_metrics_have_an_address_of_their_own(
    host: str, metrics_host: str | None, address: str
) -> None:
    """Unset, it is the gateway's, if that is one."""
    settings = Settings(upstream_url="http://rest.invalid", host=host, metrics_host=metrics_host)

    assert settings.metrics_address == address
