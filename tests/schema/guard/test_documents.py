"""Documents are parsed and validated once, and only what is allowed to."""

import asyncio
from functools import cached_property
from itertools import pairwise
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError

from gateway.executor.turns import accept, work_for
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.engine import Engine, Operation
from gateway.schema.guard.documents import Document, DocumentCache
from gateway.schema.guard.limits import Limits
from tests.schema.asking import RestAnswered
from tests.schema.guard.asking import errors_in
from tests.schema.selecting.desk import at_once

SUGGESTIVE = [
    (
        "{ chatSession_(chatSessionId: 1) { id } }",
        "Cannot query field 'chatSession_' on type 'Query'.",
    ),
    (
        "{ chatSessions(filtr: {}) { id } }",
        "Unknown argument 'filtr' on field 'Query.chatSessions'.",
    ),
    ("{ ... on Qery { id } }", "Unknown type 'Qery'."),
    ("{ __typename @skp(if: true) }", "Unknown directive '@skp'."),
    (
        "{ chatSessions(filter: { statuss: null }) { id } }",
        "Expected value of type 'ChatSessionFilter' not to include unknown field 'statuss'. "
        "Found: { statuss: null }.",
    ),
    (
        "{ chatSessions(filter: { status: { in: [IN_QUEU] } }) { id } }",
        "Value 'IN_QUEU' does not exist in 'ChatSessionStatus' enum.",
    ),
]


@pytest.mark.parametrize(("query", "message"), SUGGESTIVE)
async def test_suggestions_can_be_switched_off(query: str, message: str) -> None:
    """No name of the schema is told to who does not know it."""
    schema = build_schema(SchemaOptions(suggestions=False))

    assert await errors_in(schema, query) == [("GRAPHQL_VALIDATION_FAILED", message)]


async def test_suggestions_are_there_by_default() -> None:
    """They help whoever mistypes a name."""
    (error,) = await errors_in(build_schema(), "{ chatSessions { topicIdd } }")

    assert "Did you mean 'topicId'" in error[1]


async def test_a_variable_gives_no_suggestion_away_either() -> None:
    """A value is checked like a literal."""
    schema = build_schema(SchemaOptions(suggestions=False))
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"
    result = await schema.execute(query, variable_values={"f": {"topic": 1}})

    (error,) = result.errors or []
    assert "Did you mean" not in error.message
    assert error.message.endswith("unknown field 'topic'. Found: {'topic': 1}.")


@pytest.mark.parametrize(
    "query", ["{ __schema { queryType { kind } } }", '{ __type(name: "A") { name } }']
)
async def test_introspection_can_be_switched_off(query: str) -> None:
    """Both of its fields are refused."""
    errors = await errors_in(build_schema(SchemaOptions(introspection=False)), query)

    assert {code for code, _ in errors} == {"GRAPHQL_VALIDATION_FAILED"}
    assert "introspection has been disabled" in errors[0][1]


async def test_typename_is_no_introspection() -> None:
    """Clients need it for their caches."""
    schema = build_schema(SchemaOptions(introspection=False))

    assert await errors_in(schema, "{ __typename }") == []


async def test_only_trusted_documents_are_run() -> None:
    """Another text is not even parsed."""
    schema = build_schema(SchemaOptions(trusted=frozenset({"{ __typename }"})))

    assert await errors_in(schema, "{ __typename }") == []
    assert await errors_in(schema, "{{{") == [
        ("BAD_REQUEST", "Only trusted documents are run here, and this query is not among them.")
    ]


async def test_a_trusted_document_keeps_to_the_limits() -> None:
    """Trust is in its author, not in its size."""
    query = "{ a: __typename }"
    options = SchemaOptions(trusted=frozenset({query}), limits=Limits(aliases=0))

    assert await errors_in(build_schema(options), query) == [
        ("QUERY_TOO_COMPLEX", "The query has 1 aliases; at most 0 are allowed.")
    ]


