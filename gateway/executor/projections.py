"""A cache of the projections of the latest selections, so that each is planned once.

The key of a selection is its nodes, which live as long as the cached document, and the values of
the variables inside it, since `@skip`, `@include` and arguments depend on those.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cachetools import LRUCache
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    Node,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.collect_fields import FieldDetailsList

from gateway.executor.plan import Operation, Planner
from gateway.executor.project import Project, projection
from gateway.records.record import Record

_MOST_SELECTIONS = 256
_MOST_PER_SELECTION = 8


@dataclass(slots=True)
class _Selection:
    nodes: tuple[FieldNode, ...]
    """Referenced, so that no other nodes can get their ids."""

    variables: tuple[str, ...]
    projections: dict[str, Project | None] = field(default_factory=dict)


class Projections:
    """Finds or makes the projection of a selection; `record_of` finds an entity's record type."""

    def __init__(self, record_of: Callable[[type], type[Record] | None]) -> None:
        self._record_of = record_of
        self._selections: LRUCache[tuple[object, ...], _Selection] = LRUCache(_MOST_SELECTIONS)

    def find(
        self, operation: Operation, kind: GraphQLObjectType, details: FieldDetailsList
    ) -> Project | None:
        """Return the projection of what some nodes select on a type; None where there is none."""
        selection = self._selection(operation, kind, tuple(detail.node for detail in details))
        coerced = operation.variable_values.coerced
        values = repr([coerced.get(name) for name in selection.variables])
        known = selection.projections
        if values not in known:
            if len(known) == _MOST_PER_SELECTION:
                known.clear()
            plan = Planner(operation, self._record_of).plan(kind, details)
            known[values] = projection(plan) if plan else None
        return known[values]

    def _selection(
        self, operation: Operation, kind: GraphQLObjectType, nodes: tuple[FieldNode, ...]
    ) -> _Selection:
        key = (kind.name, *map(id, nodes))
        selection = self._selections.get(key)
        if selection is None:
            selections = [node.selection_set for node in nodes if node.selection_set]
            variables = variables_in(selections, operation.fragment_definitions)
            selection = self._selections[key] = _Selection(nodes, tuple(sorted(variables)))
        return selection


def variables_in(
    nodes: Iterable[Node], fragments: Mapping[str, FragmentDefinitionNode]
) -> set[str]:
    """Return the names of the variables in some nodes and in the fragments spread there."""
    found = _Variables(fragments)
    for node in nodes:
        visit(node, found)
    return found.names


class _Variables(Visitor):
    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        super().__init__()
        self.names: set[str] = set()
        self._fragments = dict(fragments)

    def enter_variable(self, node: VariableNode, *_: Node) -> None:
        self.names.add(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Node) -> None:
        fragment = self._fragments.pop(node.name.value, None)  # once is enough
        if fragment is not None:
            visit(fragment, self)
