"""Outages of the shared cache: pauses, and log lines."""

import logging

import pytest

from gateway.store.shared import Outages
from tests.clock import FakeClock


def test_each_failure_prolongs_the_pause() -> None:
    """The pause grows from half a second to ten seconds."""
    clock = FakeClock()
    outages = Outages(clock=clock)
    pauses = []

    for _ in range(7):
        started = clock()
        outages.failed(OSError())
        while outages.is_paused:
            clock.advance(0.25)
        pauses.append(clock() - started)

    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]


def test_simultaneous_failures_count_once() -> None:
    """A hundred simultaneous failures do not prolong the pause a hundred times."""
    clock = FakeClock()
    outages = Outages(clock=clock)

    for _ in range(100):
        outages.failed(OSError())
    clock.advance(0.5)

    assert not outages.is_paused


def test_a_success_resets_the_pause() -> None:
    """After a success the next failure starts with the shortest pause."""
    clock = FakeClock()
    outages = Outages(clock=clock)
    for _ in range(3):
        outages.failed(OSError())
        clock.advance(10)

    outages.worked()
    outages.failed(OSError())
    clock.advance(0.5)

    assert not outages.is_paused


def test_an_outage_and_its_end_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the kind of the failure only, as its text could contain an address."""
    caplog.set_level(logging.INFO)
    outages = Outages(clock=FakeClock())

    for _ in range(3):
        outages.failed(OSError("redis://:hunter2@redis.example.com"))
    for _ in range(3):
        outages.worked()

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "The shared cache fails (OSError): going on with memory and SuperOffice alone"),
        ("INFO", "The shared cache works again"),
    ]
