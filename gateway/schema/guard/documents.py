"""From a query's text to a checked document, once per text.

Strawberry's own parser and validation caches do the same, but without limits; and over a WebSocket
a syntax error in the former ends the operation without an answer.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types.execution import ExecutionContext

from gateway.errors import BadRequestError, QueryTooComplexError
from gateway.schema.error_codes import MOST_REQUEST_ERRORS
from gateway.schema.guard.limits import Limits, excess

_MOST_DOCUMENTS = 128


class DocumentCache:
    """Parses, measures and validates; keeps the outcomes of the latest texts.

    `trusted`, where given, holds the only texts that are run.
    """

    def __init__(self, limits: Limits, trusted: Collection[str] | None = None) -> None:
        self.limits = limits
        self.trusted = trusted
        self.parse = lru_cache(_MOST_DOCUMENTS)(self._parse)
        self.errors = lru_cache(_MOST_DOCUMENTS)(self._errors)

    def _parse(self, query: str) -> DocumentNode:
        return parse(query, max_tokens=self.limits.tokens)

    def _errors(
        self, schema: GraphQLSchema, query: str, rules: tuple[type, ...]
    ) -> Sequence[GraphQLError]:
        document = self.parse(query)
        too_much = excess(schema, document, self.limits)
        if too_much:
            return [too_much]
        rules = (*rules, MaybeNullValidationRule, OneOfInputValidationRule)
        return validate(schema, document, rules, max_errors=MOST_REQUEST_ERRORS)

    def subscription(self, query: str, operation_name: str | None) -> str | None:
        """Return the field that a subscription is to; None for anything else."""
        if "subscription" not in query or self.refusal(query):
            return None
        try:
            document = self.parse(query)
        except GraphQLError:
            return None
        operation = get_operation_ast(document, operation_name)
        if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
            return None
        return _first_field(document, operation)

    def operation_name(self, query: str, chosen: str | None) -> str:
        """Return the name of the operation that a text is run for; "" where it has none."""
        if self.refusal(query) is None:
            with suppress(GraphQLError):
                operation = get_operation_ast(self.parse(query), chosen)
                if operation is not None and operation.name is not None:
                    return operation.name.value
        return ""

    def refusal(self, query: str) -> GraphQLError | None:
        """Say why a text is not even looked at; None when it is."""
        if self.trusted is not None and query not in self.trusted:
            return _error(BadRequestError("Only trusted documents are run here; this is none."))
        if len(query) > self.limits.characters:
            return _error(
                QueryTooComplexError(
                    f"The query has {len(query)} characters; at most {self.limits.characters} are "
                    "allowed."
                )
            )
        return None


class Documents(SchemaExtension):
    """Gives Strawberry the cached document and the cached errors of an operation."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache

    def on_parse(self) -> Iterator[None]:
        """Parse, unless the text is refused; what is wrong with it comes out of validation."""
        context: ExecutionContext = self.execution_context
        query = context.query or ""
        refusal = self._cache.refusal(query)
        if refusal:
            context.graphql_document = _NOTHING
            context.pre_execution_errors = [refusal]
        else:
            # On a syntax error Strawberry parses once more and answers with it.
            context.parse_options["max_tokens"] = self._cache.limits.tokens
            with suppress(GraphQLError):
                context.graphql_document = self._cache.parse(query)
        yield
        _check_operation(context)

    def on_validate(self) -> Iterator[None]:
        """Validate, unless there is an error already."""
        context: ExecutionContext = self.execution_context
        if context.pre_execution_errors is None:
            context.pre_execution_errors = list(
                self._cache.errors(
                    context.schema._schema,
                    context.query,  # the hash of a document takes all of its nodes
                    context.validation_rules,
                )
            )
        yield


_NOTHING = parse("{ __typename }")


def _first_field(document: DocumentNode, operation: OperationDefinitionNode) -> str:
    """Return the name of the first root field: the only one, in a subscription that is valid."""
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    selections = list(operation.selection_set.selections)
    while selections:
        node: Any = selections.pop(0)
        if isinstance(node, FieldNode):
            return node.name.value
        # Each fragment once, as there may be cycles: nothing has been validated yet.
        inner = (
            node if isinstance(node, InlineFragmentNode) else fragments.pop(node.name.value, None)
        )
        selections[:0] = inner.selection_set.selections if inner else ()
    return ""


def _check_operation(context: ExecutionContext) -> None:
    """Refuse to guess which of several operations is meant (GraphQL spec, section 6.1).

    Raises:
        CannotGetOperationTypeError: there are several and none is named.
    """
    document = context.graphql_document
    if document is None or context._provided_operation_name:
        return
    if sum(isinstance(d, OperationDefinitionNode) for d in document.definitions) > 1:
        raise CannotGetOperationTypeError(None)


def _error(cause: Exception) -> GraphQLError:
    return GraphQLError(str(cause), original_error=cause)
