"""Callers: the headers that identify a caller, those that do not, and the caller's digest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caller import Caller, CallerPolicy, headers_from_payload, network_of
from gateway.errors import BadRequestError, UnauthenticatedError
from gateway.headers import FORWARDED, Header

BASIC = (b"authorization", b"Basic ZGVtbzpkZW1v")
XSRF = (b"x-xsrf-token", b"token-1")
COOKIE = (b"cookie", b"ASP.NET_SessionId=abc; theme=dark")
KEY = b"k" * 32


def read(*headers: Header, **policy: Any) -> tuple[Header, ...]:
    """Return the forwarded headers of a request with these headers."""
    return CallerPolicy(**policy).read(headers).headers


def digest(*headers: Header, key: bytes = KEY, context: bytes = b"http://rest.invalid") -> str:
    """Return the digest of the caller with these headers."""
    return Caller(headers).digest(key, context)


@pytest.mark.parametrize(
    "value",
    [
        b"Basic ZGVtbzpkZW1v",
        b"basic ZGVtbzpkZW1v",
        b"BEARER 8A:Cust00000.abc",
        b"Bearer 8A:Cust00000.abc",
        b"SoTicket 7T:abc==",
        b"soticket 7T:abc==",
        b"sOtIcKeT 7T:abc==",
        b"Basic   two  spaces",
        b"Basic bl\xc3\xa5b\xc3\xa6r",
    ],
)
def test_a_supported_authorization_is_forwarded_byte_for_byte(value: bytes) -> None:
    """The three schemes are accepted in any case, and the value is not normalised."""
    assert read((b"authorization", value)) == ((b"authorization", value),)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Basic",
        b"Basic ",
        b"Basic \t ",
        b"ZGVtbzpkZW1v",
        b"Negotiate YIIabc",
        b"NTLM TlRMTVNTUAAB",
        b'Digest username="kari"',
        b"Basically ZGVtbzpkZW1v",
    ],
)
def test_an_unsupported_authorization_is_refused(value: bytes) -> None:
    """Connection-based, unknown and empty schemes never reach SuperOffice."""
    with pytest.raises(UnauthenticatedError):
        read((b"authorization", value))


def test_a_refused_authorization_is_not_replaced_by_the_session() -> None:
    """A caller with a bad Authorization is not authenticated by its cookies instead."""
    with pytest.raises(UnauthenticatedError):
        read((b"authorization", b"Negotiate YIIabc"), XSRF, COOKIE)


def test_two_authorization_headers_are_refused() -> None:
    """Two Authorization headers are ambiguous, even when they are equal."""
    with pytest.raises(UnauthenticatedError, match="more than one"):
        read(BASIC, BASIC)


def test_a_refusal_never_quotes_the_credentials() -> None:
    """The message goes to the client, and may be logged on its way."""
    with pytest.raises(UnauthenticatedError) as caught:
        read((b"authorization", b"Digest hunter2"))

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (COOKIE,),
        (XSRF,),
        (XSRF, (b"cookie", b"")),
        (XSRF, (b"cookie", b"  ")),
        ((b"x-xsrf-token", b""), COOKIE),
        ((b"x-xsrf-token", b" "), COOKIE),
        (XSRF, (b"x-xsrf-token", b"token-2"), COOKIE),
        ((b"so-apptoken", b"app"),),
        ((b"accept-language", b"en"),),
    ],
    ids=[
        "nothing",
        "cookies without token",
        "token without cookies",
        "empty cookies",
        "blank cookies",
        "empty token",
        "blank token",
        "two tokens",
        "only an application token",
        "only a language",
    ],
)
def test_a_request_with_incomplete_credentials_is_refused(headers: tuple[Header, ...]) -> None:
    """A session needs its cookies and exactly one token."""
    with pytest.raises(UnauthenticatedError, match="no credentials"):
        read(*headers)


def test_a_session_forwards_its_token_and_its_cookies() -> None:
    """Without Authorization both are forwarded byte for byte."""
    assert read(COOKIE, XSRF) == (XSRF, COOKIE)


def test_an_authorization_excludes_the_session() -> None:
    """A browser's cookies and token are not forwarded together with an Authorization."""
    assert read(COOKIE, XSRF, BASIC) == (BASIC,)


