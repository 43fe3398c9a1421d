"""The private parts of Strawberry and graphql-core that this gateway relies on, each with a reason.

They are checked at import, so that an upgrade that moves one of them fails at once and by name.
"""

import graphql
import strawberry
from graphql.execution.executor import Executor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, validate_document
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF
"""The key of Strawberry's own definition among the extensions of a graphql-core type or field."""

RULES = (MaybeNullValidationRule, OneOfInputValidationRule)
"""The rules that Strawberry's `validate_document` adds; it has no limit for errors itself."""

_OVERRIDDEN = ("build_response", "complete_object_value", "complete_list_value")
_CALLED = ("complete_list_item_value",)


def graphql_schema(schema: object) -> graphql.GraphQLSchema:
    """Return the graphql-core schema inside Strawberry's: validating and sorting need it."""
    found = schema._schema  # type: ignore[attr-defined]
    assert isinstance(found, graphql.GraphQLSchema)  # noqa: S101  checked for mypy
    return found


def release(executor: StrawberryGraphQLCoreExecutionContext) -> None:
    """Break the reference cycle of an executor and its helpers, which no field needs any more.

    Otherwise the snapshot in the context stays in memory until the garbage collector runs.
    """
    executor.async_helpers = None  # type: ignore[assignment]


def _check() -> None:
    missing = [
        *(name for name in (*_OVERRIDDEN, *_CALLED) if not hasattr(Executor, name)),
        *({"_schema"} - {*strawberry.Schema.__init__.__code__.co_names}),
        *({"async_helpers"} - {*Executor.__init__.__code__.co_names}),
        *(
            {rule.__name__ for rule in RULES}
            ^ {*validate_document.__code__.co_names} - {"validate"}
        ),
    ]
    if missing:
        raise ImportError(f"Strawberry or graphql-core has changed: {', '.join(missing)}")


_check()
