"""Documents are parsed and validated once, and only allowed documents are run."""

import asyncio
from functools import cached_property
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import graphql
import pytest
from graphql import DocumentNode, GraphQLError, parse

from gateway.errors import UpstreamUnavailableError
from gateway.executor.turns import accept, work_for
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.engine import Engine, Operation
from gateway.schema.guard.documents import Document, DocumentCache
from gateway.schema.guard.limits import Limits
from tests.schema.asking import RestAnswered, execute
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
        "Expected value of type 'ChatSessionFilter' not to include unknown field 'statuss', "
        "found: { statuss: null }.",
    ),
    (
        "{ chatSessions(filter: { status: { in: [IN_QUEU] } }) { id } }",
        "Value 'IN_QUEU' does not exist in 'ChatSessionStatus' enum.",
    ),
]


@pytest.mark.parametrize(("query", "message"), SUGGESTIVE)
async def test_suggestions_can_be_switched_off(query: str, message: str) -> None:
    """Messages reveal no names of the schema."""
    schema = build_schema(SchemaOptions(suggestions=False))

    assert await errors_in(schema, query) == [("GRAPHQL_VALIDATION_FAILED", message)]


async def test_suggestions_are_on_by_default() -> None:
    """Suggestions help developers who mistype a name."""
    (error,) = await errors_in(build_schema(), "{ chatSessions { topicIdd } }")

    assert "Did you mean 'topicId'" in error[1]


async def test_a_variables_error_has_no_suggestions_either() -> None:
    """The value of a variable is checked like a literal."""
    schema = build_schema(SchemaOptions(suggestions=False))
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"
    result = await execute(schema, query, {"f": {"topic": 1}})

    (error,) = result.errors or []
    assert "Did you mean" not in error.message
    assert error.message.endswith("unknown field 'topic', found: {'topic': 1}.")


@pytest.mark.parametrize(
    "query", ["{ __schema { queryType { kind } } }", '{ __type(name: "A") { name } }']
)
async def test_introspection_can_be_switched_off(query: str) -> None:
    """Both fields of introspection are refused."""
    errors = await errors_in(build_schema(SchemaOptions(introspection=False)), query)

    assert {code for code, _ in errors} == {"GRAPHQL_VALIDATION_FAILED"}
    assert "introspection has been disabled" in errors[0][1]


async def test_typename_is_no_introspection() -> None:
    """Clients need `__typename` for their caches."""
    schema = build_schema(SchemaOptions(introspection=False))

    assert await errors_in(schema, "{ __typename }") == []


async def test_only_trusted_documents_are_run() -> None:
    """Other texts are not even parsed."""
    schema = build_schema(SchemaOptions(trusted=frozenset({"{ __typename }"})))

    assert await errors_in(schema, "{ __typename }") == []
    assert await errors_in(schema, "{{{") == [
        ("BAD_REQUEST", "Only trusted documents are run here, and this query is not among them.")
    ]


async def test_the_limits_apply_to_trusted_documents() -> None:
    """A trusted author can still write a document that is too large."""
    query = "{ a: __typename }"
    options = SchemaOptions(trusted=frozenset({query}), limits=Limits(aliases=0))

    assert await errors_in(build_schema(options), query) == [
        ("QUERY_TOO_COMPLEX", "The query has 1 aliases; at most 0 are allowed.")
    ]


