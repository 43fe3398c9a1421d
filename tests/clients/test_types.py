"""The types that client compilers generate from the schema."""

import httpx
import pytest

from tests.clients.node import Node
from tests.clients.running import Running

pytestmark = pytest.mark.socket


def test_a_consoles_code_needs_no_null_checks(node: Node, shared: Running) -> None:
    """Relay, Code Generator and gql.tada omit `| null` where the schema allows it."""
    app = node.folder / "app" / "types"
    schema = httpx.get(shared.url.replace("/graphql", "/schema.graphql")).text
    (app / "schema.graphql").write_text(schema, "utf-8")

    node.run("graphql-codegen", "--config", "codegen.mjs", cwd=app)
    node.run("relay-compiler", cwd=app)
    node.run("semantic-to-strict", "-i", "schema.graphql", "-o", "strict.graphql", cwd=app)
    node.run("gql.tada", "generate-output", cwd=app)
    node.run("tsc", "-p", ".", cwd=app)
