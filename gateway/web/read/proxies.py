"""The client's address and the origin it sees, as trusted proxies report them.

Any client can send `X-Forwarded-For`, `-Host` and `-Proto`; they count only if the connection comes
from an address in `GATEWAY_TRUSTED_PROXIES`, and never choose a tenant.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

from starlette.types import Scope

_HOST = re.compile(rb"[\w.-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?", re.ASCII)
_SCHEMES = {"http": "http", "websocket": "ws"}
_MOST_PEERS = 1_000
_MOST_PROXIES = 20


class TrustedProxies:
    """Applies the headers of trusted proxies to a request's scope, before anything reads it."""

    def __init__(self, trusted: Collection[IPv4Network | IPv6Network | Literal["unix"]]) -> None:
        self._networks = [network for network in trusted if not isinstance(network, str)]
        self._trusts_unix = "unix" in trusted
        self._trusts = lru_cache(_MOST_PEERS)(self._is_trusted)

    def apply(self, scope: Scope) -> None:
        """Set the client, the scheme and `Host`, if a trusted proxy has sent the request."""
        client = scope.get("client")
        if not (self._trusts(client[0]) if client else self._trusts_unix):
            return
        addresses = _elements(scope, b"x-forwarded-for")
        if addresses[-1]:
            scope["client"] = (self._client(addresses, client[0] if client else ""), 0)
        proto = _elements(scope, b"x-forwarded-proto")[-1].replace(b"ws", b"http")  # Traefik: wss
        if proto in {b"http", b"https"}:
            scope["scheme"] = proto.decode().replace("http", _SCHEMES[scope["type"]])
        host = _elements(scope, b"x-forwarded-host")[-1]
        if _HOST.fullmatch(host):
            others = [header for header in scope["headers"] if header[0] != b"host"]
            scope["headers"] = [*others, (b"host", host)]

    def _client(self, addresses: list[bytes], peer: str) -> str:
        """Return the last address that is not a trusted proxy's; those before it may be forged."""
        found = peer
        for text in reversed(addresses):
            address = _address(text.decode("latin-1"))
            if address is None:
                break
            found = str(address)
            if not self._trusts(found):
                break
        return found

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _elements(scope: Scope, name: bytes) -> list[bytes]:
    """Return the last elements of a list, the nearest proxy's last; empty ones without a header."""
    value = b",".join([value for sent, value in scope["headers"] if sent == name])
    return [element.strip() for element in value.split(b",")[-_MOST_PROXIES:]]


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address without its port, an IPv4-mapped one as IPv4; None if it is invalid."""
    if (text.count(":") == 1 or "]" in text) and not text.endswith("]"):
        text = text.rpartition(":")[0]
    try:
        address = ip_address(text.strip("[]").partition("%")[0])  # a zone can be any text
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
