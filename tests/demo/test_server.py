"""The demo REST server: routes, delay, count of calls, and a file as its answer."""

import time
from pathlib import Path

import pytest

from gateway.demo.app import create_demo_app
from tests.demo.asking import KARI, ask

AUTH = {"Authorization": KARI.authorization_basic}


@pytest.mark.parametrize("path", ["/", "/api/v1/ChatTopic", "/api/v1/ChatSession/ForCurrentUser/"])
async def test_another_path_is_404_with_the_documented_body(path: str) -> None:
    """The demo has only one route of SuperOffice's REST API."""
    answer = await ask(create_demo_app(), AUTH, path=path)

    assert answer.status_code == 404
    assert answer.json()["ErrorType"] == "SoNotFoundException"
    assert path in answer.json()["ErrorMessage"]


async def test_another_method_is_405() -> None:
    """The endpoint accepts GET only, and its Allow header lists it."""
    answer = await ask(create_demo_app(), AUTH, method="POST")

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.json()["Error"] is True


async def test_calls_of_any_status_are_counted() -> None:
    """Tests of the gateway read the number of REST calls from it."""
    app = create_demo_app()

    await ask(app, AUTH)
    await ask(app, {})
    await ask(app, AUTH, path="/elsewhere")

    assert app.state.calls == 2


async def test_the_answer_is_delayed_as_configured() -> None:
    """The demo can play a slow tenant."""
    app = create_demo_app(delay_ms=30)
    began = time.perf_counter()

    await ask(app, AUTH)

    assert time.perf_counter() - began >= 0.03


async def test_a_sample_is_served_byte_for_byte(tmp_path: Path) -> None:
    """A file replaces the sessions, and its spaces are preserved."""
    sample = tmp_path / "sample.json"
    sample.write_bytes(b'[ {"ChatSessionId" : 938}\r\n]')

    answer = await ask(create_demo_app(sample=sample), AUTH)

    assert answer.content == sample.read_bytes()
    assert answer.headers["content-type"].startswith("application/json")


async def test_a_sample_requires_credentials(tmp_path: Path) -> None:
    """A sample changes the answer, not the access to it."""
    sample = tmp_path / "sample.json"
    sample.write_bytes(b"[]")

    answer = await ask(create_demo_app(sample=sample), {})

    assert answer.status_code == 401
