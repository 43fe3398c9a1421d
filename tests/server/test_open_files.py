"""Open files: as many as the system allows, and no more connections than there are files for."""

import resource

import pytest

from gateway import Settings
from gateway.errors import SettingsError
from gateway.server import resources

SETTINGS = Settings(
    upstream_url="http://rest.invalid", max_connections=100, upstream_connections=64
)


@pytest.mark.parametrize(
    ("most", "connections"), [(resource.RLIM_INFINITY, 100), (364, 100), (363, 99), (265, 1)]
)
def test_there_are_no_more_connections_than_files(
    most: int,
    connections: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A reduction is logged."""
    asked_for = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, most))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked_for.append(limits))

    settings = resources.with_fewer_connections(SETTINGS)

    assert settings.max_connections == connections
    assert len(caplog.records) == (connections < 100)
    assert asked_for == [(most, most)]


def test_without_files_for_connections_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to raise; a gateway without connections would be of no use."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 264))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    with pytest.raises(SettingsError) as caught:
        resources.with_fewer_connections(SETTINGS)

    assert str(caught.value) == (
        "264 files may be open, and 364 may be needed: raise the limit (LimitNOFILE=, ulimit -n)"
    )


def test_a_system_may_refuse_its_own_hard_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the limit stays unchanged."""

    def refuse(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert resources.with_fewer_connections(SETTINGS) == SETTINGS


def test_reading_the_limit_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`gateway doctor` reports it as it is."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("it was changed"))

    assert resources.files_limit() > 0
