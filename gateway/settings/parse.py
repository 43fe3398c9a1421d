"""Parsers of settings: from the text that a user writes to the type that the gateway uses.

Each raises a ValueError that describes the valid form.
"""

import itertools
import json
import re
import zoneinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from gateway.settings.tenant_names import canonical_tenant

UNIX = "unix:"
"""The prefix of a unix socket's path."""


def plain(value: object) -> object:
    """Check that text is UTF-8, where other bytes are surrogates (PEP 383), and not in quotes."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8") from None  # the error would quote a secret
    if text[:1] == text[-1:] and text[:1] in ("'", '"'):  # Docker keeps those of an --env-file
        raise ValueError("it is in quotes: remove them")
    return value


def size(text: str) -> str:
    """Check a number of bytes: pydantic would ignore a comma and what follows it."""
    if not re.fullmatch(r"\s*\d{0,15}\.?\d{1,9}\s*(b|[kmgt](i?b)?)?\s*", str(text), re.IGNORECASE):
        raise ValueError("it must be a number of bytes, KiB, MiB or GiB")
    return text


def names(text: str) -> frozenset[str]:
    """Split names at commas."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def domains(text: str) -> frozenset[str]:
    """Return domain names with two labels or more: a top-level domain has many owners."""
    problem = "a domain is written in small letters, without a port or a `*`"
    if not names(text):
        raise ValueError(problem)
    return _matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", text, problem)


def origins(text: str) -> frozenset[str]:
    """Return origins, as browsers write them: in small letters, ASCII; `*` for any."""
    problem = "an origin is a scheme and a host in small letters, without path, default port or `*`"
    default_port = r"http://.*:80$|https://.*:443$"
    return _matching(rf"\*|(?!{default_port})[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+", text, problem)


def header_names(text: str) -> frozenset[str]:
    """Return names of headers (RFC 9110, section 5.6.2)."""
    problem = "the name of a header has letters, digits and hyphens"
    return _matching(r"[\w!#$%&'*+.^`|~-]+", text, problem)


def _matching(pattern: str, text: str, problem: str) -> frozenset[str]:
    values = names(text)
    if not all(re.fullmatch(pattern, value, re.ASCII) for value in values):
        raise ValueError(problem)
    return values


def topic_names(text: str) -> dict[int, str]:
    """Return the names of chat channels by their ids: from `10=Sales,30=Help` or a JSON object."""
    is_json = text.lstrip().startswith("{")
    try:
        pairs = json.loads(text).items() if is_json else [n.split("=", 1) for n in names(text)]
        # JSON can hold half a surrogate pair, which no answer could contain.
        topics = {int(number): name.strip().encode().decode() for number, name in pairs}
        is_valid = len(topics) == len(pairs) and all(topics.values())
    except (ValueError, AttributeError):
        is_valid = False
    if not is_valid:
        raise ValueError("it must be ids and names, each id once, or a JSON object of them")
    return topics


def upstream_url(value: str) -> str:
    """Return the part of an address before `/api/v1`."""
    value = value.strip()
    if " " in value or not value.isprintable():
        raise ValueError("it must not hold spaces or control characters")
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("it must start with http:// or https:// and a host")
    if url.username is not None:
        raise ValueError("it must not hold credentials: callers bring their own")
    if not _has_valid_server(url) or not _can_be_called(url.hostname):
        raise ValueError("its host must be a name or address, its port a number from 1 to 65535")
    if url.query or url.fragment:
        raise ValueError("remove everything from the ? or # on")
    path = url.path.rstrip("/").removesuffix("/api/v1").removesuffix("/api").rstrip("/")
    return f"{url.scheme}://{url.netloc}{path}"


def host(text: str) -> str:
    """Return an address to listen on: a host, an IP address, or `unix:` and a path."""
    text = text.strip().removeprefix("[").removesuffix("]")
    if not text or text == UNIX:
        raise ValueError("it must be a host, an IP address, or unix: and a path")
    return text


Network = IPv4Network | IPv6Network | Literal["unix"]
"""`unix` stands for connections through a unix socket."""


def proxies(text: str) -> frozenset[Network]:
    """Return the networks of proxies."""
    try:
        return frozenset(
            "unix" if name == "unix" else ip_network(name, strict=False) for name in names(text)
        )
    except ValueError:
        raise ValueError("it must be IP addresses or networks, or unix, with commas") from None


