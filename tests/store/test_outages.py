"""A failing cache: how long it is left alone, and how often that is told."""

import logging

import pytest

from gateway.store.shared import Outages
from tests.store.fakes import Clock


def test_it_is_left_alone_for_longer_each_time() -> None:
    """Half a second at first, ten at most."""
    clock = Clock()
    outages = Outages(clock=clock)
    pauses = []

    for _ in range(7):
        started = clock()
        outages.failed(OSError())
        while outages.is_paused:
            clock.advance(0.25)
        pauses.append(clock() - started)

    assert pauses == [0.5, 1, 2, 4, 8, 10, 10]


def test_failures_at_the_same_time_are_one() -> None:
    """A hundred requests that were waiting do not make the pause a hundred times as long."""
    clock = Clock()
    outages = Outages(clock=clock)

    for _ in range(100):
        outages.failed(OSError())
    clock.advance(0.5)

    assert not outages.is_paused


def test_what_works_starts_the_pauses_again() -> None:
    """The next trouble is a new one."""
    clock = Clock()
    outages = Outages(clock=clock)
    for _ in range(3):
        outages.failed(OSError())
        clock.advance(10)

    outages.worked()
    outages.failed(OSError())
    clock.advance(0.5)

    assert not outages.is_paused


def test_trouble_and_its_end_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """By the kind of failure alone: its text could hold an address."""
    caplog.set_level(logging.INFO)
    outages = Outages(clock=Clock())

    for _ in range(3):
        outages.failed(OSError("redis://:hunter2@redis.example.com"))
    for _ in range(3):
        outages.worked()

    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "The shared cache fails (OSError): going on with memory and SuperOffice alone"),
        ("INFO", "The shared cache works again"),
    ]
