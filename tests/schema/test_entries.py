"""REST's maps: lists of entries, whole or only those that are named."""

import pytest

from tests.schema.asking import Json, ask, read

TEXTS = {"SuperOffice:1": "[I:14]", "SuperOffice:1:DisplayText": "14", "x_empty": "", "x": None}
RIGHTS: Json = {"Mask": "FULL", "Reason": ""}
MAPS = {
    "fieldProperties": ("", {"FieldProperties": {name: {"FieldType": "T"} for name in "abcd"}}),
    "customFields": ("user", {"User": {"CustomFields": dict.fromkeys("abcd", "T")}}),
    "extraFields": ("user", {"User": {"ExtraFields": dict.fromkeys("abcd", "T")}}),
}


async def names_of(field: str, arguments: str, variables: Json | None = None) -> object:
    """Ask a map with entries a, b, c and d for its names."""
    link, session = MAPS[field]
    selection = f"{field}{arguments} {{ name }}"
    query = f"{{ chatSessions {{ {f'{link} {{ {selection} }}' if link else selection} }} }}"
    if variables is not None:
        query = f"query ($names: [String!]) {query}"
    answer = await ask(query, [session], variables)
    assert answer.errors == []
    found = answer.data["chatSessions"][0]
    listed = (found[link] if link else found)[field]
    return None if listed is None else "".join(entry["name"] for entry in listed)


@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("", "abcd"),
        ("(names: null)", "abcd"),
        ("(names: [])", ""),
        ('(names: ["b"])', "b"),
        ('(names: ["d", "b"])', "bd"),
        ('(names: ["b", "b"])', "b"),
        ('(names: "b")', "b"),
        ('(names: ["B", "nope", "", "c"])', "c"),
    ],
)
async def test_names_pick_entries(field: str, arguments: str, names: str) -> None:
    """In REST's order; a name that is not there is skipped, and no argument means all."""
    assert await names_of(field, arguments) == names


@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize(
    ("variables", "names"), [({}, "abcd"), ({"names": None}, "abcd"), ({"names": ["c"]}, "c")]
)
async def test_names_may_come_from_a_variable(field: str, variables: Json, names: str) -> None:
    """A variable that is left out is an argument that is left out."""
    assert await names_of(field, "(names: $names)", variables) == names


@pytest.mark.parametrize("rest_name", ["CustomFields", "ExtraFields"])
async def test_texts_are_entries_with_their_value(rest_name: str) -> None:
    """As REST encodes it; no text is null, and what a value means in words stands beside it."""
    field = f"{rest_name[0].lower()}{rest_name[1:]}"
    selection = f"user {{ {field} {{ name value displayText }} }}"

    session, _ = await read(selection, {"User": {rest_name: TEXTS}})

    assert session["user"][field] == [
        {"name": name, "value": value, "displayText": TEXTS.get(f"{name}:DisplayText")}
        for name, value in TEXTS.items()
        if not name.endswith(":DisplayText")
    ]


@pytest.mark.parametrize("neighbour", [4, "odd"], ids=["strict", "tolerant"])
async def test_an_entry_that_is_null_is_left_out(neighbour: object) -> None:
    """Whatever stands beside it: REST describes no such field."""
    session, _ = await read(
        "fieldProperties { name }", {"TopicId": neighbour, "FieldProperties": {"a": None, "b": {}}}
    )

    assert session["fieldProperties"] == [{"name": "b"}]


async def test_an_empty_map_is_an_empty_list() -> None:
    """REST sends no entries, which is not the same as no map."""
    session, _ = await read("fieldProperties { name }", {"FieldProperties": {}})

    assert session["fieldProperties"] == []


@pytest.mark.parametrize("arguments", ["", '(names: ["a"])'])
async def test_no_map_is_null(arguments: str) -> None:
    """Also where names were asked for."""
    session, _ = await read(f"fieldProperties{arguments} {{ name }}", {"FieldProperties": None})

    assert session["fieldProperties"] is None


async def test_names_of_a_bad_map_give_its_error() -> None:
    """Picking entries hides no fault."""
    _, answer = await read('fieldProperties(names: ["a"]) { name }', {"FieldProperties": 4})

    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]


@pytest.mark.parametrize(
    "name", ["", " ", "UserDefinedFields.SuperOffice:1", "#name", "é🎄", "__x"]
)
async def test_an_entrys_name_is_any_text(name: str) -> None:
    """Keys are data in SuperOffice, not names of fields."""
    session, _ = await read(
        "fieldProperties { name fieldRight { mask reason } }",
        {"FieldProperties": {name: {"FieldRight": RIGHTS}}},
    )

    assert session["fieldProperties"] == [
        {"name": name, "fieldRight": {"mask": "FULL", "reason": ""}}
    ]


async def test_half_a_character_in_a_name_is_replaced() -> None:
    """As it is in values."""
    session, _ = await read("fieldProperties { name }", r'{"FieldProperties": {"a\ud83d": {}}}')

    assert session["fieldProperties"] == [{"name": "a\N{REPLACEMENT CHARACTER}"}]
