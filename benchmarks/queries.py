"""The three queries and their expected data, computed without any of the engines."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
)

from benchmarks.records import ROOT, Json, sessions

__all__ = ["NEW_QUERIES", "QUERIES", "Query", "leaves", "of_fields", "schema", "without"]

_DERIVED = frozenset(
    {"id", "statusGroup", "isOpen", "waitSeconds", "durationSeconds", "idleSeconds", "fetchedAt"}
    | {"customerAwaySeconds", "queuePosition", "topicName"}
    | {"canRead", "canUpdate", "canInsert", "canDelete", "canWrite", "isMandatory", "isNullable"}
)
_IRREGULAR = {"url": "URL", "urlName": "URLName"}
_TEXTS = frozenset({"ExtraField", "CustomField"})
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Query:
    """A selection on the caller's sessions, and the number of sessions."""

    key: str
    selection: str
    sessions: int
    root: str = "chatSessions(limit: $n)"
    """The root field with its arguments as variables."""

    nested: str = "%s"
    """The place of the selection below the root field."""

    @property
    def text(self) -> str:
        """The text of the query."""
        return f"{{ chatSessions {{ {self.selection} }} }}"

    @property
    def body(self) -> bytes:
        """A request's body."""
        return json.dumps({"query": self.text}).encode()

    def limited_body(self, limit: int) -> bytes:
        """Return a body of the same query with a variable for its limit."""
        text = f"query Q($n: Int) {{ {self.root} {{ {self.nested % self.selection} }} }}"
        return json.dumps({"query": text, "variables": {"n": limit}}).encode()

    def expected(self) -> Json:
        """Return the data that every engine must return."""
        return _expected(self)


@dataclass(frozen=True, slots=True)
class Queue(Query):
    """The waiting sessions, the longest wait first."""

    root: str = (
        "chatSessions(filter: { statusGroup: { in: [WAITING] } } "
        "orderBy: [{ whenRequested: ASC }] limit: $n)"
    )

    def expected(self) -> Json:
        """Return the data, computed in a simple way."""
        rows = _expected(self)["chatSessions"]
        waiting = [row for row in rows if row["status"] == "IN_QUEUE"]
        return {"chatSessions": sorted(waiting, key=lambda row: row["whenRequested"])}


@dataclass(frozen=True, slots=True)
class Page(Query):
    """The sessions that contain a text, the latest first, as a connection."""

    root: str = (
        'chatSessionConnection(filter: { search: "WEIMANN" } '
        "orderBy: [{ whenRequested: DESC }, { chatSessionId: ASC }] first: $n)"
    )
    nested: str = "totalCount edges { node { %s } }"

    def expected(self) -> Json:
        """Return the data, computed in a simple way."""
        rows = _expected(self)["chatSessions"]
        rows = sorted(rows, key=lambda row: row["whenRequested"], reverse=True)
        edges = [{"node": row} for row in rows]
        return {"chatSessionConnection": {"totalCount": len(edges), "edges": edges}}


@cache
def schema() -> GraphQLSchema:
    """Return the gateway's schema, from its file."""
    return build_schema((ROOT / "schema.graphql").read_text("utf-8"))


def _fields(type_name: str) -> dict[str, GraphQLField]:
    kind = schema().type_map[type_name]
    assert isinstance(kind, GraphQLObjectType)  # noqa: S101  narrows the type
    fields: dict[str, GraphQLField] = kind.fields
    return fields


def leaves(type_name: str = "ChatSession") -> list[tuple[str, ...]]:
    """Return the path to each value that the REST API sends."""
    paths: list[tuple[str, ...]] = []
    for name, field in _fields(type_name).items():
        if name in _DERIVED or name.endswith("Raw"):
            continue
        inner = get_named_type(field.type)
        rest = leaves(inner.name) if isinstance(inner, GraphQLObjectType) else [()]
        paths += [(name, *path) for path in rest]
    return paths


def of_fields(paths: Sequence[tuple[str, ...]]) -> str:
    """Write the selection of these paths."""
    firsts = dict.fromkeys(path[0] for path in paths)
    parts = []
    for first in firsts:
        rest = [path[1:] for path in paths if path[0] == first and len(path) > 1]
        parts.append(f"{first} {{ {of_fields(rest)} }}" if rest else first)
    return " ".join(parts)


def without(query: Query, names: frozenset[str]) -> Query:
    """Return Q3 without the fields of these names; other queries unchanged."""
    if query.key != "Q3" or not names:
        return query
    return replace(query, selection=of_fields([p for p in leaves() if names.isdisjoint(p)]))


@cache
def _expected(query: Query) -> Json:
    operation = parse(query.text).definitions[0]
    assert isinstance(operation, OperationDefinitionNode)  # noqa: S101  narrows the type
    [root] = operation.selection_set.selections
    assert isinstance(root, FieldNode)  # noqa: S101  narrows the type
    chosen = root.selection_set
    return {"chatSessions": [_object("ChatSession", record, chosen) for record in _records(query)]}


def _records(query: Query) -> Sequence[Json]:
    return sessions(query.sessions)


def _object(type_name: str, record: Json, chosen: SelectionSetNode | None) -> Json:
    shown: Json = {}
    for node in chosen.selections if chosen else ():
        assert isinstance(node, FieldNode)  # noqa: S101  narrows the type
        name = node.name.value
        value = record.get(_IRREGULAR.get(name) or name[0].upper() + name[1:])
        kind = _fields(type_name)[name].type
        shown[name] = None if value is None else _value(kind, value, node.selection_set)
    return shown


def _value(kind: Any, value: Any, chosen: SelectionSetNode | None) -> Any:
    named = get_named_type(kind)
    if isinstance(named, GraphQLEnumType):
        return _enum_name(named, value)
    if not isinstance(named, GraphQLObjectType):
        return value
    if isinstance(value, dict) and is_list_type(get_nullable_type(kind)):
        return [_entry(named.name, *entry, chosen) for entry in value.items()]
    if isinstance(value, list):
        return [_value(get_nullable_type(kind).of_type, one, chosen) for one in value]
    return _object(named.name, value, chosen)


def _enum_name(kind: GraphQLEnumType, value: str) -> str:
    name = _WORD_START.sub("_", value).upper()
    if name not in kind.values:
        raise ValueError(f"{kind.name} has no {name}")
    return name


def _entry(type_name: str, name: str, value: Any, chosen: SelectionSetNode | None) -> Json:
    """Return one entry of a map: its key becomes the name, and its value the other fields."""
    if type_name in _TEXTS:
        return _object(type_name, {"Name": name, "Value": value}, chosen)
    return _object(type_name, {"Name": name, **value}, chosen)


QUERIES = {
    query.key: query
    for query in (
        Query("Q1", "chatSessionId topicId status customerName whenRequested", 20),
        Query(
            "Q2",
            """
            chatSessionId topicId status customerName customerEmail firstMessage lastMessage
            whenRequested whenStarted initialQueuePos alertLevel
            user { associateId fullName userName type }
            person { personId firstname lastname email mobilePhone }
            contact { contactId name orgNr city countryName directPhone }
            ticket { ticketId title createdAt baseStatus priorityName }
            """,
            20,
        ),
        Query("Q3", of_fields(leaves()), 100),
    )
}
"""5 values of a session; 31 values over five types; and every value that the REST API sends."""

_FIVE = QUERIES["Q1"].selection
NEW_QUERIES = (*QUERIES.values(), Queue("queue", _FIVE, 20), Page("page", _FIVE, 20))
"""The queries that are new to a cached snapshot."""
