"""The size of a document, measured before it is validated or executed.

A fragment counts as often as it is spread. Each is measured once, so measuring takes time linear
in the length of the text. Validation reports errors, such as fragment cycles and unknown fields.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import graphql

from gateway.executor.projections import fragments_of, nodes_in

_Parent = graphql.GraphQLNamedType | None
_ASSUMED_SESSIONS = 100
_ASSUMED_ENTRIES = 10
_ASSUMED = {
    "ChatSession": _ASSUMED_SESSIONS,
    "ChatSessionChange": _ASSUMED_SESSIONS,
}
_INTROSPECTION = {"__schema": graphql.SchemaMetaFieldDef, "__type": graphql.TypeMetaFieldDef}
_POINTS_OF_INTROSPECTION = 9
"""Points per value: lists are longer than the ten entries assumed, and graphql-core is slow.

Validation limits the nesting of lists, so that they never have many times the values assumed.
"""

MOST_STEPS = 10_000
"""Fields visited or copied while a document is measured; clients' documents take a fifth of it."""

_COMPARISONS_OF_OBJECTS = 10
_COMPARISONS_OF_ARGUMENT = 10
_CHARACTERS_PER_COMPARISON = 10
"""Characters of an argument's text: validation prints it for each pair of fields."""

_ROOT_OF_SPREAD = _COMPARISONS_OF_OBJECTS**0.5
_LARGEST_ROOT = 1e9


@dataclass(slots=True)
class Size:
    """The size of a part of a document, spread fragments included."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    cost: int = 0
    default_values: int = 0
    """The values in defaults of variables, counted at each of their places in lists and objects."""

    root_fields: int = 0
    """The number of fields at its own level."""

    names: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """For each name at its own level, the square root of `comparisons` there."""

    @property
    def comparisons(self) -> int:
        """The most comparisons that validation makes between fields of one name in the response.

        They are compared in pairs, and so are the fields selected below them.
        """
        return round(sum(min(root, _LARGEST_ROOT) ** 2 for root in self.names.values()))

    def add(self, other: "Size", times: int = 1) -> None:
        """Add another part of the same level that occurs `times` times."""
        self.depth = max(self.depth, other.depth)
        self.aliases += times * other.aliases
        self.directives += times * other.directives
        self.cost += times * other.cost
        self.root_fields += times * other.root_fields
        for name, root in other.names.items():
            self.names[name] += times * root


def measure(schema: graphql.GraphQLSchema, document: graphql.DocumentNode) -> Iterator[Size]:
    """Measure each operation of a document, and each fragment by itself.

    An unused fragment is an error, but validation compares all its fields with each other first. A
    fragment by itself has no root fields.
    """
    measuring = _Measuring(schema, document)
    for definition in document.definitions:
        if isinstance(definition, graphql.OperationDefinitionNode):
            size = measuring.of(
                definition.selection_set, schema.get_root_type(definition.operation)
            )
            size.directives += len(definition.directives or ())
            variables = definition.variable_definitions or ()
            weights = {v.variable.name.value: _weight(v.default_value) for v in variables}
            if any(weights.values()):
                size.default_values = sum(
                    weight * max(1, measuring.places[name]) for name, weight in weights.items()
                )
            yield size
        elif isinstance(definition, graphql.FragmentDefinitionNode):
            size = measuring.of(definition.selection_set, measuring.type_of(definition, None))
            yield replace(size, root_fields=0)


def nested_variables(document: graphql.DocumentNode) -> Counter[str]:
    """Count each variable's places in lists and objects: its values are copied at each."""
    places = Counter[str]()
    for node in nodes_in([*document.definitions]):
        if isinstance(node, graphql.ListValueNode | graphql.ObjectFieldNode):
            values = node.values if isinstance(node, graphql.ListValueNode) else (node.value,)
            places.update(
                value.name.value for value in values if isinstance(value, graphql.VariableNode)
            )
    return places


class TooManyStepsError(Exception):
    """Measuring takes more than `MOST_STEPS`."""


