"""The caller: everything in a request that can change SuperOffice's answer.

* Credentials: `Authorization` (Basic, Bearer, SoTicket), otherwise a session: the request's cookies
  with `X-XSRF-TOKEN`. `SO-AppToken`, the application's own secret, beside either.
* Representation: `Accept-Language`, `SO-Language`, `SO-Culture`, `SO-TimeZone`.

All of it is forwarded byte for byte; settings can add a token, a language and a time zone for
callers that send none. An empty value counts as none. Negotiate and NTLM are refused: they
authenticate a TCP connection, and callers share the gateway's connections.

A caller's *key* is the digest of the whole: the cache has a snapshot for each. Its *owner* is a
digest of the login alone. Limits hold for a *share*: that of the owner once SuperOffice has
accepted the credentials, and until then the one of all `STRANGERS`, of which the clients in each
`NETWORK` get an equal part.
"""

import hashlib
import hmac
import itertools
import secrets
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

from gateway.errors import BadRequestError, UnauthenticatedError
from gateway.headers import CREDENTIALS, FORWARDED, IN_PAYLOAD, REPRESENTATION, TENANT, Header

_SCHEMES = (b"basic", b"bearer", b"soticket")
_AS_SENT = (b"so-apptoken", *REPRESENTATION)
_LANGUAGE = b"accept-language"
_ANY = b"*,; \tQq=.0123456789"
"""The characters of a list whose only language range is `*` (RFC 9110, section 12.5.4)."""

_OVERRIDES = {_LANGUAGE: b"so-language"}
"""For a header, the one that overrides it in SuperOffice."""

_HOW_TO = (
    "Send an Authorization header with the scheme Basic, Bearer or SoTicket, or the session's "
    "cookies together with X-XSRF-TOKEN."
)

STRANGERS = ""
"""The name of the one share of all clients whose credentials SuperOffice has not accepted yet."""

NETWORK = ContextVar("network", default="")
"""The network of the client that this task works for; empty if it is unknown."""

_MOST_NETWORKS = 1_000
_OWNERS_KEY = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True, repr=False)
class Caller:
    """The forwarded headers of one caller, names in lower case."""

    headers: tuple[Header, ...]

    def digest(self, key: bytes, context: bytes) -> str:
        """Return a name of the caller that reveals no header: HMAC-SHA256 over all of them.

        Each part is preceded by its length, so that no two callers have the same input.
        """
        parts = [context, *itertools.chain.from_iterable(self.headers)]
        framed = b"".join([piece for part in parts for piece in (b"%d:" % len(part), part)])
        return hmac.digest(key, framed, "sha256").hex()

    def credentials(self) -> "Caller":
        """Return the caller without the headers for language, culture and time zone."""
        return Caller(tuple(header for header in self.headers if header[0] in CREDENTIALS))

    def owner(self, context: bytes = b"") -> str:
        """Return a digest of the login alone, which names the user's share in this process.

        It is the same in any language, and for any application token or cookie beside the login,
        which SuperOffice may ignore, and in each way to write the login in `Authorization`.
        """
        sent = dict(self.headers)
        login = sent.get(b"x-xsrf-token", b"")
        if authorization := sent.get(b"authorization"):
            scheme, *parts = authorization.split()
            login = scheme.lower() + b" " + b"".join(parts)
            if login.startswith(b"basic "):
                login = _folded(login)
        text = b"%d:%b%b" % (len(context), context, login)
        return hashlib.blake2b(text, key=_OWNERS_KEY, digest_size=16).hexdigest()

    def __repr__(self) -> str:
        """Show the names of the headers, never the values."""
        return f"Caller({', '.join(name.decode('latin-1') for name, _ in self.headers)})"


