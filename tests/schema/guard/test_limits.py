"""The size of a document, and the limit that it exceeds."""

import asyncio
from collections.abc import Iterator
from string import ascii_letters
from typing import Any

import pytest
from graphql import get_introspection_query, parse

from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.guard.limits import Limits, excess
from gateway.schema.guard.size import MOST_STEPS, Size, measure
from tests.schema.asking import SCHEMA, execute
from tests.schema.everything import QUERY as EVERY_FIELD
from tests.schema.guard.asking import errors_in


def size_of(query: str) -> Size:
    """Measure the first operation of a document."""
    return next(measure(SCHEMA._schema, parse(query)))


async def errors_of(query: str, **limits: int) -> list[tuple[str, str]]:
    """Run a query under these limits, and return the codes and messages of its errors."""
    return await errors_in(build_schema(SchemaOptions(limits=Limits(**limits))), query)


@pytest.mark.parametrize(
    ("limit", "most", "within", "above", "words"),
    [
        (
            "depth",
            2,
            "{ chatSessions { id } }",
            "{ chatSessions { contact { id } } }",
            "is 3 levels deep",
        ),
        (
            "depth",
            2,
            "{ ...F } fragment F on Query { chatSessions { ...G } } "
            "fragment G on ChatSession { id }",
            "{ ...F } fragment F on Query { chatSessions { ...G } } "
            "fragment G on ChatSession { ... { contact { ... { id } } } }",
            "is 3 levels deep",
        ),
        ("aliases", 1, "{ a: __typename }", "{ a: __typename b: __typename }", "has 2 aliases"),
        (
            "aliases",
            2,
            "{ ...F ...F } fragment F on Query { a: __typename }",
            "{ ...F ...F ... { ...F } } fragment F on Query { a: __typename }",
            "has 3 aliases",
        ),
        (
            "aliases",
            1,
            "{ a: chatSessions { id } }",
            "{ a: chatSessions { b: id } }",
            "has 2 aliases",
        ),
        (
            "root_fields",
            2,
            "{ __typename chatSessions { id topicId status } }",
            "{ __typename chatSessions { id } chatSessionSummary { total } }",
            "has 3 root fields",
        ),
        (
            "root_fields",
            2,
            "{ ...F } fragment F on Query { __typename a: __typename }",
            "{ ...F ... { b: __typename } } fragment F on Query { __typename a: __typename }",
            "has 3 root fields",
        ),
        (
            "directives",
            1,
            "{ __typename @include(if: true) }",
            "{ __typename @include(if: true) @skip(if: false) }",
            "has 2 directives",
        ),
        (
            "directives",
            2,
            "{ ... @include(if: true) { ...F @skip(if: false) } } "
            "fragment F on Query { __typename }",
            "{ ... @include(if: true) { ...F @skip(if: false) } } "
            "fragment F on Query { __typename @skip(if: false) }",
            "has 3 directives",
        ),
        (
            "directives",
            1,
            "{ chatSessions { id @skip(if: false) } }",
            "{ chatSessions @skip(if: false) { id @skip(if: false) } }",
            "has 2 directives",
        ),
        (
            "directives",
            1,
            "{ ...F } fragment F on Query { __typename @skip(if: false) }",
            "{ ...F ...F } fragment F on Query { __typename @skip(if: false) }",
            "has 2 directives",
        ),
        (
            "default_values",
            22,
            "query ($f: ChatSessionFilter = {topicId: {in: [1]}}, $l: Int) "
            "{ chatSessions(filter: $f, limit: $l) { id } }",
            "query ($f: ChatSessionFilter = {topicId: {in: [1]}}, $l: Int = 9) "
            "{ chatSessions(filter: $f, limit: $l) { id } }",
            "has 23 values in defaults of variables",
        ),
        (
            "default_values",
            33,
            "query ($f: ChatSessionFilter = {not: null}) "
            "{ chatSessions(filter: {or: [$f, $f, {not: $f}]}) { id } }",
            "query ($f: ChatSessionFilter = {not: null}) "
            "{ chatSessions(filter: {or: [$f, $f, $f, {not: $f}]}) { id } }",
            "has 44 values in defaults of variables",
        ),
        (
            "comparisons",
            4,
            "{ __typename __typename }",
            "{ __typename __typename a: __typename }",
            "takes 5 comparisons of fields to validate",
        ),
        (
            "comparisons",
            56,
            "{ chatSessions { ... { id } ... { id } } chatSessions { id id } }",
            "{ chatSessions { ... { id } ... { id } } chatSessions { id id id } }",
            "takes 66 comparisons of fields to validate",
        ),
        (
            "comparisons",
            54,
            "{ chatSessions { ...F ...F } } fragment F on ChatSession { id }",
            "{ chatSessions { ...F ...F } } fragment F on ChatSession { id topicId }",
            "takes 58 comparisons of fields to validate",
        ),
        (
            "comparisons",
            22,
            "{ chatSessionSummary { a: transfersPendingTo(associateId: 1) } }",
            "{ chatSessionSummary { a: transfersPendingTo(associateId: 1000000000) } }",
            "takes 23 comparisons of fields to validate",
        ),
        (
            "cost",
            201,
            "{ chatSessions { id topicId } }",
            "{ chatSessions { id topicId status } }",
            "would cost 301 points",
        ),
        (
            "cost",
            201,
            "{ chatSessions { ...F } } fragment F on ChatSession { id topicId }",
            "{ chatSessions { ...F ...F } } fragment F on ChatSession { id topicId }",
            "would cost 401 points",
        ),
    ],
)
async def test_a_limit_can_be_reached_and_not_exceeded(
    limit: str, most: int, within: str, above: str, words: str
) -> None:
    """The limit itself is allowed; one more is refused, with the limit and the value."""
    assert await errors_of(within, **{limit: most}) == []
    assert await errors_of(above, **{limit: most}) == [
        ("QUERY_TOO_COMPLEX", f"The query {words}; at most {most} are allowed.")
    ]


