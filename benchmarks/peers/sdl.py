"""The REST API's types and names for the peers, derived from the gateway's own schema."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    get_nullable_type,
)

__all__ = ["MAPS", "ROOT", "Field", "Source", "source"]

ROOT = "chatSessions"
"""The one root field that every peer has."""

MAPS = {"FieldProperty", "ExtraField", "CustomField"}
"""Types of the entries of a REST map; their keys are in `name`."""

_SCHEMA = Path(__file__).parents[2] / "schema.graphql"
_IRREGULAR = {"url": "URL", "urlName": "URLName"}
_IRREGULAR_MEMBERS = {"SMS", "API"}
_DERIVED = re.compile(
    r"id|\w+Raw|can[A-Z]\w+|is(Mandatory|Nullable|Open)|(wait|idle|duration)Seconds|fetchedAt"
    r"|statusGroup"
)


@dataclass(frozen=True)
class Field:
    """A REST property, and its field in the schema."""

    name: str
    rest_name: str
    kind: str
    """Its type in GraphQL's notation."""

    named: str
    """Its type without lists and exclamation marks."""

    depth: int
    """The number of lists around it."""


@dataclass(frozen=True)
class Source:
    """Types with only the fields that the REST API sends, and their REST names."""

    types: dict[str, dict[str, Field]]
    enums: dict[str, dict[str, str]]
    """Enum → member in GraphQL → member in REST."""

    def sdl(self) -> str:
        """Write the schema of a server with only these types."""
        blocks = ["scalar DateTime", _block("type Query", [f"{ROOT}: [ChatSession!]"])]
        blocks += [_block(f"enum {name}", members) for name, members in self.enums.items()]
        blocks += [
            _block(f"type {name}", [f"{field.name}: {field.kind}" for field in fields.values()])
            for name, fields in self.types.items()
        ]
        return "\n\n".join(blocks) + "\n"

    def names(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the REST names of all fields and enum members."""
        types = {
            type_name: {field.name: field.rest_name for field in fields.values()}
            for type_name, fields in self.types.items()
        }
        return {"types": types, "enums": self.enums}


@cache
def source() -> Source:
    """Read the gateway's schema, without the fields that the gateway adds."""
    types: dict[str, dict[str, Field]] = {}
    enums: dict[str, dict[str, str]] = {}
    waiting: list[GraphQLNamedType] = [
        build_schema(_SCHEMA.read_text(encoding="utf-8")).type_map["ChatSession"]
    ]
    while waiting:
        wanted = waiting.pop()
        if isinstance(wanted, GraphQLEnumType) and wanted.name not in enums:
            enums[wanted.name] = {
                member: _rest_member(member) for member in wanted.values if _is_sent(member)
            }
        elif isinstance(wanted, GraphQLObjectType) and wanted.name not in types:
            types[wanted.name] = _fields(wanted)
            waiting += [get_named_type(wanted.fields[name].type) for name in types[wanted.name]]
    return Source(dict(sorted(types.items())), dict(sorted(enums.items())))


def _fields(wanted: GraphQLObjectType) -> dict[str, Field]:
    return {
        name: Field(
            name=name,
            rest_name=_rest_name(name),
            kind=str(field.type),
            named=get_named_type(field.type).name,
            depth=_depth(field.type),
        )
        for name, field in wanted.fields.items()
        if not _DERIVED.fullmatch(name)
    }


def _depth(kind: object) -> int:
    depth = 0
    while isinstance(kind := get_nullable_type(kind), GraphQLList):  # type: ignore[call-overload]
        depth, kind = depth + 1, kind.of_type
    return depth


def _rest_name(name: str) -> str:
    return _IRREGULAR.get(name) or name[0].upper() + name[1:]


def _is_sent(member: str) -> bool:
    return member != "UNRECOGNIZED"


def _rest_member(member: str) -> str:
    if member in _IRREGULAR_MEMBERS:
        return member
    return "".join(word.capitalize() for word in member.split("_"))


def _block(head: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{head} {{", *(f"  {line}" for line in lines), "}"])