def test_several_cookie_headers_are_joined() -> None:
    """HTTP/2 lets a client split its cookies into several headers."""
    forwarded = read(XSRF, (b"cookie", b"a=1"), (b"cookie", b" "), (b"cookie", b"b=\xc3\xa6"))

    assert forwarded == (XSRF, (b"cookie", b"a=1; b=\xc3\xa6"))


@pytest.mark.parametrize(
    ("allowed", "forwarded"),
    [
        (None, b"ASP.NET_SessionId=abc; theme=dark"),
        ({b"theme"}, b"theme=dark"),
        ({b"ASP.NET_SessionId", b"absent"}, b"ASP.NET_SessionId=abc"),
        ({b"ASP.NET_SessionId", b"theme"}, b"ASP.NET_SessionId=abc; theme=dark"),
    ],
)
def test_only_named_cookies_are_forwarded(allowed: set[bytes] | None, forwarded: bytes) -> None:
    """An operator can hide cookies of other applications on the same host from SuperOffice."""
    names = frozenset(allowed) if allowed else None

    assert read(XSRF, COOKIE, forward_cookies=names) == (XSRF, (b"cookie", forwarded))


@pytest.mark.parametrize("allowed", [{b"absent"}, {b"THEME"}, {b"dark"}, set()])
def test_a_session_without_an_allowed_cookie_is_refused(allowed: set[bytes]) -> None:
    """When none of its cookies may be forwarded, a session has no credentials."""
    with pytest.raises(UnauthenticatedError):
        read(XSRF, COOKIE, forward_cookies=frozenset(allowed))


def test_a_cookies_name_ends_at_its_first_equals_sign() -> None:
    """Values may contain equals signs, and spaces around a name are ignored."""
    sent = (b"cookie", b"a=b=c;  d = e ; bare")

    forwarded = read(XSRF, sent, forward_cookies=frozenset({b"a", b"d", b"bare"}))

    assert forwarded == (XSRF, (b"cookie", b"a=b=c; d = e; bare"))


@pytest.mark.parametrize(
    "name", [b"accept-language", b"so-language", b"so-culture", b"so-timezone"]
)
@pytest.mark.parametrize("value", [b"nb-NO, en;q=0.5", b"\xc3\xa6\xc3\xb8 \xc3\xa5"])
def test_headers_that_shape_the_answer_are_forwarded_byte_for_byte(
    name: bytes, value: bytes
) -> None:
    """Language, culture and time zone change texts and times in SuperOffice's answer."""
    assert read(BASIC, (name, value)) == (BASIC, (name, value))


def test_repeated_headers_keep_their_order() -> None:
    """A list may be split into several headers, whose order is the order of the list."""
    languages = ((b"accept-language", b"nb"), (b"accept-language", b"en"))

    assert read(BASIC, *languages) == (BASIC, *languages)
    assert read(BASIC, *reversed(languages)) == (BASIC, *reversed(languages))


def test_the_order_of_different_headers_does_not_change_the_caller() -> None:
    """Proxies reorder headers; the same headers still identify the same caller."""
    headers = (BASIC, (b"so-language", b"en"), (b"accept-language", b"nb"), (b"so-apptoken", b"a"))

    assert read(*headers) == read(*reversed(headers))


@pytest.mark.parametrize(
    "credentials", [(BASIC,), (XSRF, COOKIE)], ids=["authorization", "session"]
)
def test_the_configured_application_token_is_added(credentials: tuple[Header, ...]) -> None:
    """Web pages do not need to know the application's secret."""
    assert read(*credentials, defaults=((b"so-apptoken", b"ours"),)) == (
        *credentials,
        (b"so-apptoken", b"ours"),
    )


def test_the_callers_own_application_token_wins() -> None:
    """A header of the caller replaces the configured token."""
    own = (b"so-apptoken", b"theirs")

    assert read(BASIC, own, defaults=((b"so-apptoken", b"ours"),)) == (BASIC, own)


@pytest.mark.parametrize("name", sorted(FORWARDED))
@pytest.mark.parametrize("value", [b"", b" \t"])
def test_an_empty_header_counts_as_not_sent(name: bytes, value: bytes) -> None:
    """Some clients send a header without a value where they have none."""
    defaults = (*DEFAULTS, (b"so-apptoken", b"ours"))

    for caller in ((BASIC,), (XSRF, COOKIE)):
        sent = [(name, value), *caller, (name, value)]
        assert read(*sent, defaults=defaults) == read(*caller, defaults=defaults)