async def test_tokens_are_limited() -> None:
    """Two braces and eight names are ten tokens; parsing stops at the limit."""
    assert await errors_of("{" + " __typename" * 8 + "}", tokens=10) == []
    assert await errors_of("{" + " __typename" * 9 + "}", tokens=10) == [
        (
            "QUERY_TOO_COMPLEX",
            "Syntax Error: Document contains more than 10 tokens. Parsing aborted.",
        )
    ]


async def test_characters_are_limited() -> None:
    """Comments and white space count; a text that is too long is not parsed."""
    assert await errors_of("{ __typename }" + " " * 86, characters=100) == []
    assert await errors_of("#" * 101, characters=100) == [
        ("QUERY_TOO_COMPLEX", "The query has 101 characters; at most 100 are allowed.")
    ]


async def test_a_form_of_many_optional_variables_is_within_the_limits() -> None:
    """A variable counts at its own places, not at those of others."""
    names = [f"s{number}" for number in range(45)]
    query = (
        f"query ({', '.join(f'${name}: String = null' for name in names)}) {{ chatSessions"
        f"(filter: {{or: [{' '.join(f'{{search: ${n}}}' for n in names)}]}}) {{ id }} }}"
    )

    assert await errors_of(query, default_values=45) == []
    assert len(await errors_of(query, default_values=44)) == 1


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
async def test_lines_are_limited(end: str) -> None:
    """graphql-core counts them anew for some errors."""
    assert await errors_of(end * 10 + "{ __typename }", lines=10) == []
    assert await errors_of(end * 11 + "{ __typename }", lines=10) == [
        ("QUERY_TOO_COMPLEX", "The query has more than 10 lines.")
    ]


async def test_the_limits_apply_to_operations_that_are_not_run() -> None:
    """Validating further operations would be work too."""
    schema = build_schema(SchemaOptions(limits=Limits(aliases=0)))
    query = "query A { __typename } query B { b: __typename }"

    result = await execute(schema, query, operation_name="A")

    (error,) = result.errors or []
    assert error.message == "The query has 1 aliases; at most 0 are allowed."


async def test_the_limits_apply_to_unused_fragments() -> None:
    """An unused fragment is an error, but validation visits all of it first."""
    query = "{ __typename } fragment F on Query { a: __typename }"

    assert await errors_of(query, aliases=0) == [
        ("QUERY_TOO_COMPLEX", "The query has 1 aliases; at most 0 are allowed.")
    ]


async def test_an_unused_fragment_has_no_root_fields() -> None:
    """A fragment that nothing spreads is at no root."""
    query = "{ __typename } fragment F on Contact { id name }"

    assert await errors_of(query, root_fields=1) == [
        ("GRAPHQL_VALIDATION_FAILED", "Fragment 'F' is never used.")
    ]


