"""Reads HTTP/1.1 answers from a connection, and checks them."""

import re
from collections.abc import Callable
from typing import Any

import orjson

__all__ = ["AnswerReader", "Check", "WrongAnswerError", "any_data", "exactly", "with_data"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_SHOWN = 300

Check = Callable[[int, bytes], None]
"""Checks the status and the body of an answer; raises `WrongAnswerError`."""


class WrongAnswerError(Exception):
    """An answer is not the expected one: the measurement is invalid."""


class AnswerReader:
    """Assembles answers one at a time: the next request is sent after a complete answer."""

    def __init__(self) -> None:
        self._received = b""
        self._parts: list[bytes] = []
        self._status = 0
        self._missing = 0
        self._is_chunked = False

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Add received bytes; return status and body once the answer is complete."""
        if not self._status:
            data = self._received + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._received = data
                return None
            self._start(data[: end + 2])
            data = data[end + 4 :]
        if self._is_chunked:
            is_complete = self._take_chunks(data)
        else:
            self._parts.append(data)
            self._missing -= len(data)
            is_complete = self._missing <= 0
        return self._finish() if is_complete else None

    def _start(self, head: bytes) -> None:
        self._received = b""
        self._status = int(head[9:12])
        length = _LENGTH.search(head)
        self._missing = int(length[1]) if length else 0
        self._is_chunked = length is None and _CHUNKED.search(head) is not None
        if length is None and not self._is_chunked:
            raise WrongAnswerError(f"an answer without a length: {head[:_SHOWN]!r}")

    def _take_chunks(self, data: bytes) -> bool:
        data = self._received + data
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:end].partition(b";")[0], 16)
            after = end + 2 + size + 2
            if len(data) < after:
                break
            if not size:
                return True
            self._parts.append(data[end + 2 : after - 2])
            at = after
        self._received = data[at:]
        return False

    def _finish(self) -> tuple[int, bytes]:
        status, body = self._status, b"".join(self._parts)
        self._received, self._parts, self._status = b"", [], 0
        return status, body


def with_data(wanted: Any) -> Check:
    """Check for this data and no errors; the bytes of a right body are remembered."""
    known: list[bytes] = []

    def check(status: int, body: bytes) -> None:
        if status == 200 and body in known:
            return
        _check_status(status, body)
        answer = _parsed(body)
        if "errors" in answer or answer.get("data") != wanted:
            raise WrongAnswerError(f"wrong data: {body[:_SHOWN]!r}")
        known[:] = [body, *known[:3]]

    return check


def exactly(wanted: bytes) -> Check:
    """Check for this body."""

    def check(status: int, body: bytes) -> None:
        _check_status(status, body)
        if body != wanted:
            raise WrongAnswerError(f"another body: {body[:_SHOWN]!r}")

    return check


def any_data(status: int, body: bytes) -> None:
    """Check for any data without errors."""
    _check_status(status, body)
    if not body.startswith(b'{"data":') or b'"errors"' in body:
        raise WrongAnswerError(f"no data: {body[:_SHOWN]!r}")


def _check_status(status: int, body: bytes) -> None:
    if status != 200:
        raise WrongAnswerError(f"status {status}: {body[:_SHOWN]!r}")


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise WrongAnswerError(f"not JSON: {body[:_SHOWN]!r}") from exc
