"""The executor against plain graphql-core: same data, same errors, same order."""

import json
from typing import Any

import orjson
import pytest
from graphql.execution.executor import Executor
from hypothesis import given, settings
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

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


async def answered(schema: Any, operation: Operation, context: object) -> str:
    """Answer an operation, as the text that a client gets: the order of keys counts."""
    try:
        result = await schema.execute(
            operation.document,
            variable_values=operation.variables,
            operation_name=operation.name,
            context_value=context,
        )
    except (CannotGetOperationTypeError, InvalidOperationTypeError) as exc:
        return repr(exc)
    errors = [error.formatted for error in result.errors or ()]
    return json.dumps({"data": result.data, "errors": errors}, indent=1)


def answered_with(sessions: list[Any]) -> Any:
    """Return a context for which REST has answered so."""
    body = json.dumps(sessions).encode()

    class Context(RestAnswered):
        kept = snapshot_of(decode(body))

        async def snapshot(self) -> Any:
            return self.kept

    return Context(body)


@settings(max_examples=2 * settings().max_examples)
@given(operation=documents(), sessions=bodies())
async def test_both_give_the_same_answer(operation: Operation, sessions: list[Any]) -> None:
    """Whatever is asked and whatever REST sent: data, errors, paths and the order of keys."""
    context = answered_with(sessions)

    plain = await answered(PLAIN, operation, context)
    assert await answered(OURS, operation, context) == plain
    assert await answered(OURS, operation, context) == plain


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


async def test_the_whole_answer_takes_one_call_of_graphql_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All fields of all sessions are made in one go: only the root field is executed."""
    executed = []
    execute_field = Executor.execute_field

    def counted(self: Any, parent: Any, *more: Any) -> Any:
        executed.append(parent.name)
        return execute_field(self, parent, *more)

    monkeypatch.setattr(Executor, "execute_field", counted)
    result = await OURS.execute(QUERY, context_value=answered_with([SESSION] * 300))

    assert orjson.loads(orjson.dumps(result.data)) == expected([SESSION] * 300)
    assert executed == ["Query"]