def test_the_size_of_an_operation_includes_only_its_own_fragments() -> None:
    """Directives of the operation count, but not those of unused fragments."""
    size = size_of("query @a { x } fragment F on Query { b: x @c }")

    assert (size.directives, size.aliases) == (1, 0)


def test_fields_of_one_response_name_are_compared_in_pairs_at_each_level() -> None:
    """Three levels of six equal fields need the work of a hundred times as many fields."""
    inner = "user { " + "id " * 6 + "} "
    size = size_of("{ " + ("chatSessions { " + inner * 6 + "} ") * 6 + "}")

    assert size.comparisons == 6**6 + 10 * 6**4 + 10 * 6**2


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ __typename }", 1),
        ("{ chatSessions { id } }", 101),
        ("{ chatSessions(limit: 5) { id } }", 6),
        ("{ chatSessions(offset: 7, limit: 5) { id topicId } }", 11),
        ("{ chatSessions(limit: 0) { id } }", 2),
        ("{ chatSessions(limit: -5) { id } }", 2),
        ("query ($n: Int) { chatSessions(limit: $n) { id } }", 101),
        ("{ chatSessions(limit: 99999999999) { id } }", 101),
        ('{ chatSessions(limit: "5") { id } }', 101),
        ("{ chatSession(chatSessionId: 5) { id } }", 2),
        ("{ chatSessionConnection { edges { node { id } } } }", 202),
        ("{ chatSessionConnection(first: 3) { edges { node { id } } } }", 8),
        ("{ chatSessionConnection(last: 3) { edges { node { id } } } }", 8),
        ("query ($n: Int) { chatSessionConnection(first: $n) { edges { cursor } } }", 102),
        ("{ chatSessionConnection(first: 3) { totalCount pageInfo { endCursor } } }", 4),
        (
            "{ chatSessionConnection(first: 3) { ...P } } "
            "fragment P on ChatSessionConnection { edges { cursor } }",
            5,
        ),
        (
            "{ a: chatSessionConnection(first: 3) { ...P } b: chatSessionConnection(first: 4) "
            "{ ...P } } fragment P on ChatSessionConnection { edges { cursor } }",
            11,
        ),
        ('{ nodes(ids: ["a", "b"]) { id } }', 3),
        ("{ nodes(ids: []) { id } }", 2),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", 101),
        ('{ node(id: "x") { ... on Contact { fieldProperties(names: ["a"]) { name } } } }', 3),
        ('{ node(id: "x") { ... on Contact { fieldProperties { name } } } }', 12),
        ("{ chatSessionSummary { byTopic { topicId waiting } } }", 22),
        ("{ chatSessions(limit: 2) { ... { id } ... on ChatSession { id } } }", 5),
        ("subscription { chatSessions(limit: 5) { id } }", 6),
        ("subscription { chatSessionChanges { changes { kind session { id } } } }", 302),
        ("{ nope { nor(limit: 5) { this } } }", 3),
        ("{ ...Nope }", 0),
    ],
)
def test_a_query_costs_a_point_per_value(query: str, cost: int) -> None:
    """A list counts with its known or an estimated length, an unknown field as one."""
    assert size_of(query).cost == cost


@pytest.mark.parametrize(
    "query",
    [
        "{ ...F } fragment F on Query { ...F }",
        "{ ...F } fragment F on Query { ...G __typename } fragment G on Query { ...F }",
        "{ chatSessions { ...F } } fragment F on ChatSession { contact { ...G } } "
        "fragment G on Contact { ...G }",
    ],
)
async def test_a_cycle_of_fragments_ends(query: str) -> None:
    """Validation reports the cycle."""
    (error,) = await errors_in(SCHEMA, query)

    assert error[0] == "GRAPHQL_VALIDATION_FAILED"
    assert "Cannot spread fragment" in error[1]


@pytest.mark.parametrize(
    "query",
    ["{ ...F }", "{ ... on Nope { a } }", "{ nope { a } }", "{ __typename } type A { a: Int }"],
)
async def test_unknown_names_are_refused_by_validation(query: str) -> None:
    """Unknown names cost nothing, and are still an error."""
    assert {code for code, _ in await errors_in(SCHEMA, query)} == {"GRAPHQL_VALIDATION_FAILED"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "specified_by_url": True,
            "directive_is_repeatable": True,
            "schema_description": True,
            "input_value_deprecation": True,
        },
    ],
)
async def test_the_introspection_query_is_within_the_limits(options: dict[str, Any]) -> None:
    """Every tool sends the introspection query."""
    assert await errors_in(SCHEMA, get_introspection_query(**options)) == []