def test_an_application_token_of_the_caller_needs_no_setting() -> None:
    """The caller's token is forwarded even when none is configured."""
    assert read((b"so-apptoken", b"app"), BASIC) == (BASIC, (b"so-apptoken", b"app"))


def test_the_configured_application_token_is_no_credential() -> None:
    """The token identifies the application: alone it authenticates no caller."""
    with pytest.raises(UnauthenticatedError):
        read(defaults=((b"so-apptoken", b"ours"),))


DEFAULTS = ((b"accept-language", b"en"), (b"so-timezone", b"UTC, includeTZOffset"))


@pytest.mark.parametrize(
    ("sent", "added"),
    [
        ((), DEFAULTS),
        (((b"so-timezone", b"NO"),), DEFAULTS[:1]),
        (((b"so-language", b"nb"),), DEFAULTS[1:]),
        (((b"so-culture", b"nb-NO"),), DEFAULTS),
        (((b"accept-language", b"*, nb;q=0.5"),), DEFAULTS[1:]),
        (((b"accept-language", b"*"), (b"accept-language", b"nb")), DEFAULTS[1:]),
        (((b"accept-language", b"*-CH"),), DEFAULTS[1:]),
    ],
    ids=str,
)
def test_the_configured_language_and_zone_are_added_where_the_caller_sends_none(
    sent: tuple[Header, ...], added: tuple[Header, ...]
) -> None:
    """Clients other than browsers send no language, and no client sends a time zone by default."""
    assert read(BASIC, *sent, defaults=DEFAULTS) == (BASIC, *sent, *added)


@pytest.mark.parametrize("value", [b"*", b" * ;\tq=0.5 ", b"*;Q=1.000,*;q=0", b"*,"])
def test_any_language_is_none_where_one_is_configured(value: bytes) -> None:
    """Node's `fetch` sends `*` by itself: it is no preference (RFC 9110, section 12.5.4)."""
    own = (b"accept-language", value)

    assert read(BASIC, own, defaults=DEFAULTS) == read(BASIC, defaults=DEFAULTS)
    assert read(BASIC, own, own, defaults=DEFAULTS) == read(BASIC, defaults=DEFAULTS)
    assert read(BASIC, own, (b"so-language", b"nb"), defaults=DEFAULTS) == (
        BASIC,
        (b"so-language", b"nb"),
        DEFAULTS[1],
    )
    assert read(BASIC, own, defaults=DEFAULTS[1:]) == (BASIC, own, DEFAULTS[1])


@pytest.mark.parametrize(
    "name",
    [
        "host",
        "referer",
        "origin",
        "user-agent",
        "accept",
        "accept-encoding",
        "content-type",
        "content-length",
        "connection",
        "cookie",
        "x-xsrf-token",
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "via",
        "proxy-authorization",
        "x-api-key",
        "so-anything",
        "authorization2",
    ],
)
def test_other_headers_are_not_forwarded(name: str) -> None:
    """SuperOffice gets none of the client's other headers."""
    assert read(BASIC, (name.encode(), b"value")) == (BASIC,)


ONE_HEADER_APART = [
    ((BASIC,), ((b"authorization", b"Basic other"),)),
    ((BASIC,), ((b"authorization", b"basic ZGVtbzpkZW1v"),)),
    ((BASIC,), ((b"authorization", b"Bearer ZGVtbzpkZW1v"),)),
    ((BASIC,), ((b"authorization", b"Basic ZGVtbzpkZW1v "),)),
    ((XSRF, COOKIE), ((b"x-xsrf-token", b"token-2"), COOKIE)),
    ((XSRF, COOKIE), (XSRF, (b"cookie", b"ASP.NET_SessionId=abd; theme=dark"))),
    ((XSRF, COOKIE), (XSRF, (b"cookie", b"theme=dark; ASP.NET_SessionId=abc"))),
    *(
        ((BASIC, (name, b"one")), (BASIC, (name, b"two")))
        for name in (
            b"so-apptoken",
            b"accept-language",
            b"so-language",
            b"so-culture",
            b"so-timezone",
        )
    ),
    ((BASIC,), (BASIC, (b"so-language", b"en"))),
    ((BASIC, (b"so-language", b"en")), (BASIC, (b"so-culture", b"en"))),
    (
        (BASIC, (b"accept-language", b"a"), (b"accept-language", b"b")),
        (BASIC, (b"accept-language", b"b"), (b"accept-language", b"a")),
    ),
    (
        (BASIC, (b"accept-language", b"a"), (b"accept-language", b"b")),
        (BASIC, (b"accept-language", b"ab")),
    ),
]