class _Measuring:
    def __init__(self, schema: graphql.GraphQLSchema, document: graphql.DocumentNode) -> None:
        self._schema = schema
        self._document = document
        self._fragments = fragments_of(document)
        self._measured: dict[tuple[str, int], Size] = {}
        self._steps_left = MOST_STEPS

    @cached_property
    def places(self) -> Counter[str]:
        """See `nested_variables`."""
        return nested_variables(self._document)

    def of(
        self, selections: graphql.SelectionSetNode | None, parent: _Parent, page: int | None = None
    ) -> Size:
        """Measure a selection on `parent`, whose lists have `page` entries if that is known."""
        size, spread = Size(), Counter[str]()
        for selection in selections.selections if selections else ():
            size.directives += len(selection.directives or ())
            if isinstance(selection, graphql.FieldNode):
                self._add(size, self._of_field(selection, parent, page))
            elif isinstance(selection, graphql.InlineFragmentNode):
                inner = self.of(selection.selection_set, self.type_of(selection, parent), page)
                self._add(size, inner)
            else:
                spread[selection.name.value] += 1  # type: ignore[attr-defined]
        for name, times in spread.items():
            self._add(size, self._of_fragment(name, page), times)
            size.names["..."] += times * _ROOT_OF_SPREAD  # fragments are compared in pairs too
        return size

    def _add(self, size: Size, part: Size, times: int = 1) -> None:
        self._steps_left -= 1 + len(part.names)
        if self._steps_left < 0:
            raise TooManyStepsError
        size.add(part, times)

    def _of_fragment(self, name: str, page: int | None) -> Size:
        fragment = self._fragments.get(name)
        if fragment is None:
            return Size()
        key = (name, page or 0)
        if key not in self._measured:
            self._measured[key] = Size()  # ends a cycle
            parent = self.type_of(fragment, None)
            self._measured[key] = self.of(fragment.selection_set, parent, page)
        return self._measured[key]

    def _of_field(self, node: graphql.FieldNode, parent: _Parent, page: int | None) -> Size:
        name = (node.alias or node.name).value
        introspection = _INTROSPECTION.get(node.name.value)
        definition = introspection or getattr(parent, "fields", {}).get(node.name.value)
        kind = definition.type if definition else None
        named, requested = graphql.get_named_type(kind), _page_size(node)
        of_type = named.name if named else ""
        if graphql.is_list_type(graphql.get_nullable_type(kind)):
            # Introspection: few fields have arguments.
            assumed = 1 if node.name.value == "args" else _ASSUMED.get(of_type, _ASSUMED_ENTRIES)
            times = requested or page or assumed
            inner = self.of(node.selection_set, named)
        else:
            times = _POINTS_OF_INTROSPECTION if introspection else 1
            # The page of a connection is the number of its `edges`.
            edges = _ASSUMED_SESSIONS if of_type.endswith("Connection") else None
            inner = self.of(node.selection_set, named, requested or edges)
        own = _COMPARISONS_OF_OBJECTS if node.selection_set else 1
        for argument in node.arguments or ():
            own += _COMPARISONS_OF_ARGUMENT + _characters(argument) // _CHARACTERS_PER_COMPARISON
        return Size(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            cost=1 + times * inner.cost,
            root_fields=1,
            names=defaultdict(float, {name: (own + inner.comparisons) ** 0.5}),
        )

    def type_of(
        self, node: graphql.FragmentDefinitionNode | graphql.InlineFragmentNode, parent: _Parent
    ) -> _Parent:
        """Return the type that a fragment is on: its own, otherwise `parent`."""
        condition = node.type_condition
        return self._schema.get_type(condition.name.value) if condition else parent


def _weight(value: graphql.ValueNode | None) -> int:
    if isinstance(value, graphql.ObjectValueNode):
        return 10 + sum(_weight(field.value) for field in value.fields)
    if isinstance(value, graphql.ListValueNode):
        return 1 + sum(map(_weight, value.values))
    return int(value is not None)


def _characters(node: graphql.Node) -> int:
    return node.loc.end - node.loc.start if node.loc else 0


def _page_size(node: graphql.FieldNode) -> int | None:
    """Return the page size in the arguments if it is a literal."""
    for argument in node.arguments or ():
        if argument.name.value in {"limit", "first", "last"}:
            if isinstance(argument.value, graphql.IntValueNode) and len(argument.value.value) < 10:
                return max(1, int(argument.value.value))
        elif argument.name.value in {"ids", "names"}:
            if isinstance(argument.value, graphql.ListValueNode):
                return max(1, len(argument.value.values))
            return _ASSUMED_SESSIONS
    return None