async def test_the_query_for_everything_is_within_the_limits() -> None:
    """One query can select all fields of all linked records."""
    assert await errors_in(SCHEMA, EVERY_FIELD) == []


def attacks() -> Iterator[tuple[str, str]]:
    """Yield documents that take long to validate unless their size is limited."""
    doubled = " ".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }}" for i in range(99))
    chained = " ".join(f"fragment F{i} on Query {{ ...F{i + 1} }}" for i in range(240))
    numbered = " ".join(f"a{i}" for i in range(1_900))
    yield "fields at the root", "{" + "__typename " * 10_000 + "}"
    yield "fields below", "{ chatSessions {" + "id " * 1_900 + "} }"
    yield "fields with other names", "{ chatSessions {" + numbered + "} }"
    yield "aliases", "{" + " ".join(f"a{i}: __typename" for i in range(600)) + "}"
    yield "directives", "{ __typename " + "@a " * 900 + "}"
    yield "depth", "{ a " * 600 + "}" * 600
    yield "inline depth", "{ ... " * 600 + "{ a }" + "}" * 600
    yield "doubling", "{ ...F0 } fragment F99 on Query { a: __typename }" + doubled
    yield "a chain", "{ ...F0 } fragment F240 on Query { a: __typename }" + chained
    yield "spreads", "{" + "...F " * 450 + "} fragment F on Query {" + numbered[:4_000] + "}"
    yield "a long string", '{ node(id: "' + "x" * 200_000 + '") { id } }'
    yield "a long number", "{ chatSessions(limit: " + "9" * 50_000 + ") { id } }"
    yield "a long name", "{ " + "x" * 99_000 + " }"
    yield "unicode", "{ \u202e\u200b\U0001f4a9 }"
    yield "a list of lists", "{ nodes(ids: " + "[" * 900 + "]" * 900 + ") { id } }"


ATTACKS = dict(attacks())


@pytest.mark.parametrize("query", ATTACKS.values(), ids=ATTACKS)
async def test_an_attack_ends_in_an_error(query: str) -> None:
    """Each document is refused for its size, or is small enough to be validated quickly."""
    async with asyncio.timeout(30):  # without the limits some take for ever
        errors = await errors_in(SCHEMA, query)

    assert 0 < len(errors) <= 5
    assert {code for code, _ in errors} <= {
        "QUERY_TOO_COMPLEX",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
    }
    assert all(len(message) <= 501 for _, message in errors)


def test_spread_fragments_are_measured_once() -> None:
    """Doubling fragments is calculated, and not executed."""
    assert size_of(ATTACKS["doubling"]).aliases == 2**99


def test_only_the_first_exceeded_limit_is_reported() -> None:
    """One error is enough."""
    document = parse("{ a: __typename @skip(if: false) }")
    error = excess(SCHEMA._schema, document, Limits(aliases=0, directives=0, depth=0))

    assert error is not None
    assert error.message == "The query is 1 levels deep; at most 0 are allowed."


def fan(aliases: int, spreads: int, fields: int) -> str:
    """Make a short query that spreads nested fragments very often."""
    names = [*ascii_letters, *(a + b for a in ascii_letters for b in ascii_letters)]
    roots = " ".join(f"node(first:{n}){{...A}}" for n in range(1, aliases + 1))
    inline = "...{...B}" * spreads
    inner = " ".join(names[:fields])
    return f"{{{roots}}}fragment A on Q{{{inline}}}fragment B on Q{{{inner}}}"


@pytest.mark.parametrize("size", [(33, 70, 200), (60, 120, 500), (20, 10, 1000)])
def test_measuring_is_bounded(size: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring costs no more than the validation that it protects."""
    added: list[int] = []
    add = Size.add

    def counted(self: Size, other: Size, times: int = 1) -> None:
        added.append(1 + len(other.names))
        add(self, other, times)

    monkeypatch.setattr(Size, "add", counted)
    error = excess(SCHEMA._schema, parse(fan(*size)), Limits())

    assert error is not None
    assert sum(added) <= MOST_STEPS