@pytest.mark.parametrize(("one", "other"), ONE_HEADER_APART, ids=str)
def test_callers_with_one_different_header_have_different_digests(
    one: tuple[Header, ...], other: tuple[Header, ...]
) -> None:
    """Every forwarded header can change the answer, so all of them are part of the digest."""
    assert digest(*read(*one)) != digest(*read(*other))


headers_of_few_letters = st.lists(
    st.tuples(st.binary(max_size=3), st.binary(max_size=3)), max_size=4
).map(tuple)


@given(
    one=st.tuples(st.binary(max_size=2), headers_of_few_letters),
    other=st.tuples(st.binary(max_size=2), headers_of_few_letters),
)
def test_different_callers_never_have_the_same_digest(
    one: tuple[bytes, tuple[Header, ...]], other: tuple[bytes, tuple[Header, ...]]
) -> None:
    """Different lists of headers, or different contexts, are never encoded alike."""
    digests = [digest(*headers, context=context) for context, headers in (one, other)]

    assert (digests[0] == digests[1]) == (one == other)


@given(text=st.binary(min_size=2, max_size=40), cuts=st.data())
def test_the_boundary_of_name_and_value_is_part_of_the_digest(
    text: bytes, cuts: st.DataObject
) -> None:
    """The same bytes, split differently into name and value, are another caller."""
    one = cuts.draw(st.integers(0, len(text)))
    other = cuts.draw(st.integers(0, len(text)).filter(lambda cut: cut != one))

    assert digest((text[:one], text[one:])) != digest((text[:other], text[other:]))


def test_the_digest_depends_on_the_key() -> None:
    """Without the key an attacker cannot test credentials against the cache's keys."""
    assert digest(BASIC, key=b"a" * 32) != digest(BASIC, key=b"b" * 32)


def test_the_digest_depends_on_the_context() -> None:
    """The same credentials at another REST API address are another caller."""
    assert digest(BASIC, context=b"http://a") != digest(BASIC, context=b"http://b")


def test_equal_callers_have_equal_digests() -> None:
    """A caller gets a hit for its own cached answer."""
    assert digest(BASIC, (b"so-language", b"en")) == digest(BASIC, (b"so-language", b"en"))


def test_a_digest_reveals_nothing() -> None:
    """Every caller's digest has the form of a SHA-256."""
    value = digest(BASIC)

    assert len(value) == 64
    assert set(value) <= set("0123456789abcdef")


def test_a_callers_repr_has_no_values() -> None:
    """A caller in a log or traceback shows the names of its headers, never their values."""
    caller = Caller((BASIC, (b"so-apptoken", b"hunter2")))

    assert repr(caller) == "Caller(authorization, so-apptoken)"


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_a_payload_replaces_the_handshakes_header(name: str) -> None:
    """A header's name in connection_init, in any case, replaces the header of the handshake."""
    handshake = [BASIC, (b"so-language", b"nb")]

    headers = headers_from_payload({name: "Bearer abc"}, handshake=handshake)

    assert headers == [(b"so-language", b"nb"), (b"authorization", b"Bearer abc")]


def test_a_tenant_in_a_payload_is_added_to_the_handshakes() -> None:
    """Both names are kept, so that two different tenants are detected."""
    headers = headers_from_payload({"X-Tenant": "Cust2"}, handshake=[(b"x-tenant", b"Cust1")])

    assert headers == [(b"x-tenant", b"Cust1"), (b"x-tenant", b"Cust2")]


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-XSRF-TOKEN",
        "SO-AppToken",
        "Accept-Language",
        "SO-Language",
        "SO-Culture",
        "SO-TimeZone",
    ],
)
def test_a_payload_can_hold_each_of_the_callers_headers(name: str) -> None:
    """A browser cannot set headers on a WebSocket, so the payload may hold all of them."""
    headers = headers_from_payload({name: "value"}, handshake=[])

    assert headers == [(name.lower().encode(), b"value")]


@pytest.mark.parametrize(
    "name", ["Cookie", "cookie", "COOKIE", "Host", "traceparent", "x-request-id", "anything", ""]
)
def test_other_names_in_a_payload_are_ignored(name: str) -> None:
    """Only the browser proves that cookies are its own: a payload cannot add any."""
    headers = headers_from_payload({name: "a=1", "other": {"nested": True}}, handshake=[COOKIE])

    assert headers == [COOKIE]


