"""What trusted proxies say of a request: its own origin; nobody else is believed."""

from typing import Any

import pytest
from starlette.requests import HTTPConnection

from gateway.settings.parse import proxies
from gateway.web.middleware.browsers import is_foreign
from gateway.web.middleware.proxies import TrustedProxies

SENT = {"x-forwarded-host": "inner, chat.example", "x-forwarded-proto": "https"}


def applied(client: str | None, trusted: str, sent: dict[str, str], kind: str = "http") -> Any:
    """Return the scope of a request as the rest of the gateway sees it."""
    headers = {"host": "127.0.0.1:8000", "origin": "https://chat.example", **sent}
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
    ],
)
def test_the_own_origin_is_what_a_trusted_proxy_says(
    kind: str, client: str | None, trusted: str, is_believed: bool
) -> None:
    """So the page behind it is no page of another site, and one without TLS is."""
    scope = applied(client, trusted, SENT, kind)
    page = HTTPConnection(scope)

    assert is_foreign(page, frozenset()) is not is_believed
    assert page.headers["host"] == ("chat.example" if is_believed else "127.0.0.1:8000")
    assert scope["scheme"] == {"http": "http", "websocket": "ws"}[kind] + "s" * is_believed


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a:b", "chat.example\x00", "[::1"])
def test_a_host_that_is_none_changes_nothing(host: str) -> None:
    """Neither does an unknown scheme."""
    scope = applied("127.0.0.1", "127.0.0.1", {"x-forwarded-host": host, "x-forwarded-proto": "x"})

    assert (b"host", b"127.0.0.1:8000") in scope["headers"]
    assert scope["scheme"] == "http"
