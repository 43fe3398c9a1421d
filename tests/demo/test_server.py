"""The server around the answer: routes, the wait, the count, the sample."""

import time
from pathlib import Path

import pytest

from gateway.demo import create_demo_app
from tests.demo.asking import KARI, ask

AUTH = {"Authorization": KARI.authorization_basic}


@pytest.mark.parametrize("path", ["/", "/api/v1/ChatTopic", "/api/v1/ChatSession/ForCurrentUser/"])
async def test_another_path_is_404_in_the_documented_body(path: str) -> None:
    """Only one route of SuperOffice is played."""
    answer = await ask(create_demo_app(), AUTH, path=path)

    assert answer.status_code == 404
    assert answer.json()["ErrorType"] == "SoNotFoundException"
    assert path in answer.json()["ErrorMessage"]


async def test_another_method_is_405() -> None:
    """The endpoint is only read, and says so."""
    answer = await ask(create_demo_app(), AUTH, method="POST")

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.json()["Error"] is True


async def test_calls_are_counted_whatever_their_status() -> None:
    """Tests of the gateway learn from the count how often REST was called."""
    app = create_demo_app()

    await ask(app, AUTH)
    await ask(app, {})
    await ask(app, AUTH, path="/elsewhere")

    assert app.state.calls == 2


async def test_the_answer_waits_as_long_as_asked() -> None:
    """A slow tenant can be played."""
    app = create_demo_app(delay_ms=30)
    began = time.perf_counter()

    await ask(app, AUTH)

    assert time.perf_counter() - began >= 0.03


async def test_a_sample_is_served_byte_for_byte(tmp_path: Path) -> None:
    """A file takes the place of the sessions, odd spaces and all."""
    sample = tmp_path / "sample.json"
    sample.write_bytes(b'[ {"ChatSessionId" : 938}\r\n]')

    answer = await ask(create_demo_app(sample=sample), AUTH)

    assert answer.content == sample.read_bytes()
    assert answer.headers["content-type"].startswith("application/json")


async def test_a_sample_still_asks_for_credentials(tmp_path: Path) -> None:
    """A sample changes the answer, not who may have it."""
    sample = tmp_path / "sample.json"
    sample.write_bytes(b"[]")

    answer = await ask(create_demo_app(sample=sample), {})

    assert answer.status_code == 401