@pytest.mark.parametrize("value", [None, "", " \t"])
def test_a_null_or_empty_value_in_a_payload_is_ignored(value: str | None) -> None:
    """Clients that fill in a template leave null or "" for a missing value."""
    assert headers_from_payload({"Authorization": value}, handshake=[BASIC]) == [BASIC]


@pytest.mark.parametrize(
    ("text", "value"),
    [(" Bearer a\t", b"Bearer a"), ("Basic æ", b"Basic \xc3\xa6"), ("a\tb", b"a\tb")],
)
def test_a_payloads_text_becomes_a_headers_bytes(text: str, value: bytes) -> None:
    """The text is trimmed and encoded in UTF-8."""
    headers = headers_from_payload({"Authorization": text}, handshake=[])

    assert headers == [(b"authorization", value)]


@pytest.mark.parametrize(
    "value",
    [
        42,
        True,
        ["Basic abc"],
        {"value": "Basic abc"},
        "Basic abc\r\nSO-AppToken: x",
        "Basic a\nb",
        "Basic \0",
        "Basic \x7f",
    ],
)
def test_a_payload_value_that_is_invalid_in_a_header_is_refused(value: object) -> None:
    """SuperOffice gets no value that could be parsed as several headers or as none."""
    with pytest.raises(BadRequestError) as caught:
        headers_from_payload({"Authorization": value}, handshake=[BASIC])

    assert (
        str(caught.value)
        == "`Authorization` in the connection_init payload is not valid in a header."
    )


def test_a_header_that_is_not_utf8_is_refused() -> None:
    """Such a header cannot be forwarded unchanged, and changed it would be other credentials."""
    with pytest.raises(BadRequestError, match="cookie"):
        read(XSRF, (b"cookie", b"a=\xe6"))


LANGUAGE, TOKEN = (b"accept-language", b"nb"), (b"so-apptoken", b"junk")


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Basic a2FyaTpkZW1vLWthcmk=")],
        [(b"authorization", b"bAsIC a2FyaTpkZW1vLWthcmk=")],
        [(b"authorization", b"Basic   a2FyaTpk ZW1vLWthcmk")],
        [(b"authorization", b"Basic S0FSSTpkZW1vLWthcmk=")],  # KARI
        [(b"authorization", b"Basic a2FyaTpkZW1vLWthcmk="), LANGUAGE, TOKEN],
    ],
)
def test_a_user_has_one_share_however_the_login_is_written(headers: list[Header]) -> None:
    """SuperOffice may accept all of these: they must not multiply the user's share."""
    login = Caller(((b"authorization", b"Basic a2FyaTpkZW1vLWthcmk="),))

    assert Caller(tuple(headers)).owner(b"a") == login.owner(b"a")
    assert Caller(tuple(headers)).owner(b"a") != login.owner(b"b")


def test_a_session_has_one_share_whatever_its_cookies() -> None:
    """Cookies beside the session's own must not multiply its share."""
    assert Caller((XSRF, COOKIE)).owner() == Caller((XSRF, (b"cookie", b"junk=1"))).owner()


@pytest.mark.parametrize(
    "other",
    [
        (b"authorization", b"Bearer 8a:Cust00000.abc"),
        (b"authorization", b"SoTicket 8A:Cust00000.abc"),
        (b"authorization", b"Bearer ZGVtbzpkZW1v"),  # the Base64 of `BASIC`
        (b"authorization", b"Basic a2FyaTpERU1PLWthcmk="),  # the password in another case
        (b"authorization", b"Basic !"),
        XSRF,
    ],
)
def test_other_logins_have_other_shares(other: Header) -> None:
    """Tokens and passwords are compared as they are."""
    known = [(b"authorization", b"Bearer 8A:Cust00000.abc"), BASIC, (b"x-xsrf-token", b"token-2")]

    assert Caller((other,)).owner() not in {Caller((header,)).owner() for header in known}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:200::1", "2001:db8:1:2ff:ffff::", True),
        ("2001:db8:1:200::1", "2001:db8:1:300::1", False),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "unknown", False),
    ],
)
def test_a_site_of_ipv6_is_one_network(one: str, other: str, is_same: bool) -> None:
    """It may have a whole /56: with each address as another client, it would have all turns."""
    assert (network_of(one) == network_of(other)) is is_same
