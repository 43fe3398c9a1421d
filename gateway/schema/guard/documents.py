"""From a query's text to a validated document, cached by the text.

Strawberry's own parser and validation caches have no limits, and over a WebSocket, a syntax error
in the former ends the operation without a response.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    get_operation_ast,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.execution import ExecutionContext

from gateway.errors import BadRequestError
from gateway.executor.internals import RULES, graphql_schema
from gateway.executor.turns import is_known, next_turn
from gateway.schema.error_codes import MOST_REQUEST_ERRORS
from gateway.schema.guard.introspection import fragments_of
from gateway.schema.guard.limits import Limits, excess, too_complex

T = TypeVar("T")

_MOST_DOCUMENTS, _STRANGERS_DOCUMENTS = 128, 32
_COORDINATE = re.compile(r"[@\w.]+\(\w+:\)|\w+\.\w+")
"""Of a field, an argument, an input field or an enum value, in graphql-core's message."""


def _unchained(document: DocumentNode) -> DocumentNode:
    """Cut the links between tokens: without cycles, a document is freed as it is forgotten."""
    token = document.loc.start_token if document.loc else None
    while token is not None:
        token.prev, token.next, token = None, None, token.next
    return document


def shared_out(make: Callable[..., T]) -> Callable[..., T]:
    """Cache the latest results; those for strangers drive out none that a known caller needs."""
    strangers = lru_cache(_STRANGERS_DOCUMENTS)(make)
    known = lru_cache(_MOST_DOCUMENTS)(strangers)
    return lambda *key: (known if is_known() else strangers)(*key)


class DocumentCache:
    """Parses, measures and validates; caches the results of the latest texts.

    `trusted` holds the only texts that are executed; None allows any.
    """

    def __init__(self, limits: Limits, trusted: Collection[str] | None = None) -> None:
        self.limits = limits
        self.trusted = trusted
        self._texts: dict[bool, LRUCache[str, DocumentNode | GraphQLError]] = {
            True: LRUCache(_MOST_DOCUMENTS),
            False: LRUCache(_STRANGERS_DOCUMENTS),
        }
        self.errors = shared_out(self._errors)
        self._deprecated_in = shared_out(self._find_deprecated)

    @property
    def known(self) -> LRUCache[str, DocumentNode | GraphQLError]:
        """Return the documents of the latest texts, of strangers or of known callers."""
        return self._texts[is_known()]

    async def prepare(self, schema: GraphQLSchema, query: str) -> None:
        """Parse and validate a new text, each in a turn of its own.

        However many texts arrive at once, in a batch or over sockets, each waits for its turn.
        """
        if query not in self.known and not self.refusal(query):
            await next_turn()
            self.parsed(query)
            await next_turn()
            self.errors(schema, query, specified_rules)
            await next_turn()
            self.deprecated(schema, query)
            await next_turn()

    def parsed(self, query: str) -> DocumentNode | GraphQLError:
        """Parse; an error is cached like a document, as clients repeat it."""
        found = self.known.get(query)
        if found is None:
            found = self.known[query] = self._texts[False].get(query) or self._parsed(query)
        return found

    def _parsed(self, query: str) -> DocumentNode | GraphQLError:
        try:
            return _unchained(parse(query, max_tokens=self.limits.tokens))
        except GraphQLError as exc:
            return exc.with_traceback(None)

    def _document(self, query: str) -> DocumentNode | None:
        found = self.refusal(query) or self.parsed(query)
        return found if isinstance(found, DocumentNode) else None

    def _errors(
        self, schema: GraphQLSchema, query: str, rules: tuple[type, ...]
    ) -> Sequence[GraphQLError]:
        document = self.parsed(query)
        if isinstance(document, GraphQLError):
            return [document]
        too_much = excess(schema, document, self.limits)
        if too_much:
            return [too_much]
        return validate(schema, document, (*rules, *RULES), max_errors=MOST_REQUEST_ERRORS)

    def valid(self, schema: GraphQLSchema, query: str) -> DocumentNode | None:
        """Return a valid document; None where the text is refused or invalid."""
        document = self._document(query)
        is_valid = document is not None and not self.errors(schema, query, specified_rules)
        return document if is_valid else None

    def deprecated(self, schema: GraphQLSchema, query: str) -> tuple[str, ...]:
        """Return the coordinates of what a valid document uses that is deprecated."""
        return self._deprecated_in(schema, query) if self.valid(schema, query) else ()

    def _find_deprecated(self, schema: GraphQLSchema, query: str) -> tuple[str, ...]:
        document = self._document(query)
        errors = validate(schema, document, (NoDeprecatedCustomRule,)) if document else ()
        found = (_COORDINATE.search(error.message) for error in errors)
        return tuple(sorted({match[0] for match in found if match}))

    def subscription(
        self, schema: GraphQLSchema, query: str, operation_name: str | None
    ) -> str | None:
        """Return the root field of a valid subscription; None for anything else."""
        document = self.valid(schema, query) if "subscription" in query else None
        operation = get_operation_ast(document, operation_name) if document else None
        if not document or not operation or operation.operation is not OperationType.SUBSCRIPTION:
            return None
        return _root_field(document, operation)

    def operation_name(self, query: str, chosen: str | None) -> str:
        """Return the name of the operation that is executed; "" where it has none."""
        document = self._document(query)
        operation = get_operation_ast(document, chosen) if document else None
        return operation.name.value if operation and operation.name else ""

    def variables(self, query: str, operation_name: str | None) -> Collection[str]:
        """Return the names of the variables that an operation declares."""
        document = self._document(query)
        operation = get_operation_ast(document, operation_name) if document else None
        declared = operation.variable_definitions if operation else None
        return {definition.variable.name.value for definition in declared or ()}

    def refusal(self, query: str) -> GraphQLError | None:
        """Return why a text is rejected unparsed; None where it is not."""
        if self.trusted is not None and query not in self.trusted:
            refusal = BadRequestError(
                "Only trusted documents are run here, and this query is not among them."
            )
            return GraphQLError(str(refusal), original_error=refusal)
        if len(query) > self.limits.characters:
            return too_complex(
                f"The query has {len(query)} characters; at most {self.limits.characters} are "
                "allowed."
            )
        return None


