"""The clients of the README and the manual do what is said of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.clients import readme
from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Run, Running

pytestmark = pytest.mark.socket
RECIPES = Path(__file__).parent / "scripts" / "recipes"


@pytest.fixture(scope="module")
def clients(node: Node, manifests: Mapping[str, Path]) -> Iterator[Script]:
    """Return these clients, one of which imports what Relay's compiler writes."""
    assert manifests["relay"].exists()
    (node.folder / "readme").mkdir()
    for name in (name for name in readme.NAMES if name.endswith(".mjs")):
        (node.folder / "readme" / name).write_text(readme.code(name), "utf-8")
    with node.script("readme.mjs") as script:
        yield script


def test_fetch_gets_data_and_says_when_to_log_in(clients: Script, live: Running) -> None:
    """The README's ten lines need no library."""
    made = clients("plain", url=live.url, authorization=AUTHORIZATION)

    assert len(made["data"]["chatSessions"]) == 12
    assert made["refused"] == "log in again"


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.mjs")), ids=lambda file: file.name)
def test_a_recipe_is_in_the_manual(recipe: Path) -> None:
    """The tests of caches run these files."""
    assert readme.code(recipe.name) == recipe.read_text("utf-8").rstrip()


def test_live_updates_begin(clients: Script, live: Running) -> None:
    """The manual's client of graphql-ws takes new credentials at each connect."""
    made = clients("liveUpdates", url=live.url, authorization=AUTHORIZATION)

    assert made["event"]["data"]["chatSessionSummary"]["total"] == 12
    assert made["logins"] == 1


def test_apollo_names_its_queries_and_keeps_one_agent(clients: Script, live: Running) -> None:
    """Apollo Client sends a query once, and caches by `id`."""
    made = clients("apollo", url=live.url, authorization=AUTHORIZATION)

    agents = {session["user"]["id"] for session in made["data"]["chatSessions"] if session["user"]}
    assert live.requests == ["GET hash", "POST hash+query", "GET hash"]
    assert live.calls == 1
    assert {f"Associate:{agent}" for agent in agents} < set(made["cached"])


def test_urql_names_its_queries(clients: Script, live: Running) -> None:
    """The client of urql sends a query once."""
    made = clients("urql", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["GET hash", "GET hash+query", "GET hash"]
    assert live.calls == 1
    assert len(made["data"]["chatSessions"]) == 12


def test_relay_names_its_documents_and_refetches_by_id(
    clients: Script, run: Run, manifests: Mapping[str, Path]
) -> None:
    """Relay sends ids alone, keeps one agent for many sessions, and asks `node` for it again."""
    with run(trusted_documents=manifests["relay"], trusted_documents_only=True) as live:
        made = clients("relay", url=live.url, authorization=AUTHORIZATION)

    assert live.requests == ["POST doc_id"] * 3
    assert live.calls == 1
    assert len(made["agents"]) > 1
    assert made["refetched"] == made["agents"][0]


def test_relay_without_a_manifest_sends_texts(
    clients: Script, live: Running, manifests: Mapping[str, Path]
) -> None:
    """The same function serves a compiler that was not told to persist."""
    manifest = str(manifests["relay"])
    data = clients("relayByText", url=live.url, authorization=AUTHORIZATION, manifest=manifest)

    assert live.requests == ["POST query"]
    assert len(data["chatSessions"]) == 12
