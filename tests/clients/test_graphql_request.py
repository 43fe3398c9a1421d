"""graphql-request: the smallest of the clients."""

from collections.abc import Iterator

import pytest

from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Running

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def graphql_request(node: Node) -> Iterator[Script]:
    """Return graphql-request."""
    with node.script("graphql_request.mjs") as script:
        yield script


@pytest.mark.parametrize(
    ("scenario", "sent"), [("asked", "POST query"), ("askedByGet", "GET query")]
)
def test_a_query_with_variables_is_answered(
    graphql_request: Script, live: Running, scenario: str, sent: str
) -> None:
    """Variables are accepted by GET and POST."""
    data = graphql_request(scenario, url=live.url, authorization=AUTHORIZATION)

    assert len(data["chatSessions"]) == 2
    assert live.requests == [sent]


def test_a_batch_is_answered_in_order(graphql_request: Script, live: Running) -> None:
    """Two queries in one request have two answers, and cost one REST call."""
    queue, count = graphql_request("batched", url=live.url, authorization=AUTHORIZATION)

    assert len(queue["data"]["chatSessions"]) == 2
    assert count["data"]["chatSessionSummary"]["total"] == 12
    assert live.requests == ["POST [query, query]"]
    assert live.calls == 1


@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [("failing", 401, "UNAUTHENTICATED"), ("wrong", 400, "GRAPHQL_VALIDATION_FAILED")],
)
def test_the_client_sees_the_code_of_an_error(
    graphql_request: Script, shared: Running, scenario: str, status: int, code: str
) -> None:
    """ClientError has the errors and a status, since the client prefers graphql-response+json."""
    status_and_code = graphql_request(scenario, url=shared.url, authorization=AUTHORIZATION)

    assert status_and_code == [status, code]
