"""A cache of the projections of the latest selections, so that each is planned once.

The key of a selection is its nodes, which live as long as the cached document, and the values of
the variables inside it, since `@skip`, `@include` and arguments depend on those.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import graphql
import msgspec
import orjson
from cachetools import LRUCache
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails
from graphql.execution.values import VariableValues

from gateway.executor.plan import Plan, Planner
from gateway.executor.project import Known, Project, projection
from gateway.executor.turns import STEPS_PER_TURN, Turns
from gateway.records.record import Record

_MOST_SELECTIONS = 256
_MOST_STEPS = 30_000
"""The sum over all cached projections; one takes 0.4 to 2 kB per step."""

_LONGEST_VALUES = 2_000
"""The characters of the values in the key of a cached projection, which contains them too."""

_STEPS_TO_PLAN = 4_000
_CELLS_IN_A_STEP = 4  # all 264 properties of a session: 60 µs, in 330 steps
_CELLS_OF_A_COMPUTED_FIELD = 40
_CELLS_OF_A_LINK = 10
_CELLS_OF_A_LIST = 40


@dataclass(frozen=True, slots=True)
class Projection:
    """The function that makes an object's part of the response, and its cost."""

    project: Project
    steps: int
    """The cost for one object, without its unbounded lists of objects."""

    lists: tuple[str, ...]
    """The attributes that hold such lists."""

    def json(self, o: object, known: Known) -> bytes:
        """Return an object's part as JSON."""
        return msgspec.json.encode(self.project(o, known))

    def list_json(self, items: list[Any]) -> orjson.Fragment:
        """Return the parts of a list's objects as JSON, encoded at once."""
        known: Known = {}
        rows = [self.project(item, known) for item in items]
        return orjson.Fragment(msgspec.json.encode(rows))

    def cost(self, result: object) -> int:
        """Return the cost of a list of objects, or of one with its lists."""
        if isinstance(result, list):
            return self.steps * len(result)
        inner = [len(getattr(result, name, None) or ()) for name in self.lists]
        return self.steps * (1 + sum(inner))

    def is_long(self, cost: int) -> bool:
        """Return whether an object has lists so long that they have to be completed in turns."""
        return bool(self.lists) and cost > STEPS_PER_TURN


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What some nodes select on a type."""

    kind: graphql.GraphQLObjectType
    nodes: tuple[graphql.FieldNode, ...]
    """Referenced, so that no other nodes can get their ids."""

    variables: tuple[str, ...]
    """The variables inside it."""

    def key(self, variables: VariableValues) -> "Key":
        """Return its key for these values of the variables."""
        return self, repr([variables.coerced.get(name) for name in self.variables])


NoPlan: TypeAlias = Literal[False]
"""In place of a projection: the selection cannot be planned."""

Key: TypeAlias = tuple[Selection, str]
"""A selection, and the values of the variables inside it."""


class Projections:
    """Finds or makes the projection of a selection."""

    def __init__(self) -> None:
        self._selections: LRUCache[tuple[object, ...], Selection] = LRUCache(_MOST_SELECTIONS)
        self._made: LRUCache[Key, Projection | NoPlan] = LRUCache(
            _MOST_STEPS, getsizeof=lambda made: made.steps if made else 1
        )

    def selection(
        self, planner: Planner, kind: graphql.GraphQLObjectType, details: FieldDetailsList
    ) -> Selection:
        """Return what some nodes select on a type."""
        nodes = tuple([detail.node for detail in details])
        key = (kind.name, *map(id, nodes))
        selection = self._selections.get(key)
        if selection is None:
            selections = [node.selection_set for node in nodes if node.selection_set]
            variables = variables_in(selections, planner.fragments)
            selection = self._selections[key] = Selection(kind, nodes, tuple(sorted(variables)))
        return selection

    def get(self, key: Key) -> Projection | NoPlan | None:
        """Return the projection with this key; None if it is not made yet."""
        return self._made.get(key)

    def make(
        self, key: Key, planner: Planner, details: FieldDetailsList, turns: Turns
    ) -> Projection | NoPlan:
        """Make and cache the projection with this key; `turns` counts the steps."""
        turns.steps += _STEPS_TO_PLAN
        plan = planner.plan(key[0].kind, details)
        made: Projection | NoPlan = _projection(plan) if plan else False
        if len(key[1]) <= _LONGEST_VALUES:
            with suppress(ValueError):  # larger than the cache
                self._made[key] = made
        return made


def _projection(plan: Plan) -> Projection:
    is_record = issubclass(plan.kind, Record)  # its lists are short, and count in `steps`
    lists = [c.attribute for c in plan.cells if c.inner and c.inner.lists and not is_record]
    return Projection(projection(plan), 1 + _cells(plan) // _CELLS_IN_A_STEP, tuple(lists))


def _cells(plan: Plan) -> int:
    """Return the cost of projecting an object; reading a slot costs 1."""
    slots = getattr(plan.kind, "__struct_fields__", None)  # of a record; others have attributes
    cells = 1
    for cell in plan.cells:
        cells += 1 if slots is None or cell.attribute in slots else _CELLS_OF_A_COMPUTED_FIELD
        if cell.inner is not None:
            cells += _CELLS_OF_A_LIST if cell.inner.lists else _CELLS_OF_A_LINK
            cells += _cells(cell.inner)
    return cells


def fragments_of(document: graphql.DocumentNode) -> dict[str, graphql.FragmentDefinitionNode]:
    """Return the fragments of a document by name."""
    return {
        d.name.value: d
        for d in document.definitions
        if isinstance(d, graphql.FragmentDefinitionNode)
    }


def nodes_in(left: list[object]) -> Iterator[graphql.Node]:
    """Yield all nodes in some nodes; the caller may append more meanwhile."""
    while left:
        part = left.pop()
        if isinstance(part, graphql.Node):
            yield part
            left += [getattr(part, key) for key in part.keys]
        elif isinstance(part, tuple):
            left += part


def variables_in(
    nodes: Iterable[graphql.Node], fragments: Mapping[str, FragmentDetails]
) -> set[str]:
    """Return the names of the variables in some nodes and in the fragments spread there."""
    names, left, unvisited = set[str](), list[object](nodes), dict(fragments)
    for node in nodes_in(left):
        if isinstance(node, graphql.FragmentSpreadNode) and node.name.value in unvisited:
            left.append(unvisited.pop(node.name.value).definition)
        if isinstance(node, graphql.VariableNode):
            names.add(node.name.value)
    return names
