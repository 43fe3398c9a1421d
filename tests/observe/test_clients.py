"""The names and versions of clients: bounded, and never customers' text or credentials."""

import pytest

from gateway.observe.clients import ClientMeter, client_of

NAME, VERSION = b"apollographql-client-name", b"apollographql-client-version"


@pytest.mark.parametrize("prefix", [b"apollographql", b"graphql"])
@pytest.mark.parametrize("name", [b"wallboard", b"@acme/web-app", b"com.acme.Chat"])
@pytest.mark.parametrize("version", [b"1", b"v2.10.3", b"2026.11.29-beta.1", b"1.2.3+4f5e6d7"])
def test_an_apps_name_and_version_are_read(prefix: bytes, name: bytes, version: bytes) -> None:
    """Name and version are in the headers of Apollo's clients, or in those of GraphQL Hive's."""
    headers = [(prefix + b"-client-name", name), (prefix + b"-client-version", version)]

    assert client_of(headers) == (name.decode(), version.decode())


def test_name_and_version_may_be_missing() -> None:
    """Most clients send neither."""
    assert client_of([(b"accept", b"*/*"), (b"x-user-name", b"kari")]) == ("", "")
    assert client_of([(NAME, b"web")]) == ("web", "")
    assert client_of([(VERSION, b"1.0")]) == ("", "1.0")


@pytest.mark.parametrize(
    "text",
    [
        *(b"Kari Nordmann", b"kari@acme.com", b"+47 12345678", b"call_4712345678", b"x" * 65),
        *(b"Basic ZGVtbzpkZW1v", b"eyJhbGciOi.J9", b"a\tb", b"b\xc3\xb8", b"{}", b"1; drop"),
    ],
)
def test_a_text_that_may_be_data_is_other(text: bytes) -> None:
    """Sentences, addresses, numbers and tokens are replaced by `other`."""
    name, version = client_of([(NAME, text), (VERSION, text)])

    assert name == "other" or text == b"eyJhbGciOi.J9"
    assert client_of([(NAME, b"web"), (VERSION, text)]) == ("web", "other")
    assert version in {"", "other"}


def test_a_client_appears_once_it_is_answered() -> None:
    """Unauthenticated clients cannot add a name."""
    meter = ClientMeter()

    shown = [meter.count(("web", "1"), is_answered=good) for good in (False, True, False)]

    assert shown == [("other", ""), ("web", "1"), ("web", "1")]
    assert meter.requests == {("other", ""): 1, ("web", "1"): 2}


def test_at_most_a_hundred_clients_appear() -> None:
    """Each version counts as a client."""
    meter = ClientMeter()

    for version in range(150):
        meter.count(("web", str(version)), is_answered=True)

    assert len(meter.requests) == 101
    assert meter.requests["other", ""] == 50
