"""The benchmarks measure correct answers: their own queries, over their own REST API."""

import json
from typing import Any

import orjson
import pytest
from graphql import parse

from benchmarks.queries import NEW_QUERIES, QUERIES, Query
from benchmarks.records import rest_body
from tests.schema.asking import RestAnswered, ask


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
async def test_the_gateway_answers_as_the_benchmarks_expect(query: Query) -> None:
    """The benchmarks compute the expected answers from the REST answer without the gateway."""
    answer = await ask(query.text, context=RestAnswered(rest_body(query.sessions)))

    assert answer.errors == []
    assert orjson.loads(orjson.dumps(answer.data)) == query.expected()


@pytest.mark.parametrize("query", NEW_QUERIES, ids=lambda query: query.key)
async def test_the_gateway_answers_as_expected_when_a_limit_is_a_variable(query: Query) -> None:
    """Queries that filter, sort and page also take their limit from a variable."""
    body = json.loads(query.limited_body(1_000))
    answer = await ask(body["query"], rest_body(query.sessions), body["variables"])

    assert answer.errors == []
    assert orjson.loads(orjson.dumps(answer.data)) == query.expected()


def test_the_queries_have_the_sizes_that_the_readme_states() -> None:
    """Q1 has 5 values of 20 sessions, Q2 31 of 20, Q3 all of 100; a session is 7 kB of JSON."""
    values = {key: _values(parse(query.text)) for key, query in QUERIES.items()}

    assert (values["Q1"], values["Q2"]) == (5, 31)
    assert values["Q3"] > 260
    assert [query.sessions for query in QUERIES.values()] == [20, 20, 100]
    assert 130_000 < len(rest_body(20)) < 150_000


def _values(node: Any) -> int:
    inner = node.definitions if hasattr(node, "definitions") else node.selection_set.selections
    return sum(_values(one) if getattr(one, "selection_set", None) else 1 for one in inner)