def cached() -> DocumentCache:
    """Return the documents of a new schema."""
    return build_schema().documents


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the texts that have been validated, in order."""
    texts: list[str] = []
    validate = vars(Document)["errors"].func

    def counted(document: Document) -> Any:
        texts.append(document.text)
        return validate(document)

    errors = cached_property(counted)
    errors.__set_name__(Document, "errors")
    monkeypatch.setattr(Document, "errors", errors)
    return texts


def test_a_text_is_parsed_and_validated_once() -> None:
    """The next time, the same document and the same errors are there."""
    cache = cached()
    document = cache.find("{ nope }")

    assert cache.find("{ nope }") is document
    assert document.parsed is document.parsed
    assert document.errors is document.errors


def test_the_documents_that_are_kept_are_bounded() -> None:
    """The one that was used least recently goes first."""
    cache = cached()
    first = cache.find("{ a }")
    for number in range(128):
        cache.find(f"{{ a{number} }}")

    assert cache.find("{ a127 }") is cache.find("{ a127 }")
    assert cache.find("{ a }") is not first


async def test_texts_of_strangers_drive_out_none_of_a_known_caller(validated: list[str]) -> None:
    """Whoever sends many new ones has them parsed again, and nobody else's."""
    accept("kari")
    cache = cached()

    def validates(caller: str, query: str) -> int:
        work_for(caller)
        validated.clear()
        assert cache.find(query).errors
        return len(validated)

    first = validates("kari", "{ a }"), cache.find("{ a }").parsed
    assert sum(validates("a stranger", f"{{ a{number} }}") for number in range(200)) == 200
    assert validates("a stranger", "{ a0 }") == 1

    assert (first[0], validates("kari", "{ a }")) == (1, 0)
    assert cache.find("{ a }").parsed is first[1]
    assert validates("kari", "{ a199 }") == 0  # what is there is used


async def test_texts_that_arrive_at_once_have_turns_of_their_own(validated: list[str]) -> None:
    """Others run between any two, and between the parsing and the validating of each."""
    documents = [cached().find(f"{{ a{number} }}") for number in range(20)]
    done: list[int] = []
    preparing = asyncio.gather(*(document.prepare() for document in documents))
    while not preparing.done():
        await asyncio.sleep(0)
        done.append(sum("parsed" in vars(document) for document in documents) + len(validated))

    assert max(later - earlier for earlier, later in pairwise([0, *done])) == 1
    assert done[-1] == 40
    at_once(documents[0].prepare())  # a known text waits for nothing


async def test_a_document_that_is_trusted_no_more_is_not_run() -> None:
    """However often it was: `SIGHUP` brings another list."""

    class Context(RestAnswered):
        served, is_watching = None, False

    schema = build_schema()
    context: Any = Context(b"[]")

    async def body() -> Any:
        operation = Operation(schema.documents.find("{ chatSessions { id } }"))
        return (await Engine(schema).execute(operation, context)).body

    assert await body() == {"data": {"chatSessions": []}}
    schema.documents.trusted = frozenset()
    assert [error["extensions"]["code"] for error in (await body())["errors"]] == ["BAD_REQUEST"]


def test_a_syntax_error_is_found_once() -> None:
    """A client that repeats a text that is wrong costs no more than one that is right."""
    cache = cached()

    assert cache.find("{").parsed is cache.find("{").parsed
    assert isinstance(cache.find("{").parsed, GraphQLError)


async def test_an_error_comes_again_with_the_same_text() -> None:
    """A refusal that was kept is not used up by the first who gets it."""
    schema = build_schema()

    assert await errors_in(schema, "{ nope }") == await errors_in(schema, "{ nope }") != []
    assert await errors_in(schema, "{") == await errors_in(schema, "{") != []


def test_a_document_has_no_cycles_of_tokens() -> None:
    """It is freed as it is forgotten: a collection of many of them would hold the event loop."""
    document = cached().find("{ chatSessions { id status } }").parsed

    assert isinstance(document, DocumentNode)
    assert document.loc is not None
    assert (document.loc.start_token.next, document.loc.end_token.prev) == (None, None)
