"""What REST writes for "nothing here" is null."""

import pytest

from tests.schema.asking import Json, ask, read
from tests.schema.contract import KEYS
from tests.schema.everything import QUERY
from tests.schema.records import full_record

LINKS = {
    "User": "Associate",
    "TransferTo": "Associate",
    "Person": "Person",
    "Contact": "Contact",
    "Project": "Project",
    "Sale": "Sale",
    "Ticket": "Ticket",
}
BLANK: dict[str, Json] = {
    "User": {"Name": "", "UserName": None, "Deleted": False, "Type": "Unknown", "ExtraFields": {}},
    "TransferTo": {"Rank": 0, "Type": 0, "CustomFields": {}},
    "Person": {"Firstname": "", "Retired": 0, "UsePersonAddress": False},
    "Contact": {"Name": None, "Address": {}, "IsOwnerContact": False},
    "Project": {"Updated": "0001-01-01T00:00:00+00:00", "PublishTo": "0001-01-01T00:00:00Z"},
    "Sale": {"Amount": 0.0, "Status": "Unknown", "SaleDate": "0001-01-01T00:00:00"},
    "Ticket": {"Slevel": "Unknown", "CreatedAt": "0001-01-01T00:00:00.0000000-0500"},
}
RIGHTS = {
    "TableRight": {"Mask": "FULL", "Reason": ""},
    "FieldProperties": {"Name": {"FieldType": "System.String", "FieldLength": 9}},
}


ALWAYS_SENT = [
    "alertLevel",
    "chatSessionId",
    "chatbotIsActive",
    "customerConsented",
    "flags",
    "flagsRaw",
    "initialQueuePos",
    "rank",
    "status",
    "statusRaw",
    "topicId",
]


@pytest.mark.parametrize("session", [{}, dict.fromkeys(full_record())], ids=["missing", "null"])
async def test_a_missing_value_is_an_error_only_where_superoffice_always_sends_one(
    session: Json,
) -> None:
    """Numbers, booleans and enums, unless older servers do not know them; all else is null."""
    answer = await ask(QUERY, [session])

    assert set(answer.data["chatSessions"][0].values()) == {None}
    assert sorted(answer.paths) == [["chatSessions", 0, name] for name in ALWAYS_SENT]
    assert set(answer.codes) == {"UPSTREAM_BAD_RESPONSE"}


@pytest.mark.parametrize(
    ("selection", "session"),
    [
        *(
            (f"{link[0].lower()}{link[1:]} {{ tableRight {{ mask }} }}", {link: {}})
            for link in LINKS
        ),
        ("tableRight { mask }", {"TableRight": {}}),
    ],
)
async def test_an_empty_object_is_null(selection: str, session: Json) -> None:
    """REST's own samples write `{}` where there is no record, or no right to speak of."""
    found, answer = await read(selection, session)

    assert list(found.values()) == [None]
    assert answer.errors == []


@pytest.mark.parametrize("inner", ["Street", "Postal"])
async def test_an_empty_object_inside_a_record_is_null(inner: str) -> None:
    """At any depth."""
    session = {"Contact": {"ContactId": 7, "Address": {inner: {}, "Formatted": "x"}}}

    found, _ = await read("contact { address { street { city } postal { city } } }", session)

    assert found["contact"]["address"] == {"street": None, "postal": None}


@pytest.mark.parametrize("link", LINKS)
async def test_a_blank_record_with_key_0_is_null(link: str) -> None:
    """.NET writes a link to nothing as a record full of zeros, empty texts and unset dates."""
    key = KEYS[LINKS[link]]
    name = f"{link[0].lower()}{link[1:]}"

    found, answer = await read(
        f"{name} {{ tableRight {{ mask }} }}", {link: {key: 0, **BLANK[link], **RIGHTS}}
    )

    assert (found[name], answer.errors) == (None, [])


@pytest.mark.parametrize(
    ("link", "something"),
    [
        ("User", {"Name": "ada"}),
        ("User", {"Deleted": True}),
        ("User", {"Type": "InternalAssociate"}),
        ("User", {"CustomFields": {"x": ""}}),
        ("TransferTo", {"Rank": 1}),
        ("Person", {"Firstname": "Ada"}),
        ("Contact", {"Address": {"Formatted": "x"}}),
        ("Project", {"Updated": "2026-01-31T17:46:13"}),
        ("Sale", {"Amount": 0.5}),
        ("Ticket", {"CustId": -1}),
    ],
)
async def test_a_record_with_key_0_that_holds_something_is_there(
    link: str, something: Json
) -> None:
    """Only what is blank throughout is nothing."""
    key = KEYS[LINKS[link]]
    name = f"{link[0].lower()}{link[1:]}"

    found, _ = await read(
        f"{name} {{ {key[0].lower()}{key[1:]} }}", {link: {key: 0, **BLANK[link], **something}}
    )

    assert found[name] == {f"{key[0].lower()}{key[1:]}": 0}


async def test_a_record_with_a_key_and_nothing_else_is_there() -> None:
    """A key is enough to know that there is one."""
    found, _ = await read("user { associateId name }", {"User": {"AssociateId": 7}})

    assert found["user"] == {"associateId": 7, "name": None}


async def test_a_record_with_a_name_and_no_key_is_there() -> None:
    """So is a name."""
    found, _ = await read("user { associateId name }", {"User": {"Name": "ada"}})

    assert found["user"] == {"associateId": None, "name": "ada"}


@pytest.mark.parametrize("odd", [{"AssociateId": "x"}, {"AssociateId": 0, "Name": 4}])
async def test_a_record_with_a_bad_property_is_there_to_tell_of_it(odd: Json) -> None:
    """An error needs a field to stand at."""
    found, answer = await read("user { associateId name }", {"User": odd})

    assert found["user"] is not None
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]
