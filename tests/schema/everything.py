"""One query for all REST properties, and its expected answer, computed without the gateway."""

import re
from collections.abc import Sequence
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    build_schema,
    get_named_type,
)

from gateway.schema.build import sdl
from tests.schema.asking import SCHEMA, Json
from tests.schema.contract import CONTRACT, ENUMS, KEYS, field_name

__all__ = ["GRAPHQL", "QUERY", "expected", "fields_of", "like"]

GRAPHQL = build_schema(sdl(SCHEMA))


def fields_of(type_name: str) -> dict[str, GraphQLField]:
    """Return the fields of a type in the gateway's schema."""
    fields: dict[str, GraphQLField] = cast("GraphQLObjectType", GRAPHQL.type_map[type_name]).fields
    return fields


# Other fields of a type are derived from these.
_SENT = {
    type_name: {
        "name" if type_name == "FieldProperty" else "",
        *(field_name(rest_name) for rest_name in properties),
        *(f"{field_name(name)}Raw" for name, kind in properties.items() if kind in ENUMS),
    }
    for type_name, properties in CONTRACT.items()
}


def _selection(type_name: str) -> str:
    return " ".join(
        f"{name} {{ {_selection(inner.name)} }}" if isinstance(inner, GraphQLObjectType) else name
        for name, field in fields_of(type_name).items()
        if name in _SENT.get(type_name, {name})
        for inner in [get_named_type(field.type)]
    )


QUERY = f"{{ chatSessions {{ {_selection('ChatSession')} }} }}"


def expected(sessions: Sequence[Json]) -> Json:
    """Return the expected answer of `QUERY` over these sessions."""
    return {"chatSessions": [_object("ChatSession", session) for session in sessions]}


def like(expected_value: Any, answer: Any) -> Any:
    """Remove the fields that are not in the contract from an answer."""
    if isinstance(expected_value, dict) and isinstance(answer, dict):
        return {
            name: like(expected_value.get(name), value)
            for name, value in answer.items()
            if name in expected_value
        }
    if (
        isinstance(expected_value, list)
        and isinstance(answer, list)
        and len(expected_value) == len(answer)
    ):
        return [like(*pair) for pair in zip(expected_value, answer, strict=True)]
    return answer


def _object(type_name: str, record: Json) -> Json:
    fields: Json = {}
    for rest_name, kind in CONTRACT[type_name].items():
        name, value = field_name(rest_name), record.get(rest_name)
        fields[name] = None if value is None else _value(kind, value)
        if kind in ENUMS:
            fields[f"{name}Raw"] = value
    return fields


def _value(kind: str, value: Any) -> Any:
    if kind in {"Int", "Float", "Boolean", "String"}:
        return value
    if kind == "DateTime":
        unset = value.startswith("0001-01-01T00:00:00")
        return None if unset else re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value)
    if kind in ENUMS:
        graphql_name, _ = ENUMS[kind].get(value, ("UNRECOGNIZED", None))
        return graphql_name
    if kind in {"[ExtraField!]", "[CustomField!]"}:
        return [
            {"name": name, "value": text, "displayText": value.get(f"{name}:DisplayText")}
            for name, text in value.items()
            if not (name.endswith(":DisplayText") and name.removesuffix(":DisplayText") in value)
        ]
    if kind == "[FieldProperty!]":
        return [{"name": name, **_object("FieldProperty", e)} for name, e in value.items()]
    if kind == "[[LocalizedField!]!]":
        return [[_object("LocalizedField", field) for field in line] for line in value]
    return None if _is_none(kind, value) else _object(kind, value)


def _is_none(type_name: str, record: Json) -> bool:
    if type_name not in KEYS:
        return all(value is None for value in record.values())
    rights = {"TableRight", "FieldProperties"}
    blank: list[object] = [None, 0, "", "0", "Unknown", "0001-01-01T00:00:00", {}]
    # The key is one of these values: it has to be 0, or missing.
    return all(value in blank for name, value in record.items() if name not in rights)
