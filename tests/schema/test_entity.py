"""Declaring a REST type once, as a GraphQL type that also defines its record type."""

import inspect
from typing import cast

import msgspec
import strawberry
from graphql import GraphQLObjectType, build_schema

from gateway.schema.declare.entity import entity, prop, record_of
from gateway.schema.entities.enums import ChatSessionStatus


@entity("A shop.")
class Shop:
    shop_id: int = prop("Primary key.")
    url_name: str | None = prop("Shown instead of the address.", rest="URLName")


@strawberry.type
class Query:
    shop: Shop | None = None


SDL = "directive @semanticNonNull on FIELD_DEFINITION\n" + strawberry.Schema(query=Query).as_str()


def test_a_property_is_nullable_if_it_is_declared_so() -> None:
    """The GraphQL type follows the declaration."""
    shop = cast("GraphQLObjectType", build_schema(SDL).type_map["Shop"])

    types = {name: str(field.type) for name, field in shop.fields.items()}
    assert types == {"shopId": "Int!", "urlName": "String"}


def test_a_record_is_decoded_by_rest_property_names() -> None:
    """A name follows the rule, or is in the declaration."""
    record = msgspec.json.decode(b'{"ShopId": 7, "URLName": "x"}', type=record_of(Shop))

    assert msgspec.structs.asdict(record) == {"shop_id": 7, "url_name": "x"}


def test_the_declaring_class_is_not_changed() -> None:
    """Annotations are not rewritten: how Python stores them differs between versions."""

    class Till:
        till_id: int | None = prop("Primary key.")
        kind: ChatSessionStatus | None = prop("Something with a raw field.")

    before = dict(inspect.get_annotations(Till))
    declared = entity("A till.")(Till)

    assert inspect.get_annotations(Till) == before
    assert [*inspect.get_annotations(declared)] == ["till_id", "kind", "kind_raw"]


def test_the_fields_of_a_plain_base_class_are_declared_too() -> None:
    """Two entities share them, and each has more of its own."""

    class Named:
        name: str | None = prop("What it is called.")

    class Dog(Named):
        dog_id: int | None = prop("Primary key.")

    class Cat(Named):
        """Has a name only."""

    dog, cat = (record_of(entity("An animal.")(kind)) for kind in (Dog, Cat))

    assert dog.__struct_fields__ == ("dog_id", "name")
    assert cat.__struct_fields__ == ("name",)