def new_document_cache() -> DocumentCache:
    """Return the document cache of a new schema."""
    return build_schema().documents


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that collects the validated texts, in order."""
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
    """The second time, the same document and the same errors are returned."""
    cache = new_document_cache()
    document = cache.find("{ nope }")

    assert cache.find("{ nope }") is document
    assert document.parsed is document.parsed
    assert document.errors is document.errors


def test_the_document_cache_is_bounded() -> None:
    """The least recently used document is evicted first."""
    cache = new_document_cache()
    first = cache.find("{ a }")
    for number in range(128):
        cache.find(f"{{ a{number} }}")

    assert cache.find("{ a127 }") is cache.find("{ a127 }")
    assert cache.find("{ a }") is not first


async def test_an_unauthenticated_client_does_not_evict_documents_of_a_known_caller(
    validated: list[str],
) -> None:
    """A client with many new texts makes only its own texts be parsed again."""
    accept("kari")
    cache = new_document_cache()

    def validates(caller: str, query: str) -> int:
        work_for(caller)
        validated.clear()
        assert cache.find(query).errors
        return len(validated)

    first = validates("kari", "{ a }"), cache.find("{ a }").parsed
    assert sum(validates("unauthenticated", f"{{ a{number} }}") for number in range(200)) == 200
    assert validates("unauthenticated", "{ a0 }") == 1
    assert validates("unauthenticated", "{ a }") == 0  # a new caller's first request

    assert (first[0], validates("kari", "{ a }")) == (1, 0)
    assert cache.find("{ a }").parsed is first[1]
    assert validates("kari", "{ a199 }") == 0  # cached documents are used


async def test_a_known_caller_with_many_texts_evicts_its_own() -> None:
    """An app that writes arguments into its queries has a new text for each request."""
    cache = new_document_cache()
    documents: dict[str, Document] = {}
    for caller in ("ada", "bo"):
        accept(caller)
        work_for(caller)
        documents[caller] = cache.find(f"{{ {caller} }}")
    for number in range(1_000):
        documents[f"{number}"] = cache.find(f"{{ bo{number} }}")

    assert cache.find("{ ada }") is documents["ada"]
    assert cache.find("{ bo999 }") is documents["999"]
    assert cache.find("{ bo }") is not documents["bo"]


async def test_documents_of_callers_that_are_gone_are_evicted() -> None:
    """A caller with many of its own has room for them, however many others have had one."""
    cache = new_document_cache()
    for number in range(200):
        accept(f"{number}")
        work_for(f"{number}")
        cache.find(f"{{ a{number} }}")
    documents = [cache.find(f"{{ b{number} }}") for number in range(31)]
    work_for("unauthenticated")
    for number in range(32):
        cache.find(f"{{ c{number} }}")

    assert [cache.find(document.text) for document in documents] == documents


async def test_the_document_that_was_used_last_is_evicted_last() -> None:
    """Those of a caller are evicted in the order of their use, by any caller."""
    accept("ada")
    work_for("ada")
    cache = new_document_cache()
    first, second = cache.find("{ a0 }"), cache.find("{ a1 }")
    for number in range(2, 129):
        cache.find(f"{{ a{number} }}")
        assert cache.find("{ a0 }") is first

    assert cache.find("{ a1 }") is not second


async def test_validating_many_texts_yields_to_other_requests(validated: list[str]) -> None:
    """Other tasks run between any two texts, and between parsing and validation of each."""
    documents = [new_document_cache().find(f"{{ a{number} }}") for number in range(20)]
    done: list[int] = []
    validating = asyncio.gather(*(document.validate() for document in documents))
    while not validating.done():
        await asyncio.sleep(0)
        done.append(sum("parsed" in vars(document) for document in documents) + len(validated))

    assert max(later - earlier for earlier, later in pairwise([0, *done])) == 1
    assert done[-1] == 40
    at_once(documents[0].validate())  # a known text does not yield


async def test_strangers_texts_wait_for_their_syntax_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree takes hundreds of times the memory of its text; a new caller waits for two of them."""
    cache, at_work = new_document_cache(), set[Document]()
    most, done = 0, list[str]()
    parse, validate = vars(Document)["parsed"].func, Document.validate

    def parsed(document: Document) -> Any:
        nonlocal most
        at_work.add(document)
        most = max(most, len(at_work))
        return parse(document)

    async def validated(document: Document) -> None:
        await validate(document)
        at_work.remove(document)
        done.append(document.text)

    async def validated_for(owner: str, text: str) -> Document:
        work_for(owner)
        return await cache.validated(text)

    counted = cached_property(parsed)
    counted.__set_name__(Document, "parsed")
    monkeypatch.setattr(Document, "parsed", counted)
    monkeypatch.setattr(Document, "validate", validated)
    texts = [f"{{ a{number} }}" for number in range(310)]
    calls = [*(validated_for("", text) for text in texts), validated_for("new", texts[200])]
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert most == 2
    assert done[:4] == [texts[0], texts[1], texts[200], texts[2]]
    refused = [one for one in answers if isinstance(one, UpstreamUnavailableError)]
    assert len(refused) == 9


