"""The clients of the README and the manual work as documented."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Run, Running

pytestmark = pytest.mark.socket


@pytest.fixture(scope="module")
def clients(node: Node, manifests: Mapping[str, Path]) -> Iterator[Script]:
    """Return these clients, one of which imports the output of Relay's compiler."""
    assert manifests["relay"].exists()
    with node.script("readme.mjs") as script:
        yield script


def test_fetch_gets_data_and_says_when_to_log_in(clients: Script, live: Running) -> None:
    """The README's ten lines with `fetch` need no library."""
    result = clients("plain", url=live.url, authorization=AUTHORIZATION)

    assert len(result["data"]["chatSessions"]) == 12
    assert result["refused"] == "log in again"


def test_live_updates_begin(clients: Script, live: Running) -> None:
    """The manual's client of graphql-ws gets new credentials at each connect."""
    result = clients("liveUpdates", url=live.url, authorization=AUTHORIZATION)

    assert result["event"]["data"]["chatSessionSummary"]["total"] == 12
    assert result["logins"] == 1


def test_apollo_sends_hashes_and_stores_one_agent(clients: Script, live: Running) -> None:
    """Apollo Client sends a query's text once, and caches by `id`."""
    result = clients("apollo", url=live.url, authorization=AUTHORIZATION)

    agents = {
        session["user"]["id"] for session in result["data"]["chatSessions"] if session["user"]
    }
    assert live.requests == ["GET hash", "POST hash+query", "GET hash"]
    assert live.calls == 1
    assert {f"Associate:{agent}" for agent in agents} < set(result["cached"])


def test_urql_sends_hashes(clients: Script, live: Running) -> None:
    """The client of urql sends a query's text once."""
    result = clients("urql", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["GET hash", "GET hash+query", "GET hash"]
    assert live.calls == 1
    assert len(result["data"]["chatSessions"]) == 12


def test_relay_sends_document_ids_and_refetches_by_id(
    clients: Script, run: Run, manifests: Mapping[str, Path]
) -> None:
    """Relay sends only ids, stores one agent for many sessions, and refetches it with `node`."""
    with run(trusted_documents=manifests["relay"], trusted_documents_only=True) as live:
        result = clients("relay", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["POST doc_id"] * 3
    assert live.calls == 1
    assert len(result["agents"]) > 1
    assert result["refetched"] == result["agents"][0]


def test_relay_without_a_manifest_sends_texts(
    clients: Script, live: Running, manifests: Mapping[str, Path]
) -> None:
    """The manual's fetch function also works with a compiler that does not persist queries."""
    manifest = str(manifests["relay"])
    data = clients("relayByText", url=live.url, authorization=AUTHORIZATION, manifest=manifest)

    assert live.requests == ["POST query"]
    assert len(data["chatSessions"]) == 12
