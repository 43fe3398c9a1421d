"""The executor compared with plain graphql-core: same data, errors and order."""

import json
from functools import lru_cache, partial
from itertools import product
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from graphql.execution.executor import Executor
from hypothesis import example, given, settings
from msgspec.structs import astuple
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.executor import projections
from gateway.executor.plan import Plan
from gateway.executor.project import Known, Project, projection
from gateway.schema import engine
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.guard.limits import Limits
from tests.executor.operations import ODD, Operation, cases
from tests.schema.asking import Json, RestAnswered, decode, execute, snapshot_of
from tests.schema.contract import CONTRACT, ENUMS, KEYS, field_name
from tests.schema.everything import QUERY, expected
from tests.schema.test_any_json import PLACES, SESSION

pytestmark = pytest.mark.slow

LIMITS = Limits(root_fields=99, aliases=999, directives=999, comparisons=10**9, cost=10**9)
OURS, PLAIN = (build_schema(SchemaOptions(limits=LIMITS)) for _ in range(2))
PLAIN.execution_context_class = StrawberryGraphQLCoreExecutionContext
PLAIN.prepared = lru_cache(lambda *_: None)


async def answer_text(schema: Any, operation: Operation, context: Any) -> str:
    """Execute an operation and return the answer as text, in which the order of keys counts."""
    executed = engine.Operation(
        OURS.documents.find(operation.document), operation.variables, operation.name
    )
    answer = await engine.Engine(schema).execute(executed, context)
    body = orjson.loads(orjson.dumps(answer.body))  # parts of it are JSON already
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()


in_order = partial(json.loads, object_pairs_hook=list)


def context_with(sessions: list[Any]) -> Any:
    """Return a context with these sessions as the answer of REST."""
    body = json.dumps(sessions).encode()

    class Context(RestAnswered):
        current = snapshot_of(decode(body))
        served = SimpleNamespace(snapshot=current)
        is_watching = False

        async def snapshot(self) -> Any:
            return self.current

    return Context(body)


NULL_IF = Operation(
    "query ($no: Boolean = false) { chatSessions { id user @skip(if: $no) { id } } }",
    None,
    {"no": None},
)


@settings(max_examples=2 * settings().max_examples)
@given(case=cases())
@example(case=(NULL_IF, [SESSION, SESSION]))
async def test_both_executors_give_the_same_answer(case: tuple[Operation, list[Any]]) -> None:
    """Data, errors, paths and the order of keys are equal for any operation and answer of REST."""
    operation, sessions = case
    context = context_with(sessions)

    plain = await answer_text(PLAIN, operation, context)
    for _ in ("a new query", "known on this snapshot", "with cached rows"):
        assert in_order(await answer_text(OURS, operation, context)) == in_order(plain)


LINKS = {path[0]: kind for path, kind in PLACES.items() if len(path) == 1 and kind in KEYS}
SELECTIONS = {
    "with its key": "{{ __typename id {key} tableRight {{ mask }} }}",
    "without its key": "{{ fieldProperties {{ name fieldType }} tableRight {{ canRead }} }}",
    "a text of it": "{{ {text} }}",
}
ODD_KEYS: list[object] = [0, None, -1, 7, "7", 1.0, 2**40, {}]


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS.keys())
@pytest.mark.parametrize("link", LINKS)
async def test_both_executors_agree_on_linked_objects(link: Any, selection: str) -> None:
    """Both executors return a linked object, or null, for any of its keys and contents."""
    kind = LINKS[link]
    key, text = KEYS[kind], next(n for n, k in CONTRACT[kind].items() if k == "String")
    selection = selection.format(key=field_name(key), text=field_name(text))
    query = f"{{ chatSessions {{ {field_name(link)} {selection} }} }}"
    whole: Json = SESSION[link]
    linked: list[Any] = [{**whole, key: odd} for odd in ODD_KEYS] + [{key: odd} for odd in ODD_KEYS]
    linked += [None, {}, [], "x", {**whole, text: 5}, {key: 0, text: ""}, {key: 0, text: "x"}]
    context = context_with([{link: value} for value in linked])
    operation = Operation(query, None, {})

    assert await answer_text(OURS, operation, context) == await answer_text(
        PLAIN, operation, context
    )


VALUES = {
    kind: path[0]
    for path, kind in PLACES.items()
    if len(path) == 1 and kind in {"Int", "Boolean", "String", "DateTime", *ENUMS}
}