@dataclass(frozen=True, slots=True)
class CallerPolicy:
    """Reads the caller from a request's headers."""

    defaults: tuple[Header, ...] = field(default=(), repr=False)
    """Headers for callers that send none of that name: application token, language, time zone.

    `Accept-Language: *`, which Node's `fetch` sends by itself, is no preference and counts as none.
    """

    forward_cookies: frozenset[bytes] | None = None
    """Names of the cookies that are forwarded; None = all."""

    def read(self, headers: Iterable[Header]) -> Caller:
        """Read the caller from a request's raw headers (names in lower case).

        Raises:
            UnauthenticatedError: there are no credentials of a supported kind.
            BadRequestError: a header is neither ASCII nor UTF-8.
        """
        sent: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name in FORWARDED and value.strip():
                sent.setdefault(name, []).append(value)
        languages = b",".join(sent.get(_LANGUAGE, ()))
        if b"*" in languages and not languages.strip(_ANY) and _LANGUAGE in dict(self.defaults):
            del sent[_LANGUAGE]
        forwarded = self._credentials(sent)
        forwarded += [(name, value) for name in _AS_SENT for value in sent.get(name, ())]
        forwarded += [
            (name, value)
            for name, value in self.defaults
            if name not in sent and _OVERRIDES.get(name) not in sent
        ]
        for name, value in forwarded:
            try:
                value.decode()
            except UnicodeDecodeError:
                message = f"The header {name.decode()} has to be ASCII or UTF-8."
                raise BadRequestError(message) from None
        return Caller(tuple(forwarded))

    def _credentials(self, sent: dict[bytes, list[bytes]]) -> list[Header]:
        authorization = sent.get(b"authorization")
        if authorization:
            return [(b"authorization", _checked(authorization))]
        cookies = self._cookies(sent.get(b"cookie", ()))
        tokens = sent.get(b"x-xsrf-token", ())
        if len(tokens) == 1 and cookies:
            return [(b"x-xsrf-token", tokens[0]), (b"cookie", cookies)]
        raise UnauthenticatedError(f"The request has no credentials. {_HOW_TO}")

    def _cookies(self, values: Sequence[bytes]) -> bytes:
        # RFC 9113, section 8.2.3: several Cookie fields are one list.
        joined = b"; ".join(values)
        if self.forward_cookies is None:
            return joined
        pairs = (pair.strip() for pair in joined.split(b";"))
        return b"; ".join(p for p in pairs if p.partition(b"=")[0].strip() in self.forward_cookies)


def _folded(basic: bytes) -> bytes:
    """Decode `basic BASE64` (RFC 7617): padding may vary, and user names ignore case."""
    with suppress(ValueError):
        user, colon, password = b64decode(basic.partition(b" ")[2] + b"==").partition(b":")
        basic = b"basic %b:%b" % (user.lower(), password) if colon else basic
    return basic


def _checked(authorization: Sequence[bytes]) -> bytes:
    if len(authorization) > 1:
        raise UnauthenticatedError("The request has more than one Authorization header. Send one.")
    value = authorization[0]
    scheme, _, credentials = value.strip().partition(b" ")
    if scheme.lower() not in _SCHEMES or not credentials.strip():
        raise UnauthenticatedError(
            f"The Authorization header holds no credentials that can be forwarded. {_HOW_TO}"
        )
    return value


@lru_cache(_MOST_NETWORKS)
def network_of(address: str) -> str:
    """Return the network of a client's address: of IPv6 the first 56 bits, as a home may have all.

    Source: RFC 6177, section 2.
    """
    with suppress(ValueError):
        whole = ip_address(address)
        if whole.version == 6 and whole.ipv4_mapped is None:
            return whole.packed[:7].hex()
    return address


def headers_from_payload(
    payload: Mapping[str, object], *, handshake: Iterable[Header]
) -> list[Header]:
    """Merge the payload of a WebSocket's `connection_init` over the headers of its handshake.

    Keys are header names, in any case; only headers with `Use.IN_PAYLOAD` count. `X-Tenant` does
    not replace the handshake's: two different tenants are an error. `Cookie` is ignored, as only
    cookies that the browser itself sends prove a session. Null and empty values count as none.

    Raises:
        BadRequestError: a value is not valid in a header.
    """
    sent = {
        lower: header
        for name, value in payload.items()
        if (lower := name.lower().encode()) in IN_PAYLOAD
        and value is not None
        and (header := _header_value(name, value))
    }
    from_handshake = [(k, v) for k, v in handshake if k not in sent or k == TENANT]
    return [*from_handshake, *sent.items()]


def _header_value(name: str, value: object) -> bytes:
    # RFC 9110, section 5.5: visible characters, spaces and tabs.
    if isinstance(value, str) and value.replace("\t", " ").isprintable():
        return value.strip().encode()
    raise BadRequestError(f"`{name}` in the connection_init payload is not valid in a header.")
