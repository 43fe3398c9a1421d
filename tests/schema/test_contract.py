"""The schema has all of the REST API's contract, with descriptions."""

from typing import cast

import pytest
from graphql import GraphQLEnumType, ObjectTypeDefinitionNode, parse

from gateway.schema.build import sdl
from tests.schema.contract import CONTRACT, ENUMS, field_name
from tests.schema.everything import GRAPHQL, fields_of

ENTRIES = ["CustomField", "ExtraField", "FieldProperty"]


def members_of(enum: str) -> set[str]:
    """Return the names of an enum's members in the schema."""
    return set(cast("GraphQLEnumType", GRAPHQL.type_map[enum]).values)


@pytest.mark.parametrize("type_name", CONTRACT)
def test_every_property_has_a_field_of_its_type(type_name: str) -> None:
    """Queries can read every REST property, with its type."""
    fields = fields_of(type_name)

    types = {name: str(fields[field_name(name)].type) for name in CONTRACT[type_name]}

    assert types == CONTRACT[type_name]


@pytest.mark.parametrize("type_name", [*CONTRACT, "CustomField", "ExtraField", "Query"])
def test_every_field_has_a_description(type_name: str) -> None:
    """Tools that explore the schema show the meaning of each field."""
    silent = [name for name, field in fields_of(type_name).items() if not field.description]

    assert silent == []


@pytest.mark.parametrize("type_name", [*CONTRACT, *ENUMS, "CustomField", "ExtraField", "DateTime"])
def test_every_type_has_a_description(type_name: str) -> None:
    """The description explains the type's meaning in SuperOffice."""
    assert GRAPHQL.type_map[type_name].description


@pytest.mark.parametrize("enum", ENUMS)
def test_an_enum_has_the_members_of_the_contract_and_one_for_all_others(enum: str) -> None:
    """Members have the REST API's names, in the upper case of GraphQL's enums."""
    assert members_of(enum) == {name for name, _ in ENUMS[enum].values()} | {"UNRECOGNIZED"}


@pytest.mark.parametrize("enum", ENUMS)
def test_every_member_of_an_enum_has_a_description(enum: str) -> None:
    """SuperOffice's names of statuses are not always plain."""
    values = cast("GraphQLEnumType", GRAPHQL.type_map[enum]).values

    assert [name for name, value in values.items() if not value.description] == []


def test_every_enum_field_has_a_raw_field() -> None:
    """The raw field has values that the schema does not know."""
    raw = {
        f"{type_name}.{field_name(name)}Raw": str(
            fields_of(type_name)[f"{field_name(name)}Raw"].type
        )
        for type_name, kinds in CONTRACT.items()
        for name, kind in kinds.items()
        if kind in ENUMS
    }

    assert set(raw.values()) == {"String"}
    assert len(raw) == 10


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_always_has_its_name(entry: str) -> None:
    """A map's key is never null in JSON."""
    assert str(fields_of(entry)["name"].type) == "String!"


def test_every_root_field_is_nullable() -> None:
    """A failed REST call makes one root field null and does not affect others."""
    types = {name: str(field.type) for name, field in fields_of("Query").items()}

    assert [name for name, type_ in types.items() if type_.endswith("!")] == []


SINCE_LATER = {"ChatSession.rating", "Project.eventId"} | {
    f"Ticket.{name}"
    for name in (
        "timeSpent", "sentiment", "sentimentConfidence", "saleId", "projectId", "formSubmissionId",
        "ticketTypeId", "custId",
    )
}  # fmt: skip
ROOTS = {
    "Query": {"chatSessions", "chatSessionConnection", "chatSessionSummary", "nodes"},
    "Subscription": {"chatSessions", "chatSessionSummary", "chatSessionChanges"},
}


def test_fields_that_are_null_only_beside_an_error_are_marked() -> None:
    """Numbers, booleans and enums that every server sends, and some root fields, are marked."""
    never_null = {"Int", "Float", "Boolean", *ENUMS}
    expected = {f"{kind}.{name}" for kind, names in ROOTS.items() for name in names}
    for kind, properties in CONTRACT.items():
        sent = {
            field_name(name): type_ for name, type_ in properties.items() if type_ in never_null
        }
        expected |= {f"{kind}.{name}" for name in sent}
        expected |= {f"{kind}.{name}Raw" for name, type_ in sent.items() if type_ in ENUMS}

    marked = {
        f"{kind.name.value}.{field.name.value}"
        for kind in parse(sdl()).definitions
        if isinstance(kind, ObjectTypeDefinitionNode)
        for field in kind.fields or ()
        if any(directive.name.value == "semanticNonNull" for directive in field.directives or ())
    }
    assert marked == expected - SINCE_LATER
