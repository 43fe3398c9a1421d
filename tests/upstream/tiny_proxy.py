"""tinyproxy, a forward proxy like those of companies, on a free port."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

_PROGRAM = shutil.which("tinyproxy")
LOGIN = "gateway:hunter2"


@contextlib.contextmanager
def tiny_proxy(folder: Path, *, login: bool = False) -> Iterator[str]:
    """Run the proxy until the end of the block; yield its host and port, and log to `proxy.log`."""
    if _PROGRAM is None:  # pragma: no cover - the gate installs it
        pytest.skip("there is no tinyproxy: apt-get install tinyproxy")
    port, file = free_port(), folder / "tinyproxy.conf"
    lines = [
        f"Port {port}",
        "Listen 127.0.0.1",
        f'LogFile "{folder}/proxy.log"',
        "LogLevel Connect",
    ]
    file.write_text("\n".join([*lines, "BasicAuth gateway hunter2" if login else "", ""]))
    process = subprocess.Popen([_PROGRAM, "-d", "-c", file], stdout=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None, "tinyproxy did not start"
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()  # tinyproxy may miss a SIGTERM
        process.wait()
