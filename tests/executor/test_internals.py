"""The private parts of Strawberry and graphql-core that are used, on the installed versions."""

import gc
import weakref
from typing import Any

import pytest
from graphql import parse, specified_rules
from graphql.execution.executor import Executor
from strawberry.schema import schema as strawberry_schema

from gateway.executor import internals
from tests.schema.asking import SCHEMA, RestAnswered, ask


def test_validation_uses_all_rules_of_strawberry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that Strawberry adds must be added to ours."""
    used: list[Any] = []
    monkeypatch.setattr(
        strawberry_schema, "validate", lambda _schema, _document, rules: used.extend(rules)
    )

    strawberry_schema.validate_document(
        internals.graphql_schema(SCHEMA), parse("{ __typename }"), tuple(specified_rules)
    )

    assert used == [*specified_rules, *internals.RULES]


def test_a_missing_private_part_is_an_import_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing private part fails at import, not in a request."""
    monkeypatch.delattr(Executor, "complete_object_value")

    with pytest.raises(ImportError, match="complete_object_value"):
        internals._check()


async def test_a_request_is_freed_without_the_garbage_collector() -> None:
    """No reference cycle keeps the snapshot of a finished request in memory."""
    context = RestAnswered(b"[{}]")
    freed = weakref.ref(context)
    gc.disable()
    try:
        await ask("{ chatSessions { id user { name } } }", context=context)
        del context

        assert freed() is None
    finally:
        gc.enable()
