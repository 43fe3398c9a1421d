"""Random operations over the whole schema with variables, and REST answers for them."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLInterfaceType,
    GraphQLObjectType,
    get_named_type,
)
from hypothesis import strategies as st
from strawberry.relay import GlobalID

from tests.schema.contract import field_name
from tests.schema.everything import GRAPHQL, fields_of
from tests.schema.test_any_json import PLACES, changed

__all__ = ["ODD", "Operation", "cases"]

_DECLARED = {
    "yes": "Boolean!",
    "no": "Boolean = false",
    "names": "[String!]",
    "limit": "Int",
    "key": "Int!",
}
_IDS = [str(GlobalID("ChatSession", "1")), str(GlobalID("Person", "25")), "nonsense"]
_ARGUMENTS: dict[str, list[str]] = {
    "chatSessions": ["", "(limit: 2)", "(limit: $limit)", "(limit: -1)", "(offset: 1)"],
    "chatSessionConnection": ["", "(first: 1)", "(last: $limit)", "(first: 1, last: 1)"],
    "chatSession": ["(chatSessionId: 1)", "(chatSessionId: $key)"],
    "chatSessionSummary": ["", "(filter: {assigned: true})"],
    "node": [f'(id: "{node_id}")' for node_id in _IDS],
    "nodes": [f'(ids: ["{_IDS[0]}", "{_IDS[2]}", "{_IDS[1]}"])', "(ids: [])"],
    "customersAway": ["(seconds: 60)", "(seconds: $key)"],
    "transfersPendingTo": ["(associateId: 4)", "(associateId: $key)"],
}
_ARGUMENTS_OF_ROOTS = [*["chatSessions"] * 6, *fields_of("Query")]
_NAMES = ["", "(names: $names)", '(names: ["empty", "x_5"])', "(names: [])", "(names: null)"]
_DIRECTIVES = [
    "",
    "",
    "",
    "@include(if: $yes)",
    "@skip(if: $no)",
    "@skip(if: $yes)",
    "@include(if: false)",
    "@skip(if: $no) @include(if: $yes)",
]
_ROOTS = [*[""] * 8, "nope", *["__typename"] * 2, "... on Query { __typename }", *[""] * 8]
ODD: list[Any] = [
    None,
    {},
    [],
    "",
    0,
    -1,
    7,
    2**40,
    1.5,
    True,
    "Nope",
    "InQueue",
    "Unknown",
    "FULL, Odd",
    "0001-01-01T00:00:00",
    "2026-01-31T17:46:13.1234567+0100",
    "2026-02-31T00:00:00",
    {"a": 1, "b": None},
    [[]],
    [[None, {}]],
    [None],
]

_KEYS = [
    path
    for path in PLACES
    if len(path) == 2 and path[1] in {f"{path[0]}Id", "AssociateId", "TableRight", "Mask"}
]


# Strategies are made once: to make them takes longer than to draw from them.
_one_of = cache(st.sampled_from)
_change = st.sampled_from(sorted(PLACES, key=str)) | st.sampled_from(_KEYS)
_changes = st.dictionaries(_change, st.sampled_from(ODD), max_size=4)


@cache
def _name(type_name: str, is_leaf: bool, odd: frozenset[str]) -> st.SearchStrategy[str]:
    fields = fields_of(type_name).items()
    names = {name for name, field in fields if _is_leaf(field.type) or not is_leaf}
    return st.sampled_from(sorted(names & odd or names))


@dataclass(frozen=True)
class Operation:
    """A document, which of its operations to run, and the values of its variables."""

    document: str
    name: str | None
    variables: dict[str, Any]


class _Writer:
    """Writes the selections of one operation; fragments go to the end of its text."""

    def __init__(self, draw: st.DrawFn, odd: frozenset[str], prefix: str) -> None:
        self.draw = draw
        self.odd = odd
        self.prefix = prefix
        self.fragments: list[str] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(_one_of(choices))

    def selection(self, kind: Any, depth: int) -> str:
        parts = [self.part(kind, depth) for _ in range(self.draw(st.integers(1, 4)))]
        return f"{{ {' '.join(parts)} }}"

    def part(self, kind: Any, depth: int) -> str:
        match self.pick(*["field"] * 6, "typename", "inline", "spread"):
            case "typename":
                return str(self.pick("__typename", "what: __typename"))
            case "inline" if depth:
                return self.inline(kind, depth)
            case "spread" if depth:
                return self.spread(kind, depth)
        return self.field(kind, depth)

    def inside(self, kind: Any, depth: int) -> str:
        return self.selection(kind, depth - 1)

    def inline(self, kind: Any, depth: int) -> str:
        inside = f"{self.directives()} {self.inside(kind, depth)}"
        is_node = isinstance(kind, GraphQLObjectType) and bool(kind.interfaces)
        return str(
            self.pick(
                f"... {inside}",
                f"... on {kind.name} {inside}",
                f"... on Node {{ id ... on {kind.name} {inside} }}" if is_node else f"... {inside}",
            )
        )

    def spread(self, kind: Any, depth: int) -> str:
        name = f"{self.prefix}F{len(self.fragments)}"
        self.fragments.append("")
        here = len(self.fragments) - 1
        self.fragments[here] = f"fragment {name} on {kind.name} {self.inside(kind, depth)}"
        again = self.pick("", f"...{name}")
        return f"...{name} {self.directives()} {again}"

    def directives(self) -> str:
        return str(self.pick(*_DIRECTIVES))

    def root(self) -> str:
        return self.named(GRAPHQL.query_type, self.pick(*_ARGUMENTS_OF_ROOTS), 4)

    def field(self, kind: Any, depth: int) -> str:
        odd = self.odd if self.pick(True, False) else frozenset()
        return self.named(kind, self.draw(_name(kind.name, depth < 1, odd)), depth)

    def named(self, kind: Any, name: str, depth: int) -> str:
        field = fields_of(kind.name)[name]
        inner = get_named_type(field.type)
        choices = _ARGUMENTS.get(name, _NAMES) if field.args else [""]
        chosen = self.draw(st.integers(0, len(choices) - 1))
        # Equal aliases for equal fields, so that they merge; sometimes one that conflicts.
        alias = self.pick(*[f"{name}{chosen}: "] * 19, "same: ")
        if not chosen:
            alias = self.pick("", alias)
        text = f"{alias}{name}{choices[chosen]} {self.directives()}"
        return text if _is_leaf(inner) else f"{text} {self.inside_of(inner, depth)}"

    def inside_of(self, inner: Any, depth: int) -> str:
        if isinstance(inner, GraphQLInterfaceType):
            of = GRAPHQL.type_map[self.pick("ChatSession", "Person")]
            return f"{{ id ... on {of.name} {self.inside(of, depth)} }}"
        return self.inside(inner, max(depth, 1))


def _is_leaf(kind: Any) -> bool:
    return not isinstance(get_named_type(kind), GraphQLObjectType | GraphQLInterfaceType)


def _document(draw: st.DrawFn, odd: frozenset[str]) -> Operation:
    """Draw a document of one or two operations; some are not valid."""
    names = ["One", "Two"][: draw(st.integers(1, 2))]
    texts = []
    for name in names:
        writer = _Writer(draw, odd, name)
        roots = [writer.root() for _ in range(draw(st.integers(1, 3)))]
        body = f"{{ {' '.join(roots)} {draw(st.sampled_from(_ROOTS))} }}"
        text = " ".join([body, *writer.fragments])
        used = [v for v in _DECLARED if re.search(rf"\${v}\b", text)]
        declared = ", ".join(f"${v}: {_DECLARED[v]}" for v in used)
        texts.append(f"query {name}{f'({declared})' if used else ''} {text}")
    variables = {
        "yes": draw(st.booleans()),
        "names": draw(st.sampled_from([None, [], ["x_5"], ["empty", "SuperOffice:6"]])),
        "limit": draw(st.sampled_from([None, 0, 1, 2, -1])),
        "key": draw(st.sampled_from([1, 2, 77])),
        **draw(st.sampled_from([{}] * 8 + [{"no": True}] * 4 + [{"no": None}, {"limit": "x"}])),
    }
    return Operation(
        "\n".join(texts), draw(st.sampled_from([*names * 6, "Nobody", *names * 6])), variables
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Operation, list[Any]]:
    """Draw a REST answer of a few sessions with odd values, and a document that reads some."""
    changes = [draw(_changes) for _ in range(draw(st.sampled_from([2, 1, 3, 0])))]
    sessions = [
        {**changed(odd), **({"ChatSessionId": n} if draw(st.booleans()) else {})}
        for n, odd in enumerate(changes)
    ]
    steps = {step for odd in changes for path in odd for step in path}
    odd = frozenset(field_name(step) for step in steps if isinstance(step, str))
    return _document(draw, odd), sessions