async def test_texts_of_known_callers_do_not_wait_for_those_of_strangers() -> None:
    """A known caller's text is validated at once, however many others are in the queue."""
    cache = new_document_cache()
    accept("ada")
    work_for("ada")

    async with cache._gate.slot("a stranger"), cache._gate.slot("another one"):
        document = await asyncio.wait_for(cache.validated("{ a }"), 10)

    assert document.is_validated


async def test_equal_texts_of_strangers_are_validated_once(validated: list[str]) -> None:
    """After a restart all callers are strangers, and they send the same few texts."""
    cache = new_document_cache()

    documents = await asyncio.gather(*(cache.validated("{ a }") for _ in range(500)))

    assert len(set(documents)) == len(validated) == 1


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\r", "\r\r\n", ""])
@pytest.mark.parametrize("text", ["{{ø{0}", "{0}{0}{{ø", "{{a{0}b{0}ø}}", "{0}ø{0}"])
def test_an_error_has_the_place_that_graphql_core_finds(text: str, end: str) -> None:
    """Lines and columns are those of graphql-core, for every kind of line end."""
    query = text.format(end)
    (error,) = build_schema().documents.find(query).errors
    with pytest.raises(GraphQLError) as expected:
        parse(query)

    assert error.formatted["locations"] == expected.value.formatted["locations"]


def served_context() -> Any:
    """Return the context of an operation."""

    class Context(RestAnswered):
        served, is_watching = None, False

    return Context(b"[]")


async def test_a_document_that_the_cache_has_lost_is_run_as_it_is(validated: list[str]) -> None:
    """While an operation waits for its turn, other texts may evict its document."""
    schema, context = build_schema(), served_context()
    operation = Operation(schema.documents.find("{ __typename }"))
    assert not operation.document.errors
    for number in range(200):
        schema.documents.find(f"{{ a{number} }}")

    answer = await Engine(schema).execute(operation, context)

    assert answer.body == {"data": {"__typename": "Query"}}
    assert len(validated) == 1


async def test_a_fault_outside_of_fields_is_the_answer_to_its_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other operations of a batch have their own answers."""
    monkeypatch.setattr(graphql, "execute", Mock(side_effect=RuntimeError("a secret")))
    schema = build_schema()
    operation = Operation(schema.documents.find("{ __typename }"))

    answer = await Engine(schema).execute(operation, served_context())

    errors: Any = answer.body["errors"]
    assert [error["extensions"]["code"] for error in errors] == ["INTERNAL_SERVER_ERROR"]
    assert "secret" not in errors[0]["message"]


async def test_a_document_that_is_no_longer_trusted_is_not_run() -> None:
    """`SIGHUP` loads another list, which applies to cached documents too."""
    schema, context = build_schema(), served_context()

    async def body() -> Any:
        operation = Operation(schema.documents.find("{ chatSessions { id } }"))
        return (await Engine(schema).execute(operation, context)).body

    assert list(await body()) == ["data"]
    schema.documents.trusted = frozenset()
    assert [error["extensions"]["code"] for error in (await body())["errors"]] == ["BAD_REQUEST"]


def test_a_syntax_error_is_found_once() -> None:
    """A repeated invalid text costs no more than a valid one."""
    cache = new_document_cache()

    assert cache.find("{").parsed is cache.find("{").parsed
    assert cache.find("{").failure is cache.find("{").failure is not None


async def test_a_cached_document_repeats_its_error() -> None:
    """A cached refusal is the same for each request."""
    schema = build_schema()

    assert await errors_in(schema, "{ nope }") == await errors_in(schema, "{ nope }") != []
    assert await errors_in(schema, "{") == await errors_in(schema, "{") != []


def test_a_document_has_no_cycles_of_tokens() -> None:
    """Evicted documents are freed at once: collecting many would block the event loop."""
    document = new_document_cache().find("{ chatSessions { id status } }").parsed

    assert isinstance(document, DocumentNode)
    assert document.loc is not None
    assert (document.loc.start_token.next, document.loc.end_token.prev) == (None, None)
