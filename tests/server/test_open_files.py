"""The limit of open files is raised, and connections are limited to it."""

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
def test_connections_are_limited_by_open_files(
    most: int,
    connections: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Fewer files than connections reduce max_connections, which is logged."""
    new_limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, most))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: new_limits.append(limits))

    settings = resources.with_fewer_connections(SETTINGS)

    assert settings.max_connections == connections
    assert len(caplog.records) == (connections < 100)
    assert new_limits == [(most, most)]


@pytest.mark.parametrize(
    ("tenants", "requests", "most", "connections"),
    [
        ("", 1_000, 1_024, 412),  # half of the rest for clients, half for their calls
        ("", 100, 1_024, 719),  # 100 requests and 5 sockets make all calls
        ("", 10, 1_024, 760),  # at least those of one tenant
        ("Cust1,Cust2", 1_000, 1_024, 696),
        ("Cust1", 1_000, 1_024, 760),
        ("", 1_000, 265, 1),
        ("", 1_000, 20_000, 1_500),
    ],
)
def test_each_tenant_has_its_own_connections(
    tenants: str, requests: int, most: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without files for them, it would look as if SuperOffice could not be reached."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, most))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    limits = {"max_requests": requests, "max_sockets": 5, "max_connections": 1_500}
    settings = Settings.load(environment="online", tenants=tenants, **limits)

    assert resources.with_fewer_connections(settings).max_connections == connections


def test_too_few_files_for_any_connection_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no file left for connections, the start fails and names the limit to raise."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 264))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    with pytest.raises(SettingsError) as caught:
        resources.with_fewer_connections(SETTINGS)

    assert str(caught.value) == (
        "264 files may be open, and 364 may be needed: raise the limit (LimitNOFILE=, ulimit -n)"
    )


def test_a_refused_hard_limit_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system refuses its own hard limit, the limit stays unchanged."""

    def refuse(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert resources.with_fewer_connections(SETTINGS) == SETTINGS


def test_reading_the_limit_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the limit, as `gateway doctor` does, does not change it."""
    monkeypatch.setattr(resource, "setrlimit", lambda *_: pytest.fail("it was changed"))

    assert resources.files_limit() > 0
