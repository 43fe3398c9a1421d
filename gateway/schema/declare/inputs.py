"""Declare input types that convert only the fields that a client sets.

Strawberry visits all fields of an input: two dozen for each of the many parts of a filter.
"""

from collections.abc import Mapping
from functools import cache
from typing import TypeVar

import strawberry
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext
from strawberry.types.base import StrawberryType
from strawberry.utils.str_converters import to_camel_case

from gateway.schema.declare.scalars import Declared

T = TypeVar("T")


def optional(description: str, *reads: str, name: str | None = None) -> Declared:
    """Declare a field of an input type.

    `reads` names the fields of a session that it depends on; by default, the one of its own name.
    """
    metadata = {"reads": reads} if reads else {}
    return strawberry.field(default=None, name=name, description=description, metadata=metadata)


def sparse(kind: type[T]) -> type[T]:
    """Make an input type convert only the fields that are set; the others are None."""
    get_object_definition(kind, strict=True).from_input = _from_set_fields
    return kind


def _from_set_fields(kind: type, given: Mapping[str, object], context: InputContext) -> object:
    fields = _fields(kind)
    values = {}
    for name, value in given.items():
        if value is not None:
            python_name, type_ = fields[name]
            values[python_name] = context.convert(value, type_, name)
    return kind(**values)


@cache
def _fields(kind: type) -> dict[str, tuple[str, StrawberryType | type]]:
    definition = get_object_definition(kind, strict=True)
    return {
        field.graphql_name or to_camel_case(field.python_name): (
            field.python_name,
            field.resolve_type(type_definition=definition),
        )
        for field in definition.fields
    }
