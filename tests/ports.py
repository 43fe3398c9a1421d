"""Free ports that no other process takes before they are used."""

import itertools
import os
import socket
from contextlib import suppress

# Below the system's ephemeral ports, with a range for each test process.
_COUNT = 2_000
_START = 10_000 + _COUNT * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 11)
_numbers = itertools.count(os.getpid() * 37)  # so that two runs at once rarely collide


def free_port() -> int:
    """Return a loopback port that no process listens on."""
    while True:
        port = _START + next(_numbers) % _COUNT
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
