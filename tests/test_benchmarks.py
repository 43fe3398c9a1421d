"""What is measured is right: the benchmarks' own queries, over their own REST side."""

import json
from typing import Any

import pytest
from graphql import parse

from benchmarks.queries import NEW_QUERIES, QUERIES, Query
from benchmarks.records import rest_body
from tests.schema.asking import RestAnswered, ask


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
async def test_the_gateway_gives_what_the_benchmarks_expect(query: Query) -> None:
    """They work their expectations out of REST's answer without the gateway."""
    answer = await ask(query.text, context=RestAnswered(rest_body(query.sessions)))

    assert answer.errors == []
    assert answer.data == query.expected()


@pytest.mark.parametrize("query", NEW_QUERIES, ids=lambda query: query.key)
async def test_so_it_does_where_a_limit_is_a_variable(query: Query) -> None:
    """Also where it filters, sorts and pages."""
    body = json.loads(query.limited_body(1_000))
    answer = await ask(body["query"], rest_body(query.sessions), body["variables"])

    assert answer.errors == []
    assert answer.data == query.expected()


def test_the_queries_are_what_the_readme_says() -> None:
    """5 values of 20 sessions, 31 values of 20, every value of 100; 7 kB of REST a session."""
    values = {key: _values(parse(query.text)) for key, query in QUERIES.items()}

    assert (values["Q1"], values["Q2"]) == (5, 31)
    assert values["Q3"] > 260
    assert [query.sessions for query in QUERIES.values()] == [20, 20, 100]
    assert 130_000 < len(rest_body(20)) < 150_000


def _values(node: Any) -> int:
    inner = node.definitions if hasattr(node, "definitions") else node.selection_set.selections
    return sum(_values(one) if getattr(one, "selection_set", None) else 1 for one in inner)
