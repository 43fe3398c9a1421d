"""The audits of the `graphql-http` package: https://github.com/graphql/graphql-http."""

import pytest

from tests.clients.node import Node
from tests.clients.running import Running

pytestmark = pytest.mark.socket


def test_every_audit_is_ok(node: Node, live: Running, subtests: pytest.Subtests) -> None:
    """The gateway meets each MUST, SHOULD and MAY of GraphQL over HTTP."""
    with node.script("audits.mjs") as script:
        audits = script("all", url=live.url)

    assert len(audits) == 61
    for audit in audits:
        with subtests.test(f"{audit['id']} {audit['name']}"):
            assert audit["status"] == "ok", audit["reason"]