@pytest.mark.parametrize("kind", VALUES)
async def test_both_executors_agree_on_values(kind: str) -> None:
    """Both executors return a property, or its error, for any value that SuperOffice sends."""
    name = str(VALUES[kind])
    field = field_name(name)

    for value, selected in product(ODD, [field, f"{field}Raw"] if kind in ENUMS else [field]):
        operation = Operation(f"{{ chatSessions {{ {selected} }} }}", None, {})
        context = context_with([{name: value}])
        assert await answer_text(OURS, operation, context) == await answer_text(
            PLAIN, operation, context
        )


PAGE = "{ chatSessionConnection { totalCount edges { cursor node { status idleSeconds } } } }"
UNLINKED: Json = {**SESSION, **{str(link): None for link in LINKS}}


async def test_a_linked_object_is_decoded_as_far_as_it_is_selected() -> None:
    """Most of SuperOffice's answer is linked objects, of which queries read little."""
    query = "{ chatSessions { user { fullName } } }"
    prepared = OURS.prepared(OURS.documents.find(query), None)
    assert prepared is not None
    user = {**SESSION["User"], "PersonId": "odd"}  # to decode that, too, is an error

    assert await prepared.execute(context_with([{"User": user}]), None)


@pytest.mark.parametrize("query", [QUERY, PAGE], ids=["a list", "a page"])
async def test_the_whole_answer_takes_one_call_of_graphql_core(
    query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All fields of all sessions are made at once: graphql-core executes the root field only."""
    executed = []
    execute_field = Executor.execute_field

    def record(self: Any, parent: Any, *more: Any) -> Any:
        executed.append(parent.name)
        return execute_field(self, parent, *more)

    monkeypatch.setattr(Executor, "execute_field", record)
    result = await execute(OURS, query, context=context_with([SESSION, UNLINKED] * 150))

    assert not result.errors
    # The lists of a long page are completed in several turns, so its own fields are executed.
    assert set(executed) <= {"Query", "ChatSessionConnection"}
    assert executed.count("Query") == 1


SUMMARY = "{ chatSessionSummary { byStatus { count } } }"
LIMITED = "query ($limit: Int = 1) { chatSessions(limit: $limit) { topicId } }"


@pytest.mark.parametrize(
    "query",
    [QUERY, PAGE, SUMMARY, LIMITED],
    ids=["a list", "a page", "a summary", "with a variable"],
)
async def test_a_prepared_query_needs_no_call_of_graphql_core(query: str) -> None:
    """A prepared query calls the resolvers itself."""
    prepared = OURS.prepared(OURS.documents.find(query), None)
    assert prepared is not None

    data = await prepared.execute(context_with([SESSION, UNLINKED, SESSION]), None)
    executed = await execute(OURS, query, context=context_with([SESSION, UNLINKED, SESSION]))
    assert orjson.loads(orjson.dumps(data)) == executed.data


async def test_a_prepared_query_is_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later requests find its projection."""
    planned = Mock(wraps=projection)
    monkeypatch.setattr(projections, "projection", planned)
    prepared = OURS.prepared(OURS.documents.find("{ chatSessions { planned: id } }"), None)
    assert prepared is not None

    for _ in range(3):
        assert await prepared.execute(context_with([SESSION]), None)

    assert planned.call_count == 1


async def test_every_field_is_answered() -> None:
    """Every field of the contract is answered, for 300 sessions."""
    result = await execute(OURS, QUERY, context=context_with([SESSION] * 300))

    assert orjson.loads(orjson.dumps(result.data)) == expected([SESSION] * 300)


async def test_equal_rights_are_read_once_for_each_selection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Equal rights of sessions are read once for each field and its arguments."""
    rows: list[Any] = []

    def recording(plan: Plan) -> Project:
        project = projection(plan)

        def record(o: object, known: Known) -> Any:
            rows.append(project(o, known))
            return rows[-1]

        return record

    monkeypatch.setattr(projections, "projection", recording)
    rights = {n: {"FieldRight": {"Mask": "Full"}, "FieldLength": 9} for n in ("Name", "City")}
    session = {"FieldProperties": rights, "Contact": {"ContactId": 7, "FieldProperties": rights}}
    context = context_with([session, session, {**session, "FieldProperties": {}}])
    query = """{ chatSessions {
        all: fieldProperties { name fieldLength }
        city: fieldProperties(names: ["City"]) { name }
        contact { contactId fieldProperties { name fieldRight { mask } } }
    } }"""
    operation = Operation(query, None, {})

    ours, plain = [await answer_text(schema, operation, context) for schema in (OURS, PLAIN)]
    assert in_order(ours) == in_order(plain)
    first, second, third = map(astuple, rows[:3])  # all, city, contact
    assert first[0] is second[0]
    assert astuple(first[2])[1] is astuple(third[2])[1]
    assert third[0] == []
