"""urql: its default way, GET and POST, persisted queries, errors."""

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
    """Urql lists event streams in its Accept header, and gets JSON all the same."""
    data = urql(scenario, url=live.url, authorization=AUTHORIZATION)

    assert len(data["chatSessions"]) == 2
    assert live.requests == [sent]
    assert live.calls == 1


def test_the_cache_answers_the_second_time(urql: Script, live: Running) -> None:
    """With its default exchanges urql keeps an answer, and asks no second time."""
    first, second = urql("cached", url=live.url, authorization=AUTHORIZATION)

    assert first == second
    assert len(live.requests) == 1


@pytest.mark.parametrize(
    ("scenario", "method"), [("persistedByPost", "POST"), ("persistedByGet", "GET")]
)
def test_a_query_is_sent_once_and_then_named(
    urql: Script, live: Running, scenario: str, method: str
) -> None:
    """The hash alone is not known at first; once the text came with it, the hash will do."""
    first, second = urql(scenario, url=live.url, authorization=AUTHORIZATION)

    assert live.requests == [f"{method} {what}" for what in ("hash", "hash+query", "hash")]
    assert live.calls == 1
    assert len(first["chatSessions"]) == 2
    assert first == second


def test_without_persisted_queries_the_text_is_sent(urql: Script, run: Run) -> None:
    """Where they are switched off, the client learns it from the first answer and stops asking."""
    with run(persisted_queries=False) as live:
        first, second = urql("persistedByPost", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["POST hash", "POST query", "GET query"]  # then as by default
    assert len(first["chatSessions"]) == 2
    assert first == second


def test_the_client_sees_the_codes_of_errors(urql: Script, shared: Running) -> None:
    """An app can tell what went wrong by `extensions.code`."""
    assert urql("errors", url=shared.url, authorization=AUTHORIZATION) == {
        "unknownField": ["GRAPHQL_VALIDATION_FAILED"],
        "badValue": ["BAD_USER_INPUT"],
    }


@pytest.mark.parametrize("scenario", ["byDefault", "byPost"])
def test_no_credentials_are_unauthenticated(urql: Script, live: Running, scenario: str) -> None:
    """An app knows that its user has to log in, and REST is not called."""
    assert urql(scenario, url=live.url, authorization="") == ["UNAUTHENTICATED"]
    assert live.calls == 0
