"""What REST sends, as every peer needs it: told from the gateway's own schema."""

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
"""Types of the entries of an object in REST, whose names are in `name`."""

_SCHEMA = Path(__file__).parents[2] / "schema.graphql"
_IRREGULAR = {"url": "URL", "urlName": "URLName"}
_IRREGULAR_MEMBERS = {"SMS", "API"}
_DERIVED = re.compile(
    r"id|\w+Raw|can[A-Z]\w+|is(Mandatory|Nullable|Open)|(wait|idle|duration)Seconds|fetchedAt"
    r"|statusGroup"
)


@dataclass(frozen=True)
class Field:
    """A property of an object in REST, and the field of the schema that shows it."""

    name: str
    rest_name: str
    kind: str
    """Its type, as GraphQL writes it."""

    named: str
    """Its type without lists and exclamation marks."""

    depth: int
    """How many lists it is in."""


@dataclass(frozen=True)
class Source:
    """Types that hold nothing but what REST sends, and how REST says it."""

    types: dict[str, dict[str, Field]]
    enums: dict[str, dict[str, str]]
    """Enum → member in GraphQL → member in REST."""

    def sdl(self) -> str:
        """Write the schema of a server that has nothing else."""
        blocks = ["scalar DateTime", _block("type Query", [f"{ROOT}: [ChatSession!]"])]
        blocks += [_block(f"enum {name}", members) for name, members in self.enums.items()]
        blocks += [
            _block(f"type {name}", [f"{field.name}: {field.kind}" for field in fields.values()])
            for name, fields in self.types.items()
        ]
        return "\n\n".join(blocks) + "\n"

    def names(self) -> dict[str, dict[str, dict[str, str]]]:
        """Say what everything is called in REST."""
        types = {
            type_name: {field.name: field.rest_name for field in fields.values()}
            for type_name, fields in self.types.items()
        }
        return {"types": types, "enums": self.enums}


@cache
def source() -> Source:
    """Read the gateway's schema, and leave out what the gateway adds to REST."""
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
