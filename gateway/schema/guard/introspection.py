"""The cost of introspection, counted on the schema itself: the response depends on nothing else.

Lists in the response are as long as in the schema, and nested lists multiply. So counting takes a
step for each value, and stops at the limit.
"""

from collections.abc import Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

INTROSPECTION: Mapping[str, GraphQLField] = {
    "__schema": SchemaMetaFieldDef,
    "__type": TypeMetaFieldDef,
}

# High, because graphql-core is slower than our executor, and introspection needs no credentials.
_POINTS = 20


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


def introspection_cost(schema: GraphQLSchema, document: DocumentNode, most: int) -> int:
    """Return the cost of a document's introspection in points; counting stops past `most`."""
    counting = _Counting(schema, document, most // _POINTS)
    with suppress(_TooManyError):
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                counting.count(definition.selection_set, INTROSPECTION, None)
    return counting.values * _POINTS


class _TooManyError(Exception):
    """There are more values than allowed."""


class _Counting:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, most: int) -> None:
        self.values = 0
        self._most = most
        self._info: Any = SimpleNamespace(schema=schema)  # introspection reads only the schema
        self._fragments = fragments_of(document)
        self._within: list[str] = []
        """The fragments being counted: a cycle is skipped, as validation rejects it."""

    def count(
        self, selections: SelectionSetNode, fields: Mapping[str, GraphQLField], value: object
    ) -> None:
        """Count the selected values inside a value with these fields."""
        for node in selections.selections:
            self.values += 1
            if self.values > self._most:
                raise _TooManyError
            if isinstance(node, FieldNode):
                self._count_below(node, fields.get(node.name.value), value)
            elif isinstance(node, InlineFragmentNode):
                self.count(node.selection_set, fields, value)
            else:
                self._count_fragment(node.name.value, fields, value)  # type: ignore[attr-defined]

    def _count_fragment(self, name: str, fields: Mapping[str, GraphQLField], value: object) -> None:
        fragment = self._fragments.get(name)
        if fragment is not None and name not in self._within:
            self._within.append(name)
            self.count(fragment.selection_set, fields, value)
            self._within.pop()

    def _count_below(self, node: FieldNode, field: GraphQLField | None, value: object) -> None:
        if field is None or node.selection_set is None:
            return
        fields = getattr(get_named_type(field.type), "fields", {})
        for item in self._items(field, value):
            self.count(node.selection_set, fields, item)

    def _items(self, field: GraphQLField, value: object) -> Any:  # as resolvers return `Any`
        """Return the values of an introspection field, always as a collection."""
        if field is TypeMetaFieldDef:
            return self._info.schema.type_map.values()  # the name may be a variable: all types
        everything = dict.fromkeys(field.args, True)  # the only argument is includeDeprecated
        found = field.resolve(value, self._info, **everything) if field.resolve else None
        if found is None:
            return ()
        return found if is_list_type(get_nullable_type(field.type)) else (found,)
