"""The REST API's ways to write "no value" are all null."""

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
    "TransferTo": {"Rank": 0, "Type": 0, "CustomFields": {"x": "", "x:DisplayText": "", "y": None}},
    "Person": {"Firstname": "", "Retired": 0, "UsePersonAddress": False},
    "Contact": {
        "Name": None,
        "Address": {
            "Wgs84Latitude": 0.0,
            "Wgs84Longitude": 0.0,
            "LocalizedAddress": [[], [{"Name": "PostalCity", "Value": ""}]],
            "Street": {"AtypeIdx": "Unknown", "City": ""},
            "Postal": {},
            "Formatted": "",
            "TableRight": {"Mask": "FULL", "Reason": ""},
        },
        "IsOwnerContact": False,
    },
    "Project": {"Updated": "0001-01-01T00:00:00+00:00", "PublishTo": "0001-01-01T00:00:00Z"},
    "Sale": {"Amount": 0.0, "Status": "Unknown", "SaleDate": "0001-01-01T00:00:00"},
    "Ticket": {"Slevel": "Unknown", "CustId": -1, "CreatedAt": "0001-01-01T00:00:00.0000000-0500"},
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
    """Numbers, booleans and enums that all servers send are errors; other values are just null."""
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
    ids=str,
)
async def test_an_empty_object_is_null(selection: str, session: Json) -> None:
    """SuperOffice's own samples write `{}` for no record, or for no special right."""
    fields, answer = await read(selection, session)

    assert list(fields.values()) == [None]
    assert answer.errors == []


@pytest.mark.parametrize("inner", ["Street", "Postal"])
async def test_an_empty_object_inside_a_record_is_null(inner: str) -> None:
    """An empty object is null at any depth."""
    session = {"Contact": {"ContactId": 7, "Address": {inner: {}, "Formatted": "x"}}}

    fields, _ = await read("contact { address { street { city } postal { city } } }", session)

    assert fields["contact"]["address"] == {"street": None, "postal": None}


@pytest.mark.parametrize("link", LINKS)
async def test_a_blank_record_with_key_0_is_null(link: str) -> None:
    """.NET writes a link to nothing as a record with only zeros, empty texts and unset dates."""
    key = KEYS[LINKS[link]]
    name = f"{link[0].lower()}{link[1:]}"

    fields, answer = await read(
        f"{name} {{ tableRight {{ mask }} }}", {link: {key: 0, **BLANK[link], **RIGHTS}}
    )

    assert (fields[name], answer.errors) == (None, [])


@pytest.mark.parametrize(
    ("link", "value"),
    [
        ("User", {"Name": "ada"}),
        ("User", {"Deleted": True}),
        ("User", {"Type": "InternalAssociate"}),
        ("User", {"CustomFields": {"x": "[I:14]"}}),
        ("User", {"ExtraFields": {"x": "", "x:DisplayText": "y"}}),
        ("User", {"CustomFields": {"x": 4}}),
        ("TransferTo", {"Rank": 1}),
        ("Person", {"Firstname": "Ada"}),
        ("Contact", {"Address": {"Formatted": "x"}}),
        ("Contact", {"Address": {"Wgs84Latitude": 0.1}}),
        ("Contact", {"Address": {"Street": {"City": "x"}}}),
        ("Contact", {"Address": {"LocalizedAddress": [[{"Value": "x"}]]}}),
        ("Contact", {"Address": {"Street": 4}}),
        ("Project", {"Updated": "2026-01-31T17:46:13"}),
        ("Sale", {"Amount": 0.5}),
        ("Ticket", {"CustId": -2}),
    ],
    ids=str,
)
async def test_a_record_with_key_0_and_a_value_is_not_null(link: str, value: Json) -> None:
    """Only a record without any value is null."""
    key = KEYS[LINKS[link]]
    name = f"{link[0].lower()}{link[1:]}"

    fields, _ = await read(
        f"{name} {{ {key[0].lower()}{key[1:]} }}", {link: {key: 0, **BLANK[link], **value}}
    )

    assert fields[name] == {f"{key[0].lower()}{key[1:]}": 0}


async def test_a_record_with_only_a_key_is_not_null() -> None:
    """A key proves that there is a record."""
    fields, _ = await read("user { associateId name }", {"User": {"AssociateId": 7}})

    assert fields["user"] == {"associateId": 7, "name": None}


async def test_a_record_with_only_a_name_is_not_null() -> None:
    """A name proves that there is a record."""
    fields, _ = await read("user { associateId name }", {"User": {"Name": "ada"}})

    assert fields["user"] == {"associateId": None, "name": "ada"}


@pytest.mark.parametrize("odd", [{"AssociateId": "x"}, {"AssociateId": 0, "Name": 4}])
async def test_a_record_with_an_invalid_property_is_not_null(odd: Json) -> None:
    """An error needs a field for its path."""
    fields, answer = await read("user { associateId name }", {"User": odd})

    assert fields["user"] is not None
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]
