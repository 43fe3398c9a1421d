"""Introspection is limited by its cost: tools need it, and it needs no credentials."""

from typing import Any

import orjson
import pytest
from graphql import execute_sync, get_introspection_query, parse

from gateway.schema.build import build_schema
from gateway.schema.guard.limits import Limits
from gateway.schema.guard.size import measure
from tests.schema.asking import SCHEMA
from tests.schema.guard.asking import errors_in

EVERYTHING = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)


def cost_of(query: str) -> int:
    """Return the largest cost of an operation or fragment in a query."""
    return max(size.cost for size in measure(SCHEMA._schema, parse(query)))


def values_in(answer: Any) -> int:
    """Count the values of an answer, at all of its levels."""
    if isinstance(answer, dict):
        return sum(1 + values_in(value) for value in answer.values())
    return sum(map(values_in, answer)) if isinstance(answer, list) else 0


@pytest.mark.parametrize("query", [get_introspection_query(), EVERYTHING])
async def test_the_introspection_query_is_far_below_the_limit(query: str) -> None:
    """Every tool sends the introspection query, which costs less than a third of the limit."""
    assert await errors_in(SCHEMA, query) == []
    assert cost_of(query) < Limits().cost / 3


ALIASES = " ".join(f"a{i}: description" for i in range(50))


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name fields { name type { fields { name } } } } } }",
        "{ __schema { types { fields { " + ALIASES + " } } } }",
        "{ __schema { types { enumValues { " + ALIASES + " } } } }",
        "{ __schema { types { inputFields { type { inputFields { " + ALIASES + " } } } } } }",
        '{ __type(name: "ChatSessionFilter") { inputFields { type { inputFields { name type { '
        "inputFields { name } ofType { inputFields { name } } } } } } } }",
        "{ __schema { types { interfaces { possibleTypes { " + ALIASES + " } } } } }",
        "{ __schema { directives { locations args { name } } } }",
    ],
)
def test_introspection_costs_at_least_a_point_per_value(query: str) -> None:
    """The lengths of lists are assumed: an answer never has more values than points."""
    values = values_in(execute_sync(SCHEMA._schema, parse(query)).data)

    assert values <= cost_of(query)


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
    ((code, message),) = await errors_in(SCHEMA, query)

    assert code == "QUERY_TOO_COMPLEX"
    assert "points; at most 500000 are allowed" in message


PROBED = ["Schema", "Type", "Directive", "Field", "InputValue"]


async def test_tools_may_ask_what_introspection_supports() -> None:
    """Apollo Kotlin and gql.tada ask for five types at once before their introspection query."""
    types = " ".join(f'{name}: __type(name: "__{name}") {{ ...F }}' for name in PROBED)
    fragment = "fragment F on __Type { fields { name args { name } } }"

    assert await errors_in(SCHEMA, f"{{ {types} }} {fragment}") == []


@pytest.mark.parametrize(("count", "is_refused"), [(3, False), (4, True)])
async def test_the_cost_of_introspection_adds_up(count: int, is_refused: bool) -> None:
    """A query may ask for the schema several times, with aliases or in fragments."""
    fields, fragments = EVERYTHING.split("{", 1)[1].split("fragment", 1)
    several = " ".join(f"s{n}: {fields.rstrip().removesuffix('}')}" for n in range(count))

    codes = [code for code, _ in await errors_in(SCHEMA, f"{{ {several} }} fragment{fragments}")]
    assert codes == ["QUERY_TOO_COMPLEX"] * is_refused


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


async def test_is_one_of_is_null_for_types_that_are_no_inputs() -> None:
    """As the spec has it; also for lists and non-null types."""
    query = "{ __schema { types { kind isOneOf inputFields { type { isOneOf } } } } }"

    # graphql-core has one `__Type` per process: any schema that is made changes it.
    result = await build_schema().execute(query)

    assert result.errors is None
    for kind in orjson.loads(orjson.dumps(result.data))["__schema"]["types"]:
        assert kind["isOneOf"] is (False if kind["kind"] == "INPUT_OBJECT" else None)