class Documents(SchemaExtension):
    """Provides Strawberry with the cached document and the cached errors of an operation."""

    def __init__(self, cache: DocumentCache) -> None:
        self._cache = cache

    def on_parse(self) -> Iterator[None]:
        """Parse, unless the text is rejected; validation then returns the error.

        Raises:
            CannotGetOperationTypeError: there are several operations and none is named (GraphQL
                spec, section 6.1).
        """
        context: ExecutionContext = self.execution_context
        chosen = context.operation_name  # without a document yet: the client's own, or None
        query = context.query or ""
        found = self._cache.refusal(query) or self._cache.parsed(query)
        if isinstance(found, GraphQLError):
            context.graphql_document = _NOTHING
            context.pre_execution_errors = [found]
        else:
            context.graphql_document = found
        yield
        document = context.graphql_document
        operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
        if len(operations) > 1 and not chosen:
            raise CannotGetOperationTypeError(None)

    def on_validate(self) -> Iterator[None]:
        """Validate, unless there is an error already."""
        context: ExecutionContext = self.execution_context
        if context.pre_execution_errors is None:
            context.pre_execution_errors = list(
                self._cache.errors(
                    graphql_schema(context.schema),
                    context.query,  # not the document: hashing it visits all nodes
                    context.validation_rules,
                )
            )
        yield


_NOTHING = parse("{ __typename }")


def _root_field(document: DocumentNode, operation: OperationDefinitionNode) -> str:
    """Return the name of a valid subscription's only root field."""
    fragments = fragments_of(document)
    node: SelectionNode | FragmentDefinitionNode = operation.selection_set.selections[0]
    while not isinstance(node, FieldNode):
        inner = fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
        assert isinstance(inner, InlineFragmentNode | FragmentDefinitionNode)  # noqa: S101  for mypy
        node = inner.selection_set.selections[0]
    return node.name.value
