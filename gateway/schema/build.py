"""The executable schema: all types, without the hidden fields, with our limits and errors."""

import copy
import difflib
import hmac
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import graphql
import strawberry
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from strawberry.schema.config import StrawberryConfig
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from gateway.errors import SettingsError
from gateway.executor.internals import DEFINITION, graphql_schema
from gateway.executor.prepared import NotPreparedError, Prepared
from gateway.executor.projections import Projections
from gateway.executor.run import executor_over
from gateway.records.record import Property, read
from gateway.schema.declare import semantic_non_null
from gateway.schema.declare.entity import record_of
from gateway.schema.declare.nodes import LINKS
from gateway.schema.declare.scalars import SCALARS
from gateway.schema.entities.chat import ChatSession
from gateway.schema.guard.documents import Document, DocumentCache, protected_cache
from gateway.schema.guard.limits import Limits
from gateway.schema.roots import Query
from gateway.schema.selecting.matching import SEARCHED
from gateway.schema.subscriptions import Subscription

DESCRIPTION = Path(__file__).with_name("description.md").read_text("utf-8").strip()
"""The description of the whole schema: tools show it first."""

_INPUTS_OVER_SESSIONS = {"ChatSessionFilter", "ChatSessionOrder"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOptions:
    """The settings of a schema."""

    hidden: frozenset[str] = frozenset()
    """Fields to remove, such as `ChatSession.sessionKey`."""

    introspection: bool = True
    suggestions: bool = True
    """Whether errors suggest the names of fields."""

    limits: Limits = field(default_factory=Limits)
    secret: bytes = field(default=b"", repr=False)
    """Encrypts customers' names in cursors."""

    trusted: frozenset[str] | None = None
    """The only queries that are executed; None allows any."""


class Schema(strawberry.Schema):
    """Strawberry's schema with our error codes and limits, without the hidden fields."""

    def __init__(self, options: SchemaOptions) -> None:
        self.options = options
        self.prepared = protected_cache(self._prepare)
        self._projections = Projections()
        super().__init__(
            query=Query,
            subscription=Subscription,
            config=StrawberryConfig(default_resolver=read, scalar_map=SCALARS),
            execution_context_class=executor_over(self._projections),
        )
        core = graphql_schema(self)
        introspection: Any = core.type_map["__Type"]
        introspection.fields["isOneOf"].resolve = _is_one_of
        rules = () if options.introspection else (graphql.NoSchemaIntrospectionCustomRule,)
        self.documents = DocumentCache(
            core, options.limits, options.trusted, rules, suggestions=options.suggestions
        )
        core.description = DESCRIPTION
        # Ours replaces Strawberry's of the same name, which has no argument.
        directives = {one.name: one for one in (*core.directives, semantic_non_null.DEFINITION)}
        core.directives = tuple(directives.values())
        key = hmac.digest(options.secret, b"cursors", "sha512")
        self.cursor_cipher = AESSIV(key)  # equal texts have equal ciphertexts, as ETags need

    def _prepare(self, document: Document, operation_name: str | None) -> Prepared | None:
        """Return the prepared query; None if graphql-core has to execute the operation."""
        with suppress(NotPreparedError):
            return Prepared(self, self._projections, document.parsed, operation_name)
        return None

    @cached_property
    def searched(self) -> tuple[str, ...]:
        """Return the fields of a session that `filter.search` may read."""
        return tuple(name for name in SEARCHED if not self._hides("ChatSession", name))

    @property
    def watched(self) -> list[Property]:
        """Return the properties of a session whose changes are sent to subscribers."""
        properties = record_of(ChatSession).properties
        return [p for p in properties if not self._hides("ChatSession", p.slot.removeprefix("_"))]

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Return the fields of a session whose records `node` may find."""
        return tuple(name for name in LINKS if not self._hides("ChatSession", name))

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """Return the fields of a type that are not hidden: Strawberry builds the type from these.

        Hiding a field of a session also hides its filters and orders.
        """
        name = self.config.name_converter.from_type(type_definition)  # generics have no other name
        if name in _INPUTS_OVER_SESSIONS:
            return [f for f in type_definition.fields if not self._reads_hidden(f)]
        return [f for f in type_definition.fields if not self._hides(name, f.python_name)]

    def _reads_hidden(self, part: StrawberryField) -> bool:
        reads = part.metadata.get("reads", (part.python_name,))
        return any(self._hides("ChatSession", name) for name in reads)

    def _hides(self, type_name: str, python_name: str) -> bool:
        name = f"{type_name}.{to_camel_case(python_name)}"
        return not self.options.hidden.isdisjoint({name, name.removesuffix("Raw")})


def _is_one_of(kind: object, info: object) -> bool | None:
    """Resolve `__Type.isOneOf`: null for other types than inputs, where Strawberry's fails."""
    if not isinstance(kind, graphql.GraphQLInputObjectType):
        return None
    is_one_of: bool = kind.extensions[DEFINITION].is_one_of
    return is_one_of


def build_schema(options: SchemaOptions | None = None) -> Schema:
    """Build the GraphQL schema.

    Raises:
        SettingsError: a field to hide does not exist, or is the last of its type.
    """
    options = options or SchemaOptions()
    if options.hidden:
        _check_hidden(options.hidden)
    try:
        return Schema(options)
    except ValueError as exc:
        raise SettingsError(
            f"GATEWAY_HIDDEN_FIELDS={','.join(sorted(options.hidden))}: a type would have no "
            "fields left; hide the field that leads to it instead"
        ) from exc


@lru_cache(1)  # printing takes about 20 ms
def sdl(schema: Schema | None = None) -> str:
    """Print a schema, or the default one, as text in the schema definition language.

    The text is sorted, so that it does not depend on the order of declarations.
    """
    # A copy, because sorting removes the Python values of enums, which execution needs.
    printed = copy.copy(schema or build_schema())
    printed._schema = graphql.lexicographic_sort_schema(graphql_schema(printed))
    roots = "schema {\n  query: Query\n  subscription: Subscription\n}"  # Strawberry omits it
    return f'"""\n{DESCRIPTION}\n"""\n{roots}\n\n{printed.as_str()}\n'


def _check_hidden(hidden: Iterable[str]) -> None:
    types = graphql_schema(Schema(SchemaOptions())).type_map
    known = [
        f"{name}.{field}"
        for name, kind in types.items()
        if isinstance(kind, graphql.GraphQLObjectType) and not name.startswith("__")
        for field in kind.fields
        if field not in {i for interface in kind.interfaces for i in interface.fields}
    ]
    for name in sorted(set(hidden) - set(known)):
        # Compared without the name of the type, which makes all of its fields similar.
        prefix = f"{name.partition('.')[0]}."
        start = len(prefix) if prefix[:-1] in types else 0
        texts = [one[start:] for one in known if one.startswith(name[:start])]
        hint = "a name is written like ChatSession.sessionKey"
        if near := difflib.get_close_matches(name[start:], texts, n=1):
            hint = f"did you mean {name[:start]}{near[0]}?"
        raise SettingsError(
            f"GATEWAY_HIDDEN_FIELDS={name}: there is no such field, or it cannot be hidden; {hint}"
        )
