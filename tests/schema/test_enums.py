"""Enums: known names are members, other REST values are `UNRECOGNIZED` with their raw text."""

import pytest

from tests.schema.asking import Json, read
from tests.schema.contract import CONTRACT, ENUMS, field_name

# The place of each enum in a session: links to follow, type, and property.
PLACES = [
    ((), "ChatSession", "Status"),
    ((), "ChatSession", "Flags"),
    (("User",), "Associate", "Type"),
    (("Sale",), "Sale", "Status"),
    (("Sale",), "Sale", "Completed"),
    (("Ticket",), "Ticket", "Slevel"),
    (("Ticket",), "Ticket", "BaseStatus"),
    (("Ticket",), "Ticket", "Origin"),
    (("Ticket",), "Ticket", "ReadStatus"),
    (("Contact", "Address", "Street"), "StructuredAddress", "AtypeIdx"),
]
MEMBERS = [
    pytest.param(way, name, ENUMS[CONTRACT[type_name][name]], id=f"{type_name}.{name}")
    for way, type_name, name in PLACES
]
Members = dict[str, tuple[str, int]]
"""The names and numbers of members in GraphQL, by their names in the REST API."""


async def read_enum(way: tuple[str, ...], name: str, value: object) -> tuple[object, object]:
    """Set an enum's value at the end of the links `way`; return its field and its raw field."""
    # With a key, as a record without one means that there is no record.
    session: Json = {name: value, f"{way[0]}Id" if way else "ChatSessionId": 7}
    selection = f"{field_name(name)} {field_name(name)}Raw"
    for link in reversed(way):
        session = {link: {**session, f"{link}Id": 7, "AssociateId": 7}}
        selection = f"{field_name(link)} {{ {selection} }}"
    fields, answer = await read(selection, session)
    assert answer.errors == []
    for link in way:
        fields = fields[field_name(link)]
    return fields[field_name(name)], fields[f"{field_name(name)}Raw"]


@pytest.mark.parametrize(("way", "name", "members"), MEMBERS)
async def test_members_are_read_by_their_names(
    way: tuple[str, ...], name: str, members: Members
) -> None:
    """SuperOffice sends a member's name; the raw field has it unchanged."""
    for rest, (graphql, _) in members.items():
        assert await read_enum(way, name, rest) == (graphql, rest)


@pytest.mark.parametrize(("way", "name", "members"), MEMBERS)
async def test_members_are_read_by_their_numbers(
    way: tuple[str, ...], name: str, members: Members
) -> None:
    """.NET may write the number; the raw field is still text."""
    for graphql, number in members.values():
        assert await read_enum(way, name, number) == (graphql, str(number))


@pytest.mark.parametrize(("way", "name", "members"), MEMBERS)
async def test_members_are_read_by_the_digits_of_their_numbers(
    way: tuple[str, ...], name: str, members: Members
) -> None:
    """The form of a number depends on the server's JSON converter."""
    for graphql, number in members.values():
        assert await read_enum(way, name, str(number)) == (graphql, str(number))


@pytest.mark.parametrize(
    "rest",
    ["Snoozed", "inqueue", "IN_QUEUE", "InQueue ", "4.0", "+4", "99", "-1", "UNRECOGNIZED", "🎄"],
)
async def test_an_unknown_name_is_unrecognized(rest: str) -> None:
    """SuperOffice adds members every few weeks: it is no error, and the raw field has the name."""
    assert await read_enum((), "Status", rest) == ("UNRECOGNIZED", rest)


@pytest.mark.parametrize("rest", [12, -1, 2**31 - 1, -(2**31)])
async def test_an_unknown_number_is_unrecognized(rest: int) -> None:
    """.NET writes the bare number of a member that has no name."""
    assert await read_enum((), "Status", rest) == ("UNRECOGNIZED", str(rest))


@pytest.mark.parametrize("rest", ["CustomerIsTyping, UserIsTyping", "UserIsTyping,", "1, 0"])
async def test_a_comma_list_is_unrecognized(rest: str) -> None:
    """Several flags at once are not a single member; the raw field has all of them."""
    assert await read_enum((), "Flags", rest) == ("UNRECOGNIZED", rest)


@pytest.mark.parametrize(("rest", "failing"), [("", ["status"]), (None, ["status", "statusRaw"])])
async def test_a_missing_name_is_null_with_an_error(rest: str | None, failing: list[str]) -> None:
    """SuperOffice always sends one; the raw field distinguishes an empty name from null."""
    session, answer = await read("status statusRaw", {"Status": rest})

    assert session == {"status": None, "statusRaw": rest}
    assert answer.paths == [["chatSessions", 0, name] for name in failing]


@pytest.mark.parametrize("rest", ["true", "{}", "[]", '["InQueue"]', "1.5", "4294967296", "NaN"])
async def test_a_value_of_another_type_is_an_error_in_both_fields(rest: str) -> None:
    """Each selected field is null, and has an error at its own path."""
    session, answer = await read("topicId status statusRaw", f'{{"TopicId": 4, "Status": {rest}}}')

    assert session == {"topicId": 4, "status": None, "statusRaw": None}
    assert answer.paths == [["chatSessions", 0, "status"], ["chatSessions", 0, "statusRaw"]]
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"] * 2
