"""A client that sends its body a byte at a time."""

import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.clients.running import Running

pytestmark = pytest.mark.socket


def test_a_body_that_does_not_arrive_is_given_up(shared: Running) -> None:
    """A byte a second holds nobody's attention for more than ten seconds."""
    host, port = urlsplit(shared.url).netloc.split(":")
    head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    started = time.perf_counter()
    with socket.create_connection((host, int(port)), timeout=1) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
        answer = b""
        while not answer and time.perf_counter() - started < 12:
            connection.sendall(b"{")
            try:
                answer = connection.recv(10_000)
            except TimeoutError:
                continue
    headers, _, body = answer.partition(b"\r\n\r\n")

    assert headers.startswith(b"HTTP/1.1 408 ")
    assert [e["extensions"]["code"] for e in json.loads(body)["errors"]] == ["BAD_REQUEST"]
