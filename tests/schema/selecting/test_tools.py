"""Checks of the schema by graphql-schema-linter and Relay's compiler, from npm."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.schema.build import sdl
from tests.schema.selecting.desk import Desk

APP = """
import {graphql} from 'react-relay';

graphql`
  query QueueQuery($filter: ChatSessionFilter, $id: ID!) {
    ...Queue_sessions @arguments(filter: $filter)
    node(id: $id) { ...Queue_session @alias(as: "session") }
  }
`;

graphql`
  fragment Queue_sessions on Query
  @refetchable(queryName: "QueuePageQuery")
  @argumentDefinitions(
    filter: {type: "ChatSessionFilter"}
    count: {type: "Int", defaultValue: 2}
    cursor: {type: "String"}
  ) {
    chatSessionConnection(
      filter: $filter, orderBy: [{whenRequested: ASC}], first: $count, after: $cursor
    ) @connection(key: "Queue_chatSessionConnection") {
      totalCount
      edges { node { ...Queue_session } }
    }
  }
`;

graphql`
  fragment Queue_session on ChatSession @refetchable(queryName: "QueueSessionQuery") {
    chatSessionId
    customerName
    user { fullName }
  }
`;
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="session")
def tools(packages: Path) -> Path:
    """Return the folder of the programs."""
    return packages / ".bin"


@pytest.fixture(scope="session")
def compiled(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the queries that Relay's compiler generates for a small app, by their names."""
    folder = tmp_path_factory.mktemp("relay")
    source = folder / "src"
    source.mkdir()
    (source / "Queue.js").write_text(APP, "utf-8")
    (folder / "schema.graphql").write_text(sdl(), "utf-8")
    config = {"src": "./src", "schema": "./schema.graphql", "language": "javascript"}
    (folder / "relay.config.json").write_text(json.dumps(config), "utf-8")
    done = run(tools / "relay-compiler", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    texts = {}
    for file in source.rglob("*Query.graphql.js"):
        text = re.search(r'^ *"text": (".*")$', file.read_text("utf-8"), re.MULTILINE)
        assert text is not None, file
        texts[file.name.removesuffix(".graphql.js")] = json.loads(text[1])
    return texts


def test_the_linter_finds_no_problem(tools: Path, tmp_path: Path) -> None:
    """All of its rules apply, including those for Relay's connections."""
    (tmp_path / "schema.graphql").write_text(sdl(), "utf-8")

    done = run(tools / "graphql-schema-linter", "schema.graphql", cwd=tmp_path)

    assert done.returncode == 0, done.stdout


def test_relay_can_page_and_refetch(compiled: dict[str, str]) -> None:
    """Relay's compiler generates the app's query, one for the next page and one for a node."""
    assert set(compiled) == {"QueueQuery", "QueuePageQuery", "QueueSessionQuery"}


async def test_relays_queries_are_answered(compiled: dict[str, str]) -> None:
    """Two pages and a refetched session are answered without errors."""
    desk = Desk([{"ChatSessionId": n, "User": {"AssociateId": 7}} for n in (1, 2, 3)])
    ids: list[int] = []
    cursor: str | None = None
    for _ in range(2):
        page: Any = await desk.ask(compiled["QueuePageQuery"], {"cursor": cursor})
        connection = page["chatSessionConnection"]
        ids += [edge["node"]["chatSessionId"] for edge in connection["edges"]]
        cursor = connection["pageInfo"]["endCursor"]
    last = connection["edges"][-1]["node"]

    again = await desk.ask(compiled["QueueSessionQuery"], {"id": last["id"]})
    both = await desk.ask(compiled["QueueQuery"], {"id": last["id"]})

    assert ids == [1, 2, 3]
    assert not connection["pageInfo"]["hasNextPage"]
    assert again["node"]["chatSessionId"] == both["node"]["chatSessionId"] == 3
    assert both["chatSessionConnection"]["totalCount"] == 3
