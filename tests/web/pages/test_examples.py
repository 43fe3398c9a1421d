"""The example operations of the query pages, whatever is hidden."""

import re

import graphql
import pytest

from gateway.executor.internals import graphql_schema
from gateway.schema.build import SchemaOptions, build_schema
from gateway.web.pages.examples import examples

ALL = {"Queue", "MyChats", "Session", "Summary", "Live"}
ROOTS = ("Query.chatSessions", "Query.chatSessionSummary", "Subscription.chatSessionChanges")


@pytest.mark.parametrize(
    ("hidden", "left_out"),
    [
        ((), set()),
        (("ChatSession.customerName",), set()),
        (("ChatSession.contact",), set()),
        (("Contact.name", "Contact.countryName"), set()),
        (("ChatSessionSummary.transfersPendingTo",), set()),
        (("ChatSession.user",), {"MyChats"}),
        (("ChatSession.statusGroup",), {"Queue", "MyChats", "Live"}),
        (ROOTS[:2], {"Queue", "MyChats", "Session", "Summary"}),
        (ROOTS, ALL),
    ],
)
def test_examples_lose_hidden_fields(hidden: tuple[str, ...], left_out: set[str]) -> None:
    """Each example can run; one that would mean something else, or nothing, is left out."""
    schema = graphql_schema(build_schema(SchemaOptions(hidden=frozenset(hidden))))

    shown = examples(schema)

    names = {re.findall(r"^[qs]\w+ (\w+)", text, re.MULTILINE)[0] for text in shown}
    assert names == ALL - left_out
    for text in shown:
        assert graphql.validate(schema, graphql.parse(text)) == []
        assert re.findall(r"\n *\n|\{\s*\}", text) == []


def test_an_example_loses_the_line_of_a_hidden_field_alone() -> None:
    """The rest keeps its form."""
    options = SchemaOptions(hidden=frozenset(["ChatSession.customerName"]))

    everything = examples(graphql_schema(build_schema()))
    shown = examples(graphql_schema(build_schema(options)))

    assert shown == [re.sub(r" *customerName\n", "", text) for text in everything]
    assert shown != everything
