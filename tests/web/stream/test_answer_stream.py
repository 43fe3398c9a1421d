"""The end of an event stream, and what it holds."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import ExitStack

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from gateway.errors import BadRequestError
from gateway.schema.engine import Answer
from gateway.web import answer_stream
from gateway.web.answer_stream import EventStream
from gateway.web.inbound import Inbound, RequestHead


async def test_a_client_that_disconnects_during_a_send_ends_the_operation() -> None:
    """A client that disconnects during a send ends its operation and the polling."""
    has_left, has_ended = asyncio.Event(), asyncio.Event()

    async def answers() -> AsyncGenerator[Answer, None]:
        try:
            yield Answer({"data": None})
            await asyncio.Event().wait()
        finally:
            has_ended.set()

    async def receive() -> Message:
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            has_left.set()
            await asyncio.Event().wait()

    inbound = Inbound(RequestHead(BadRequestError("")), b"id")
    stream = EventStream(answers(), note=lambda _: None, inbound=inbound, slots=ExitStack())
    await stream({"type": "http"}, receive, send)

    assert has_ended.is_set()


async def test_an_event_that_was_sent_is_not_held() -> None:
    """A stream that waits for its next answer does not hold the last event: thousands wait."""
    held = set[int]()
    is_waiting = asyncio.Event()

    class Event(bytes):
        def __new__(cls, text: bytes) -> "Event":
            event = super().__new__(cls, text)
            held.add(id(event))
            return event

        def __del__(self) -> None:
            held.discard(id(self))

    class Stream(EventStream):
        def part(self, answer: Answer) -> bytes:
            return Event(super().part(answer))

    async def answers() -> AsyncGenerator[Answer, None]:
        yield Answer({"data": None})
        assert held == set()
        is_waiting.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        await is_waiting.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        assert bool(held) == bool(message.get("body"))

    inbound = Inbound(RequestHead(BadRequestError("")), b"id")
    stream = Stream(answers(), note=lambda _: None, inbound=inbound, slots=ExitStack())
    await stream({"type": "http"}, receive, send)


async def test_no_heartbeat_comes_within_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long event is sent in pieces, and may take longer than the time between heartbeats."""
    monkeypatch.setattr(answer_stream, "HEARTBEAT_S", 0.01)
    sent = bytearray()
    has_beaten = asyncio.Event()

    async def answers() -> AsyncGenerator[Answer, None]:
        yield Answer({"data": "x" * 100})
        await asyncio.Event().wait()

    async def receive() -> Message:
        await has_beaten.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        for byte in message.get("body", b""):
            sent.append(byte)
            await asyncio.sleep(0.001)
        if sent.endswith(b": ping\n\n"):
            has_beaten.set()

    inbound = Inbound(RequestHead(BadRequestError("")), b"id")
    stream = EventStream(answers(), note=lambda _: None, inbound=inbound, slots=ExitStack())
    await stream({"type": "http"}, receive, send)

    assert sent == b'event: next\ndata: {"data":"%b"}\n\n: ping\n\n' % (b"x" * 100)


async def test_a_short_stream_in_a_shutdown_is_ended_once() -> None:
    """A stream that is complete before its task sees that the server stops has one end."""
    ends = []

    async def answers() -> AsyncGenerator[Answer, None]:
        yield Answer({"data": None})

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            ends.append(message)

    inbound = Inbound(RequestHead(BadRequestError("")), b"id")
    inbound.end_stream()
    stream = EventStream(answers(), note=lambda _: None, inbound=inbound, slots=ExitStack())
    await stream({"type": "http"}, receive, send)

    assert len(ends) == 1


@given(text=st.text(st.sampled_from('"\\éa\n\0\x7f\u2028u0/🙂') | st.characters()))
def test_any_text_can_be_in_ascii(text: str) -> None:
    """Only its letters are escaped: numbers stay as they are."""
    content = {text: [1e-7, text], "é": 0}
    json_text = answer_stream._ascii(content)

    assert json_text.isascii()
    assert orjson.loads(json_text) == json.loads(json_text) == content
    assert b"[1e-7," in json_text or text == "é"
