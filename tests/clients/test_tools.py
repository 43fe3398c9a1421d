"""Tools that read the schema from its URL, and tools that add it to a larger graph."""

from collections.abc import Iterator

import httpx
import pytest

from tests.clients import readme
from tests.clients.node import Node, Script
from tests.clients.running import AUTHORIZATION, Run, Running

pytestmark = pytest.mark.socket

RELAY_SUBGRAPH = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key"])
type Query { node(id: ID!): Node nodes(ids: [ID!]!): [Node]! orders: [Order!] }
interface Node { id: ID! }
type Order implements Node { id: ID! }
"""


@pytest.fixture(scope="module")
def tools(node: Node) -> Iterator[Script]:
    """Return the tools that are libraries."""
    with node.script("tools.mjs") as script:
        yield script


def schema_of(live: Running) -> str:
    """Fetch the schema as a file."""
    return httpx.get(live.url.replace("/graphql", "/schema.graphql")).text


def test_code_generator_reads_the_schema_by_its_url(node: Node, shared: Running) -> None:
    """The generator accepts compression that Node 20 cannot decode, but gets one that it can."""
    folder = node.folder / "codegen-by-url"
    folder.mkdir()
    (folder / "codegen.mjs").write_text(
        f'export default {{ schema: "{shared.url}", generates: {{ "./out.graphql": '
        '{ plugins: ["schema-ast"] } } };'
    )
    node.run("graphql-codegen", "--config", "codegen.mjs", cwd=folder)

    assert "type ChatSession" in (folder / "out.graphql").read_text("utf-8")


def test_introspection_and_the_schema_file_are_equal(node: Node, shared: Running) -> None:
    """Inspector finds no difference between introspection and `/schema.graphql`."""
    folder = node.folder / "inspector"
    folder.mkdir()
    (folder / "schema.graphql").write_text(schema_of(shared), "utf-8")

    node.run("graphql-inspector", "diff", "schema.graphql", shared.url, cwd=folder)


def test_a_stitched_schema_adds_a_field(tools: Script, shared: Running) -> None:
    """A stitching gateway can add names to channels."""
    result = tools("stitched", url=shared.url, authorization=AUTHORIZATION)

    assert len(result["data"]["chatSessions"]) == 12
    assert all(session["channelLabel"] for session in result["data"]["chatSessions"])


def test_mesh_makes_it_a_source_of_a_supergraph(tools: Script, node: Node, shared: Running) -> None:
    """With the manual's configuration, Hive Gateway serves queries and subscriptions."""
    folder = node.folder / "mesh"
    folder.mkdir()
    config = readme.code("mesh.config.mjs").replace(
        "https://gateway.example.com/graphql", shared.url
    )
    (folder / "mesh.config.mjs").write_text(config)
    node.run("mesh-compose", "-c", "mesh.config.mjs", "-o", "supergraph.graphql", cwd=folder)
    supergraph = str(folder / "supergraph.graphql")

    result = tools("supergraph", file=supergraph, authorization=AUTHORIZATION)

    assert len(result["list"]["data"]["chatSessions"]) == 12
    assert result["event"] == {"data": {"chatSessionSummary": {"total": 12}}}


def test_it_composes_as_a_subgraph(tools: Script, run: Run) -> None:
    """The schema composes with a Relay-style subgraph once `node` and `nodes` are hidden."""
    with run() as live:
        alone = tools("composed", sdl=schema_of(live), other="type Query { orders: [ID!] }")
        colliding = tools("composed", sdl=schema_of(live), other=RELAY_SUBGRAPH)
    with run(hidden_fields="Query.node,Query.nodes") as live:
        beside = tools("composed", sdl=schema_of(live), other=RELAY_SUBGRAPH)

    assert alone == beside == [["composed"], ["composed"]]
    assert all("Query.node" in " ".join(errors) for errors in colliding), colliding
