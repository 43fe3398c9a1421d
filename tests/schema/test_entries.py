"""The REST API's maps as lists of entries, complete or only with given names."""

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
    """Query a map with entries a, b, c and d for its names."""
    link, session = MAPS[field]
    selection = f"{field}{arguments} {{ name }}"
    query = f"{{ chatSessions {{ {f'{link} {{ {selection} }}' if link else selection} }} }}"
    if variables is not None:
        query = f"query ($names: [String!]) {query}"
    answer = await ask(query, [session], variables)
    assert answer.errors == []
    fields = answer.data["chatSessions"][0]
    entries = (fields[link] if link else fields)[field]
    return None if entries is None else "".join(entry["name"] for entry in entries)


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
async def test_names_select_entries(field: str, arguments: str, names: str) -> None:
    """Entries keep the REST API's order, unknown names are skipped, and no argument means all."""
    assert await names_of(field, arguments) == names


@pytest.mark.parametrize("field", MAPS)
@pytest.mark.parametrize(
    ("variables", "names"),
    [({}, "abcd"), ({"names": None}, "abcd"), ({"names": ["c"]}, "c")],
    ids=str,
)
async def test_names_may_come_from_a_variable(field: str, variables: Json, names: str) -> None:
    """An omitted variable is an omitted argument."""
    assert await names_of(field, "(names: $names)", variables) == names


@pytest.mark.parametrize("rest_name", ["CustomFields", "ExtraFields"])
async def test_texts_are_entries_with_their_value(rest_name: str) -> None:
    """The value stays encoded, a missing one is null, and the display text is a separate field."""
    field = f"{rest_name[0].lower()}{rest_name[1:]}"
    selection = f"user {{ {field} {{ name value displayText }} }}"

    session, _ = await read(selection, {"User": {rest_name: TEXTS}})

    assert session["user"][field] == [
        {"name": name, "value": value, "displayText": TEXTS.get(f"{name}:DisplayText")}
        for name, value in TEXTS.items()
        if not name.endswith(":DisplayText")
    ]


@pytest.mark.parametrize("neighbour", [4, "odd"], ids=["strict", "tolerant"])
async def test_a_null_entry_is_omitted(neighbour: object) -> None:
    """The REST API then describes no field, whatever the other values are."""
    session, _ = await read(
        "fieldProperties { name }", {"TopicId": neighbour, "FieldProperties": {"a": None, "b": {}}}
    )

    assert session["fieldProperties"] == [{"name": "b"}]


async def test_an_empty_map_is_an_empty_list() -> None:
    """No entries are not the same as no map."""
    session, _ = await read("fieldProperties { name }", {"FieldProperties": {}})

    assert session["fieldProperties"] == []


@pytest.mark.parametrize("arguments", ["", '(names: ["a"])'])
async def test_a_missing_map_is_null(arguments: str) -> None:
    """A missing map is null even if names are given."""
    session, _ = await read(f"fieldProperties{arguments} {{ name }}", {"FieldProperties": None})

    assert session["fieldProperties"] is None


async def test_selecting_names_of_an_invalid_map_is_an_error() -> None:
    """Selecting entries does not hide the error."""
    _, answer = await read('fieldProperties(names: ["a"]) { name }', {"FieldProperties": 4})

    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]


@pytest.mark.parametrize(
    "name", ["", " ", "UserDefinedFields.SuperOffice:1", "#name", "é🎄", "__x"]
)
async def test_an_entrys_name_may_be_any_text(name: str) -> None:
    """Keys are data in SuperOffice, and not names of fields."""
    session, _ = await read(
        "fieldProperties { name fieldRight { mask reason } }",
        {"FieldProperties": {name: {"FieldRight": RIGHTS}}},
    )

    assert session["fieldProperties"] == [
        {"name": name, "fieldRight": {"mask": "FULL", "reason": ""}}
    ]


async def test_a_lone_surrogate_in_a_name_is_replaced() -> None:
    """Lone surrogates are replaced in names as in values."""
    session, _ = await read("fieldProperties { name }", r'{"FieldProperties": {"a\ud83d": {}}}')

    assert session["fieldProperties"] == [{"name": "a\N{REPLACEMENT CHARACTER}"}]
