"""Declaring a REST type: once, as a GraphQL type, from which its record type derives."""

from typing import cast

import msgspec
import strawberry
from graphql import GraphQLObjectType, build_schema

from gateway.schema.declare.entity import entity, prop, record_of


@entity("A shop.")
class Shop:
    shop_id: int = prop("Primary key.")
    url_name: str | None = prop("Shown instead of the address.", rest="URLName")


@strawberry.type
class Query:
    shop: Shop | None = None


SDL = strawberry.Schema(query=Query).as_str()


def test_a_property_is_nullable_where_it_is_declared_so() -> None:
    """The GraphQL type says what the declaration says."""
    shop = cast("GraphQLObjectType", build_schema(SDL).type_map["Shop"])

    types = {name: str(field.type) for name, field in shop.fields.items()}
    assert types == {"shopId": "Int!", "urlName": "String"}


def test_a_record_is_decoded_by_the_names_of_rest() -> None:
    """By rule, or as the declaration says."""
    record = msgspec.json.decode(b'{"ShopId": 7, "URLName": "x"}', type=record_of(Shop))

    assert msgspec.structs.asdict(record) == {"shop_id": 7, "url_name": "x"}