def trimmed(value: object) -> object:
    """Check that a secret has no white space around it."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else ""
    if text != text.strip():
        raise ValueError("it begins or ends with a blank or a line break: remove that")
    return value


def tenants(text: str) -> frozenset[str] | None:
    """Return the names as SuperOffice writes them; None = all tenants."""
    canonical = {canonical_tenant(name) for name in names(text)}
    if None in canonical or (text and not canonical):
        raise ValueError("a tenant is `Cust` and a number")
    return frozenset(name for name in canonical if name) or None


def paths(text: str | Path) -> tuple[Path, ...]:
    """Split paths at commas."""
    return tuple(Path(path.strip()) for path in str(text).split(",") if path.strip())


def cookies(text: str) -> frozenset[bytes] | None:
    """Return the names of cookies; None = all."""
    if text.strip() == "*":
        return None
    problem = "the name of a cookie has no `=`, blanks or `;`"
    return frozenset(name.encode() for name in _matching(r"[^=;\s]+", text, problem))


def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone with this name."""
    if name not in zoneinfo.available_timezones():
        raise ValueError("it must be the name of a zone in the IANA database")
    return zoneinfo.ZoneInfo(name)


def app_token(value: SecretStr) -> SecretStr:
    """Check a token that goes into a header."""
    header_value(value.get_secret_value())
    return value


def header_value(text: str) -> str:
    """Return a text that goes into a header, without blanks around it."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError("it must be printable ASCII, as it goes into a header")
    return text.strip()


def redis_url(value: SecretStr | None) -> SecretStr | None:
    """Return the URL of a Redis, or None for `memory://`; the Redis client checks its options."""
    text = value.get_secret_value() if value else "memory://"
    if text == "memory://":
        return None
    # Valkey speaks Redis' protocol, and its URLs differ in the name alone.
    text = re.sub("^valkey(s?)://", r"redis\1://", text.strip())
    try:
        url = urlsplit(text)
        has_host = url.scheme in {"redis", "rediss"} and url.hostname and _has_valid_server(url)
        # Its client ignores other texts; they can be parts of a password with `/` or `#`.
        has_database = re.fullmatch(r"/?\d*/?", url.path, re.ASCII) and not url.fragment
        is_redis = (has_host and has_database) or (url.scheme == "unix" and url.path.strip("/"))
    except ValueError:
        is_redis = False
    if not is_redis:
        raise ValueError(
            "it must be memory://, or redis:// or rediss:// (valkey://, valkeys://) and a host, "
            "perhaps with / and the number of a database, or unix:// and a path"
        )
    return SecretStr(text)


def long_enough(
    value: SecretStr, *, shortest: int = 32, source: str = "`openssl rand -hex 32` prints one"
) -> SecretStr:
    """Check the length of a secret; `source` says where users get one."""
    if len(value.get_secret_value()) < shortest:
        raise ValueError(f"it must have at least {shortest} characters: {source}")
    return value


def webhook_secrets(value: SecretStr) -> dict[str | None, list[bytes]]:
    """Return the webhook secrets by tenant; those under None are for all tenants.

    Secrets often end in `=`: a part is a tenant's only if a tenant's name precedes its first `=`.
    """
    by_tenant: dict[str | None, list[bytes]] = {}
    for part in re.split(r"\s*[,\n]\s*", value.get_secret_value().strip()):
        name, _, secret = part.partition("=")
        tenant = canonical_tenant(name)
        by_tenant.setdefault(tenant, []).append((secret if tenant else part).encode())
    return by_tenant


def webhook_secret(value: SecretStr) -> SecretStr:
    """Check the length of each secret."""
    for secret in map(bytes.decode, itertools.chain(*webhook_secrets(value).values())):
        long_enough(SecretStr(secret), shortest=16, source="copy the one of SuperOffice")
    return value


def _can_be_called(host: str) -> bool:
    """Return whether a host is an address, or a name that the HTTP client can encode."""
    from httpx import URL, InvalidURL

    try:
        if host.rpartition(".")[2].isdigit():
            ip_address(host)
        return bool(URL(host=host).host)
    except (ValueError, InvalidURL):
        return False


def _has_valid_server(url: SplitResult) -> bool:
    try:
        str(url.hostname).encode("idna")
        return url.port != 0
    except ValueError:
        return False
