"""A client that sends its body a byte at a time."""

import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from gateway.web.read import body
from tests.clients.running import Running

pytestmark = pytest.mark.socket


def test_a_body_that_does_not_arrive_times_out(
    shared: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Single bytes do not extend the timeout of ten seconds, here half a second."""
    monkeypatch.setattr(body, "_TIMEOUT_S", 0.5)
    host, port = urlsplit(shared.url).netloc.split(":")
    head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    started = time.perf_counter()
    with socket.create_connection((host, int(port)), timeout=0.1) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
        answer = b""
        while not answer and time.perf_counter() - started < 10:
            connection.sendall(b"{")
            try:
                answer = connection.recv(10_000)
            except TimeoutError:
                continue
    headers, _, content = answer.partition(b"\r\n\r\n")

    assert headers.startswith(b"HTTP/1.1 408 ")
    assert [e["extensions"]["code"] for e in json.loads(content)["errors"]] == ["BAD_REQUEST"]
