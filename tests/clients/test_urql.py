"""urql: its default, GET and POST, persisted queries, errors."""

from collections.abc import Iterator

import pytest

from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Run, Running

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def urql(node: Node) -> Iterator[Script]:
    """Return urql."""
    with node.script("urql.mjs") as script:
        yield script


@pytest.mark.parametrize(
    ("scenario", "sent"),
    [("byDefault", "GET query"), ("byGet", "GET query"), ("byPost", "POST query")],
)
def test_a_query_is_answered(urql: Script, live: Running, scenario: str, sent: str) -> None:
    """Urql lists event streams in its Accept header, but gets JSON."""
    data = urql(scenario, url=live.url, authorization=AUTHORIZATION)

    assert len(data["chatSessions"]) == 2
    assert live.requests == [sent]
    assert live.calls == 1


def test_the_cache_answers_the_second_time(urql: Script, live: Running) -> None:
    """With its default exchanges urql caches the answer, and sends no second request."""
    first, second = urql("cached", url=live.url, authorization=AUTHORIZATION)

    assert first == second
    assert len(live.requests) == 1


@pytest.mark.parametrize(
    ("scenario", "method"), [("persistedByPost", "POST"), ("persistedByGet", "GET")]
)
def test_a_query_is_sent_once_and_then_by_its_hash(
    urql: Script, live: Running, scenario: str, method: str
) -> None:
    """The first hash is unknown; after hash and text were sent together, the hash is enough."""
    first, second = urql(scenario, url=live.url, authorization=AUTHORIZATION)

    assert live.requests == [f"{method} {content}" for content in ("hash", "hash+query", "hash")]
    assert live.calls == 1
    assert len(first["chatSessions"]) == 2
    assert first == second


def test_without_persisted_queries_the_text_is_sent(urql: Script, run: Run) -> None:
    """When they are off, the client learns it from the first answer and sends no more hashes."""
    with run(persisted_queries=False) as live:
        first, second = urql("persistedByPost", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["POST hash", "POST query", "GET query"]  # then its default method
    assert len(first["chatSessions"]) == 2
    assert first == second


def test_the_client_sees_the_codes_of_errors(urql: Script, shared: Running) -> None:
    """An app can distinguish errors by `extensions.code`."""
    assert urql("errors", url=shared.url, authorization=AUTHORIZATION) == {
        "unknownField": ["GRAPHQL_VALIDATION_FAILED"],
        "badValue": ["BAD_USER_INPUT"],
    }


@pytest.mark.parametrize("scenario", ["byDefault", "byPost"])
def test_missing_credentials_are_unauthenticated(
    urql: Script, live: Running, scenario: str
) -> None:
    """The code tells an app to log in again, and there is no REST call."""
    assert urql(scenario, url=live.url, authorization="") == ["UNAUTHENTICATED"]
    assert live.calls == 0
