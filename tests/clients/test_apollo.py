"""Apollo Client, versions 4 and 3: persisted queries, batches, its normalised cache, errors."""

from collections.abc import Iterator

import pytest

from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Run, Running

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module", params=["4", "3"])
def apollo(node: Node, request: pytest.FixtureRequest) -> Iterator[Script]:
    """Return one version of Apollo Client."""
    with node.script("apollo.mjs", request.param) as script:
        yield script


@pytest.mark.parametrize(("scenario", "method"), [("persisted", "POST"), ("persistedByGet", "GET")])
def test_a_query_is_sent_once_and_then_by_its_hash(
    apollo: Script, live: Running, scenario: str, method: str
) -> None:
    """The first hash is unknown; after hash and text were sent together, the hash is enough."""
    [first], [second] = apollo(scenario, url=live.url, authorization=AUTHORIZATION)

    assert live.requests == [f"{method} hash", "POST hash+query", f"{method} hash"]
    assert live.calls == 1
    assert len(first["chatSessions"]) == 2
    assert first == second


def test_without_persisted_queries_the_text_is_sent(apollo: Script, run: Run) -> None:
    """When they are off, the client learns it from the first answer and sends no more hashes."""
    with run(persisted_queries=False) as live:
        [first], [second] = apollo("persisted", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["POST hash", "POST query", "POST query"]
    assert len(first["chatSessions"]) == 2
    assert first == second


def test_a_batch_reads_one_snapshot(apollo: Script, run: Run) -> None:
    """The operations of a batch agree with each other even when nothing is cached."""
    with run(cache_ttl=0) as live:
        first, second = apollo("batched", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["POST [query, query]"] * 2
    assert live.calls == 2
    for count, page in (first, second):
        assert count["chatSessionSummary"]["total"] == page["chatSessionConnection"]["totalCount"]
        assert (
            count["chatSessionSummary"]["fetchedAt"] == page["chatSessionConnection"]["fetchedAt"]
        )


def test_the_queries_of_a_batch_are_persisted_too(apollo: Script, live: Running) -> None:
    """Each operation of a batch gets its own error for an unknown hash."""
    first, second = apollo("batchedAndPersisted", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == [
        "POST [hash, hash]",
        "POST [hash+query, hash+query]",
        "POST [hash, hash]",
    ]
    assert live.calls == 1
    assert first == second


def test_a_batch_that_is_too_long_has_a_code(apollo: Script, run: Run) -> None:
    """An app with a larger `batchMax` than the gateway's gets a code that explains the failure."""
    with run(max_batch=2) as live:
        codes = apollo("batchTooLong", url=live.url, authorization=AUTHORIZATION)

    assert codes == [["BAD_REQUEST"]] * 3
    assert live.calls == 0


def test_the_cache_stores_one_agent_for_many_sessions(apollo: Script, shared: Running) -> None:
    """An agent in several sessions is one cache entry, without configuration."""
    result = apollo("normalised", url=shared.url, authorization=AUTHORIZATION)

    sessions = result["data"]["chatSessions"]
    agents = [session["user"]["id"] for session in sessions if session["user"]]
    cached = [key for key in result["cached"] if key.startswith("Associate:")]
    assert len(set(agents)) < len(agents)
    assert sorted(cached) == sorted(f"Associate:{agent}" for agent in set(agents))
    assert sum(key.startswith("ChatSession:") for key in result["cached"]) == len(sessions)


def test_an_entry_of_the_cache_can_be_fetched_by_its_id(apollo: Script, shared: Running) -> None:
    """`node(id:)` returns an object that the cache stores by its `id`."""
    result = apollo("normalised", url=shared.url, authorization=AUTHORIZATION)

    assert result["node"] in [session["user"] for session in result["data"]["chatSessions"]]


def test_the_client_sees_the_codes_of_errors(apollo: Script, shared: Running) -> None:
    """An app can distinguish errors by `extensions.code`."""
    assert apollo("errors", url=shared.url, authorization=AUTHORIZATION) == {
        "unknownField": ["GRAPHQL_VALIDATION_FAILED"],
        "badValue": ["BAD_USER_INPUT"],
        "badVariable": ["BAD_USER_INPUT"],
        "tooDeep": ["QUERY_TOO_COMPLEX"],
    }


@pytest.mark.parametrize("scenario", ["failing", "failingPersisted"])
@pytest.mark.parametrize(
    ("authorization", "calls"), [("", 0), ("Bearer of-nobody", 1)], ids=["none", "wrong"]
)
def test_bad_credentials_are_unauthenticated(
    apollo: Script, live: Running, scenario: str, authorization: str, calls: int
) -> None:
    """The code tells an app to log in again; without credentials there is no REST call."""
    assert apollo(scenario, url=live.url, authorization=authorization) == ["UNAUTHENTICATED"]
    assert live.calls == calls
