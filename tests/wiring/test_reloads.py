"""Reloads by SIGHUP, and their log lines."""

import json
from pathlib import Path

import httpx
import pytest
from graphql.language.parser import Parser

from gateway import create_app
from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.wiring.reloads import Reloads
from tests.observe.logged import logged
from tests.support import RestSide, gateway_over, running
from tests.web.test_webhooks import PATH, event, headers_of

URL = "http://rest.invalid"


def reload_log(reloads: Reloads) -> list[tuple[str, str]]:
    """Reload; return the levels and the lines."""
    with logged() as log:
        reloads()
    return [(event["level"], event["event"]) for event in log.events]


def test_each_part_is_reloaded_by_itself() -> None:
    """A part that fails is logged, and does not stop the others."""
    applied: list[Settings] = []

    def fail(settings: Settings) -> None:
        raise SettingsError("GATEWAY_TRUSTED_DOCUMENTS=a: it is not JSON")

    settings = Settings(upstream_url=URL)
    reloads = Reloads(settings, {"trusted_documents": fail, "log_level": applied.append})

    assert reload_log(reloads) == [
        ("error", "Not reloaded: GATEWAY_TRUSTED_DOCUMENTS=a: it is not JSON"),
        ("info", "Reloaded: GATEWAY_LOG_LEVEL"),
    ]
    assert applied == [settings]


def test_a_part_that_fails_unexpectedly_ends_nothing() -> None:
    """Any other exception is logged with its traceback, and the other parts are reloaded."""

    def fail(settings: Settings) -> None:
        raise OSError(116, "Stale file handle")

    applied: list[Settings] = []
    reloads = Reloads(Settings(upstream_url=URL), {"app_token": fail, "log_level": applied.append})
    with logged() as log:
        reloads()

    failure, done = log.events
    assert (failure["level"], failure["event"]) == ("error", "Not reloaded: GATEWAY_APP_TOKEN")
    assert "Stale file handle" in failure["exception"]
    assert (done["event"], len(applied)) == ("Reloaded: GATEWAY_LOG_LEVEL", 1)


def test_a_change_that_needs_a_restart_is_logged(tmp_path: Path) -> None:
    """One line is logged for each change; reloaded parts are not included."""
    file = tmp_path / "secret"
    file.write_text("x" * 32)
    settings = Settings.load(upstream_url=URL, cache_secret_file=file, webhook_secret_file=file)
    reloads = Reloads(settings, {"webhook_secret": lambda settings: None})
    file.write_text("y" * 32)

    warning = ("warning", "GATEWAY_CACHE_SECRET has changed: that needs a restart")
    assert reload_log(reloads) == [("info", "Reloaded: GATEWAY_WEBHOOK_SECRET"), warning]
    assert reload_log(reloads) == [("info", "Reloaded: GATEWAY_WEBHOOK_SECRET")]


@pytest.mark.parametrize("content", [None, "short"])
def test_an_invalid_file_prevents_the_reload(tmp_path: Path, content: str | None) -> None:
    """The gateway keeps its settings."""
    file = tmp_path / "secret"
    file.write_text("x" * 32)
    settings = Settings.load(upstream_url=URL, webhook_secret_file=str(file))
    parts = {"webhook_secret": lambda settings: pytest.fail("it was applied")}
    reloads = Reloads(settings, parts)
    file.unlink() if content is None else file.write_text(content)

    [(level, line)] = reload_log(reloads)

    assert level == "error"
    assert line.startswith("Nothing was reloaded: GATEWAY_WEBHOOK_SECRET_FILE: ")


async def test_a_new_app_token_is_sent_after_a_reload(tmp_path: Path, rest: RestSide) -> None:
    """The file is read again, for the next REST call."""
    file = tmp_path / "token"
    file.write_text("old")
    settings = Settings.load(upstream_url=URL, app_token_file=str(file), cache_ttl=0)
    async with running(
        create_app(settings, upstream_transport=httpx.MockTransport(rest))
    ) as gateway:
        await gateway.post("{ chatSessions { chatSessionId } }")
        file.write_text("new")
        gateway.app.state.reload()
        await gateway.post("{ chatSessions { chatSessionId } }")

    assert [request.headers["so-apptoken"] for request in rest.requests] == ["old", "new"]


async def test_a_reload_replaces_the_secret_of_webhooks(tmp_path: Path, rest: RestSide) -> None:
    """Webhooks with the new secret are accepted, and no others."""
    (file := tmp_path / "secret").write_text("x" * 32)
    settings = Settings.load(upstream_url=URL, webhook_secret_file=str(file))
    app = create_app(settings, upstream_transport=httpx.MockTransport(rest))
    async with running(app) as gateway:
        file.write_text("y" * 32)
        gateway.app.state.reload()
        raw = json.dumps(event()).encode()
        answers = [
            await gateway.http.post(PATH, content=raw, headers=headers_of(raw, secret))
            for secret in ("x" * 32, "y" * 32)
        ]

    assert [answer.status_code for answer in answers] == [401, 200]


async def test_a_reload_parses_no_document(
    tmp_path: Path, rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All requests would wait for it, a second for a thousand trusted documents."""
    (file := tmp_path / "documents.json").write_text('{"a": "query A { __typename }"}')
    async with gateway_over(rest, trusted_documents=file) as gateway:
        with logged() as log, monkeypatch.context() as patch:
            patch.setattr(Parser, "parse_document", lambda _: pytest.fail("one was parsed"))
            gateway.app.state.reload()

    assert "GATEWAY_TRUSTED_DOCUMENTS" in log.events[0]["event"]
