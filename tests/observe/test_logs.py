"""Logs: formats, levels, and data that is never logged."""

import contextvars
import logging
from typing import Literal

import pytest

from gateway.observe.logs import fields_of_task, log_event
from tests.observe.logged import logged

OURS = "gateway.somewhere"


def fail(credentials: str) -> None:
    """Raise an exception with a credential in a local variable."""
    raise ValueError("boom")


@pytest.mark.parametrize("credentials", ["".join(("hunter", "2"))])
@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("to_terminal", [True, False])
def test_a_traceback_has_no_local_variables(
    log_format: Literal["json", "text"], credentials: str, to_terminal: bool
) -> None:
    """A traceback shows code without values, as credentials may be among them."""
    with logged(log_format=log_format, to_terminal=to_terminal) as log:
        try:
            fail(credentials)
        except ValueError:
            logging.getLogger(OURS).exception("it failed")

    written = log.getvalue()
    assert "it failed" in written
    assert "ValueError: boom" in written
    assert "fail(credentials)" in written
    assert credentials not in written


def test_json_is_one_object_a_line() -> None:
    """Each has the event, the logger, the level and the time in UTC."""
    with logged() as log:
        logging.getLogger(OURS).info("answered %s", "Ada\nLovelace")

    (event,) = log.events
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "answered Ada\nLovelace", "level": "info", "logger": OURS}


def test_bytes_that_are_no_text_are_escaped_in_json() -> None:
    """The name of a file can have any bytes: Python shows others than UTF-8 as half surrogates."""
    with logged() as log:
        logging.getLogger(OURS).info("cannot read %s", "caf\udce9.json")

    assert log.events[0]["event"] == "cannot read caf\\udce9.json"


def test_a_traceback_is_part_of_its_line_in_json() -> None:
    """A log collector gets one event instead of thirty lines."""
    with logged() as log:
        try:
            fail("")
        except ValueError:
            logging.getLogger(OURS).exception("it failed")

    (event,) = log.events
    assert event["exception"].endswith("ValueError: boom")


def test_the_fields_of_an_event_win_over_those_of_the_task() -> None:
    """A request can be read, and answered from the cache, in the context of another one's task."""
    fields = {"request_id": "its", "trace_id": "its"}
    with logged() as log:
        context = contextvars.copy_context()
        context.run(fields_of_task.set, {"request_id": "another", "field": "kept"})
        context.run(log_event, logging.getLogger("gateway"), logging.INFO, "request", fields)

    assert log.events[0] | fields == log.events[0]
    assert log.events[0]["field"] == "kept"


def test_structured_events_keep_their_values() -> None:
    """Each field is a key."""
    with logged() as log:
        fields = {"status": 200, "path": "/graphql"}
        log_event(logging.getLogger(OURS), logging.WARNING, "request", fields)

    (event,) = log.events
    assert event.pop("timestamp")
    assert event == {
        "event": "request",
        "level": "warning",
        "logger": OURS,
        "status": 200,
        "path": "/graphql",
    }


def test_an_event_goes_to_the_surrounding_applications_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An application that mounts the gateway configures the logs."""
    with caplog.at_level(logging.INFO):
        fields = {"status": 200, "path": "/graphql", "message": "two words\nof two lines"}
        log_event(logging.getLogger(OURS), logging.INFO, "request", fields)

    assert caplog.messages == [
        r'request status=200 path=/graphql message="two words\nof two lines"'
    ]


def test_text_has_the_event_and_its_values() -> None:
    """The event comes first, then the values."""
    with logged(log_format="text") as log:
        log_event(logging.getLogger(OURS), logging.INFO, "request", {"status": 200})

    assert "info" in log.getvalue()
    assert "request" in log.getvalue()
    assert "status=200" in log.getvalue()


@pytest.mark.parametrize(
    ("log_format", "to_terminal", "is_json", "is_coloured"),
    [
        ("auto", True, False, True),
        ("auto", False, True, False),
        ("text", True, False, True),
        ("text", False, False, False),
        ("json", True, True, False),
        ("json", False, True, False),
    ],
)
def test_the_format_suits_its_reader(
    log_format: Literal["auto", "json", "text"],
    to_terminal: bool,
    is_json: bool,
    is_coloured: bool,
) -> None:
    """Auto is text on a terminal and JSON elsewhere; only terminals get colours."""
    with logged(log_format=log_format, to_terminal=to_terminal) as log:
        logging.getLogger(OURS).info("hello")

    assert log.getvalue().startswith("{") is is_json
    assert ("\x1b[" in log.getvalue()) is is_coloured


LEVELS = ["debug", "info", "warning", "error"]


@pytest.mark.parametrize("level", LEVELS)
def test_messages_below_the_level_are_omitted(level: str) -> None:
    """The level applies to the gateway's own messages."""
    with logged(level) as log:
        for name in LEVELS:
            getattr(logging.getLogger(OURS), name)(name)

    assert [event["event"] for event in log.events] == LEVELS[LEVELS.index(level) :]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "library",
    ["httpx", "httpcore.http11", "websockets.server", "asyncio", "aiocache", "strawberry.ws"],
)
def test_libraries_log_warnings_and_errors_only(level: str, library: str) -> None:
    """Below WARNING they log headers, including credentials."""
    with logged(level) as log:
        logging.getLogger(library).debug("Authorization: Basic hunter2")
        logging.getLogger(library).info("HTTP Request: GET http://rest.invalid")
        logging.getLogger(library).warning("something is wrong")

    assert [event["event"] for event in log.events] == ["something is wrong"]


@pytest.mark.parametrize(
    ("level", "logged_events"),
    [("debug", ["started"]), ("info", ["started"]), ("warning", []), ("error", [])],
)
def test_the_server_logs_its_start_and_no_frames(level: str, logged_events: list[str]) -> None:
    """At DEBUG uvicorn would log whole frames."""
    with logged(level) as log:
        logging.getLogger("uvicorn.error").debug("< TEXT 'Authorization: Basic hunter2'")
        logging.getLogger("uvicorn.error").info("started")

    assert [event["event"] for event in log.events] == logged_events


def test_the_server_does_not_log_the_url_of_a_websocket() -> None:
    """The URL has the query string; and a refused handshake is no error."""
    with logged() as log:
        server = logging.getLogger("uvicorn.error")
        server.info('%s - "WebSocket %s" [accepted]', "192.0.2.1:80", "/graphql?token=hunter2")
        server.error("ASGI callable returned without completing handshake.")
        server.info("connection open")

    assert [event["event"] for event in log.events] == ["connection open"]


def test_configuring_again_does_not_write_twice() -> None:
    """A serving process configures its logs once itself and once in its workers."""
    with logged(), logged() as log:
        logging.getLogger(OURS).info("once")

    assert len(log.lines) == 1
