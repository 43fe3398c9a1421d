"""Introspection is limited to what tools need: one or two queries without endless lists."""

from typing import Any

import pytest
from graphql import execute_sync, get_introspection_query, parse

from gateway.schema.guard.introspection import introspection_cost
from gateway.schema.guard.limits import Limits
from tests.schema.asking import SCHEMA
from tests.schema.guard.asking import errors_in

EVERYTHING = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)
TOO_MUCH = [
    (
        "QUERY_TOO_COMPLEX",
        f"The query's introspection would cost more than {Limits().cost} points.",
    )
]


def cost_of(query: str, most: int = 10**9) -> int:
    """Return the cost of the introspection in a query."""
    return introspection_cost(SCHEMA._schema, parse(query), most)


def values_in(answer: Any) -> int:
    """Count the values of an answer, at all of its levels."""
    if isinstance(answer, dict):
        return sum(1 + values_in(value) for value in answer.values())
    return sum(map(values_in, answer)) if isinstance(answer, list) else 0


@pytest.mark.parametrize("query", [get_introspection_query(), EVERYTHING])
async def test_the_introspection_query_is_far_below_the_limit(query: str) -> None:
    """Every tool sends the introspection query, which costs a third of the limit."""
    assert await errors_in(SCHEMA, query) == []
    assert cost_of(query) < Limits().cost / 3


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name fields { name type { fields { name } } } } } }",
        "{ __schema { ...S } } fragment S on __Schema { types { ... { enumValues { name } } } }",
        "{ ...Q } fragment Q on Query { __schema { directives { locations args { name } } } }",
    ],
)
def test_introspection_costs_its_values(query: str) -> None:
    """Each value costs 20 points, and a fragment counts wherever it is spread."""
    values = values_in(execute_sync(SCHEMA._schema, parse(query)).data)

    assert 20 * values <= cost_of(query) <= 20 * values * 1.5


def test_a_type_of_any_name_costs_as_much_as_all_types() -> None:
    """The name may be a variable."""
    cost = cost_of('{ __type(name: "Nope") { name } }')

    assert cost == 20 * (1 + len(SCHEMA._schema.type_map))


def test_counting_stops_at_the_limit() -> None:
    """The steps are bounded by the allowed number of values."""
    query = "{ __schema { types { fields { name } } } }"

    assert cost_of(query, most=100) == 120


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { possibleTypes { interfaces { possibleTypes { interfaces "
        "{ possibleTypes { fields { name args { name } type { kind name } } } } } } } } } }",
        '{ __type(name: "Node") { possibleTypes { interfaces { possibleTypes { interfaces '
        "{ possibleTypes { fields { name args { name } type { kind name } } } } } } } } }",
    ],
)
async def test_nested_lists_are_refused(query: str) -> None:
    """A few hundred bytes without credentials would cause an answer of megabytes."""
    assert await errors_in(SCHEMA, query) == TOO_MUCH


async def test_a_query_may_introspect_twice_at_most() -> None:
    """Aliases and fragments make no difference."""
    once = "a: __schema { queryType { name } } "
    twice = once + '...F } fragment F on Query { b: __type(name: "Query") { name }'

    assert await errors_in(SCHEMA, f"{{ {twice} }}") == []
    assert await errors_in(SCHEMA, f"{{ c: __schema {{ description }} {twice} }}") == [
        ("QUERY_TOO_COMPLEX", "The query asks for the schema 3 times; at most 2 are allowed.")
    ]


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { ...F } } fragment F on __Schema { types { ...G } } "
        "fragment G on __Type { name ...G }",
        "{ __schema { nope { nor } ...Nope } }",
        "{ __schema { types { kind { name } name { fields { name } } } } }",
        "{ __schema }",
        "{ __type { ofType { fields { args { defaultValue { name } } } } } }",
        "{ __schema { " + "... { " * 150 + "nope" + "}" * 152,
    ],
)
async def test_invalid_introspection_is_refused_by_validation(query: str) -> None:
    """Unknown fields cost nothing, and cycles end."""
    assert {code for code, _ in await errors_in(SCHEMA, query)} <= {
        "GRAPHQL_VALIDATION_FAILED",
        "GRAPHQL_PARSE_FAILED",
    }


def test_a_directive_is_listed_once() -> None:
    """Tools that compose schemas refuse two directives of one name."""
    names = [directive.name for directive in SCHEMA._schema.directives]

    assert "semanticNonNull" in names
    assert len(names) == len(set(names))
