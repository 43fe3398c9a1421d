"""The executor against plain graphql-core: same data, same errors, same order."""

import json
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from graphql.execution.executor import Executor
from hypothesis import given, settings
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.errors import OperationResolutionError
from gateway.schema import engine
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.guard.limits import Limits
from tests.executor.operations import Operation, bodies, documents
from tests.schema.asking import Json, RestAnswered, decode, snapshot_of
from tests.schema.contract import CONTRACT, KEYS, field_name
from tests.schema.everything import QUERY, expected
from tests.schema.test_any_json import PLACES, SESSION

LIMITS = Limits(root_fields=99, aliases=999, directives=999, comparisons=10**9, cost=10**9)
OURS, PLAIN = (build_schema(SchemaOptions(limits=LIMITS)) for _ in range(2))
PLAIN.execution_context_class = StrawberryGraphQLCoreExecutionContext
PLAIN.prepared = lru_cache(lambda *_: None)


async def answered(schema: Any, operation: Operation, context: Any) -> str:
    """Answer an operation, as the text that a client gets: the order of keys counts."""
    executed = engine.Operation(
        OURS.documents.find(operation.document), operation.variables, operation.name
    )
    try:
        answer = await engine.Engine(schema).execute(executed, context)
    except (OperationResolutionError, InvalidOperationTypeError) as exc:
        return json.dumps(repr(exc))
    return orjson.dumps(answer.body, option=orjson.OPT_INDENT_2).decode()


in_order = partial(json.loads, object_pairs_hook=list)


def answered_with(sessions: list[Any]) -> Any:
    """Return a context for which REST has answered so."""
    body = json.dumps(sessions).encode()

    class Context(RestAnswered):
        kept = snapshot_of(decode(body))
        served = SimpleNamespace(snapshot=kept)
        is_watching = False

        async def snapshot(self) -> Any:
            return self.kept

    return Context(body)


@settings(max_examples=2 * settings().max_examples)
@given(operation=documents(), sessions=bodies())
async def test_both_give_the_same_answer(operation: Operation, sessions: list[Any]) -> None:
    """Whatever is asked and whatever REST sent: data, errors, paths and the order of keys."""
    context = answered_with(sessions)

    plain = await answered(PLAIN, operation, context)
    for _ in ("not seen before", "seen on this snapshot", "with cached rows"):
        assert in_order(await answered(OURS, operation, context)) == in_order(plain)


LINKS = {path[0]: kind for path, kind in PLACES.items() if len(path) == 1 and kind in KEYS}
SELECTIONS = {
    "with its key": "{{ __typename id {key} tableRight {{ mask }} }}",
    "without its key": "{{ fieldProperties {{ name fieldType }} tableRight {{ canRead }} }}",
    "a text of it": "{{ {text} }}",
}
ODD_KEYS: list[object] = [0, None, -1, 7, "7", 1.0, 2**40, {}]


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS.keys())
@pytest.mark.parametrize("link", LINKS)
async def test_a_linked_object_is_there_for_both_or_for_neither(link: Any, selection: str) -> None:
    """Whatever its key is, alone or with all that belongs to it, or as something else."""
    kind = LINKS[link]
    key, text = KEYS[kind], next(n for n, k in CONTRACT[kind].items() if k == "String")
    selection = selection.format(key=field_name(key), text=field_name(text))
    query = f"{{ chatSessions {{ {field_name(link)} {selection} }} }}"
    whole: Json = SESSION[link]
    linked: list[Any] = [{**whole, key: odd} for odd in ODD_KEYS] + [{key: odd} for odd in ODD_KEYS]
    linked += [None, {}, [], "x", {**whole, text: 5}, {key: 0, text: ""}, {key: 0, text: "x"}]
    context = answered_with([{link: value} for value in linked])
    operation = Operation(query, None, {})

    assert await answered(OURS, operation, context) == await answered(PLAIN, operation, context)


PAGE = "{ chatSessionConnection { totalCount edges { cursor node { status } } } }"


@pytest.mark.parametrize("query", [QUERY, PAGE], ids=["a list", "a page"])
async def test_the_whole_answer_takes_one_call_of_graphql_core(
    query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All fields of all sessions are made in one go: only the root field is executed."""
    executed = []
    execute_field = Executor.execute_field

    def counted(self: Any, parent: Any, *more: Any) -> Any:
        executed.append(parent.name)
        return execute_field(self, parent, *more)

    monkeypatch.setattr(Executor, "execute_field", counted)
    result = await OURS.execute(query, context_value=answered_with([SESSION] * 300))

    assert not result.errors
    # The lists of a long page are completed in turns, so its own fields are executed.
    assert set(executed) <= {"Query", "ChatSessionConnection"}
    assert executed.count("Query") == 1


@pytest.mark.parametrize("query", [QUERY, PAGE], ids=["a list", "a page"])
async def test_a_prepared_query_takes_none(query: str) -> None:
    """It calls the resolvers itself."""
    prepared = OURS.prepared(OURS.documents.find(query), None)
    assert prepared is not None

    data = await prepared.execute(answered_with([SESSION] * 3), None)
    assert data == (await OURS.execute(query, context_value=answered_with([SESSION] * 3))).data


async def test_everything_is_answered() -> None:
    """Every field of the contract, of 300 sessions."""
    result = await OURS.execute(QUERY, context_value=answered_with([SESSION] * 300))

    assert orjson.loads(orjson.dumps(result.data)) == expected([SESSION] * 300)


async def test_equal_rights_are_read_once_for_each_selection_of_them() -> None:
    """They are the same in most sessions; other places and other arguments have their own."""
    rights = {n: {"FieldRight": {"Mask": "Full"}, "FieldLength": 9} for n in ("Name", "City")}
    session = {"FieldProperties": rights, "Contact": {"ContactId": 7, "FieldProperties": rights}}
    context = answered_with([session, session, {**session, "FieldProperties": {}}])
    query = """{ chatSessions {
        all: fieldProperties { name fieldLength }
        city: fieldProperties(names: ["City"]) { name }
        contact { contactId fieldProperties { name fieldRight { mask } } }
    } }"""
    operation = Operation(query, None, {})

    assert await answered(OURS, operation, context) == await answered(PLAIN, operation, context)
    answer = await engine.Engine(OURS).execute(
        engine.Operation(OURS.documents.find(query)), context
    )
    first, second, third = answer.body["data"]["chatSessions"]  # type: ignore[index]
    assert first["all"] is second["all"]
    assert first["contact"]["fieldProperties"] is third["contact"]["fieldProperties"]
    assert third["all"] == []
