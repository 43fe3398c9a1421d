"""X-Forwarded headers count only from a trusted proxy."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from gateway.settings.parse import proxies
from gateway.web.read.cross_site import is_foreign
from gateway.web.read.proxies import TrustedProxies

FORWARDED = {"x-forwarded-host": "inner, chat.example", "x-forwarded-proto": "https"}


def scope_after_proxies(
    client: str | None, trusted: str, extra_headers: dict[str, str], kind: str = "http"
) -> Any:
    """Return the scope of a request after `TrustedProxies`."""
    headers = {"host": "127.0.0.1:8000", "origin": "https://chat.example", **extra_headers}
    scope: dict[str, Any] = {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "client": client and (client, 4711),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    TrustedProxies(proxies(trusted)).apply(scope)
    return scope


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("client", "trusted", "is_believed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),  # a listener of both families
        ("10.9.8.7", "192.168.0.0/16,10.0.0.0/8", True),
        (None, "unix", True),
        (None, "127.0.0.1", False),
        ("127.0.0.1", "unix,10.0.0.0/8", False),
        ("127.0.0.1", "", False),
        ("testclient", "127.0.0.1,unix", False),  # ASGI lets a server name its client as it likes
    ],
)
def test_a_trusted_proxy_sets_host_and_scheme(
    kind: str, client: str | None, trusted: str, is_believed: bool
) -> None:
    """A trusted proxy sets host and scheme, so that the page behind it counts as our own."""
    scope = scope_after_proxies(client, trusted, FORWARDED, kind)
    page = HTTPConnection(scope)

    assert is_foreign(page, frozenset()) is not is_believed
    assert page.headers["host"] == ("chat.example" if is_believed else "127.0.0.1:8000")
    assert scope["scheme"] == {"http": "http", "websocket": "ws"}[kind] + "s" * is_believed


def test_a_proxy_may_name_the_scheme_of_a_websocket() -> None:
    """Traefik does."""
    scope = scope_after_proxies("127.0.0.1", "127.0.0.1", {"x-forwarded-proto": "wss"}, "websocket")

    assert scope["scheme"] == "wss"


def test_twenty_proxies_are_followed() -> None:
    """A client can send any number of addresses; those before are not read."""
    chain = ", ".join(f"127.0.0.{number}" for number in range(1, 101))
    scope = scope_after_proxies("127.0.0.200", "127.0.0.0/8", {"x-forwarded-for": chain})

    assert scope["client"][0] == "127.0.0.81"


def test_the_zone_of_an_address_is_dropped() -> None:
    """It can be any text, and the log shows the address."""
    forwarded = {"x-forwarded-for": "fe80::1%hunter2"}
    scope = scope_after_proxies("127.0.0.1", "127.0.0.1", forwarded)

    assert scope["client"][0] == "fe80::1"


@pytest.mark.parametrize(
    ("client", "sent", "found"),
    [(None, "203.0.113.9", "203.0.113.9"), ("127.0.0.1", "[2001:db8::1]", "2001:db8::1")],
    ids=["through a socket file", "in brackets without a port"],
)
def test_a_trusted_proxy_names_the_client(client: str | None, sent: str, found: str) -> None:
    """The address counts in limits, which are per network."""
    scope = scope_after_proxies(client, "127.0.0.1,unix", {"x-forwarded-for": sent})

    assert scope["client"][0] == found


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a:b", "chat.example\x00", "[::1"])
def test_an_invalid_host_or_scheme_is_ignored(host: str) -> None:
    """An invalid host or an unknown scheme from a proxy is ignored."""
    scope = scope_after_proxies(
        "127.0.0.1", "127.0.0.1", {"x-forwarded-host": host, "x-forwarded-proto": "x"}
    )

    assert (b"host", b"127.0.0.1:8000") in scope["headers"]
    assert scope["scheme"] == "http"
