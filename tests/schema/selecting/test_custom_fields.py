"""Custom fields: the display text of a value is part of its entry."""

from typing import Any

import pytest

from tests.schema.selecting.desk import Desk, Json

FIELDS = [("customFields", "CustomFields"), ("extraFields", "ExtraFields")]
both = pytest.mark.parametrize(("field", "rest"), FIELDS)


async def entries(field: str, values: Json, rest: str, arguments: str = "") -> Any:
    """Return the entries of an agent's map as tuples of name, value and display text."""
    desk = Desk([{"User": {"AssociateId": 7, rest: values}}])
    query = f"{{ chatSessions {{ user {{ {field}{arguments} {{ name value displayText }} }} }} }}"
    rows = (await desk.ask(query))["chatSessions"][0]["user"][field]
    return [tuple(entry.values()) for entry in rows]


@both
async def test_a_display_text_is_part_of_its_values_entry(field: str, rest: str) -> None:
    """SuperOffice sends it as a separate property, which is no field of its own."""
    values = {"x:1": "[I:14]", "x:1:DisplayText": "Gold", "x:2": "plain"}

    assert await entries(field, values, rest) == [
        ("x:1", "[I:14]", "Gold"),
        ("x:2", "plain", None),
    ]


@both
async def test_the_display_text_may_come_before_the_value(field: str, rest: str) -> None:
    """JSON objects have no order; entries keep that of the values."""
    values = {"b:DisplayText": "Bee", "a": "1", "b": "2", "a:DisplayText": "Ay"}

    assert await entries(field, values, rest) == [("a", "1", "Ay"), ("b", "2", "Bee")]


@both
@pytest.mark.parametrize("name", ["x:DisplayText", ":DisplayText"])
async def test_a_display_text_without_a_value_is_an_entry(field: str, rest: str, name: str) -> None:
    """No property that SuperOffice sends is lost."""
    assert await entries(field, {name: "Gold"}, rest) == [(name, "Gold", None)]


@both
async def test_value_or_display_text_may_be_null(field: str, rest: str) -> None:
    """A value may be null while its display text is not, and the other way round."""
    values = {"a": None, "a:DisplayText": "none", "b": "[I:0]", "b:DisplayText": None}

    assert await entries(field, values, rest) == [("a", None, "none"), ("b", "[I:0]", None)]


@both
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", ["a", "b", "c"]),
        ("(names: null)", ["a", "b", "c"]),
        ("(names: [])", []),
        ('(names: ["b"])', ["b"]),
        ('(names: "b")', ["b"]),
        ('(names: ["c", "a", "c", "zzz"])', ["a", "c"]),
        ('(names: ["a:DisplayText"])', []),
    ],
)
async def test_names_select_entries(field: str, rest: str, names: str, expected: list[str]) -> None:
    """Entries keep the REST API's order; an unknown name selects nothing."""
    values = {"a": "1", "a:DisplayText": "one", "b": "2", "c": "3"}

    assert [name for name, _, _ in await entries(field, values, rest, names)] == expected


async def test_a_selected_entry_has_its_display_text() -> None:
    """The display text belongs to the entry, so it need not be named."""
    values = {"a": "1", "a:DisplayText": "one"}

    assert await entries("customFields", values, "CustomFields", '(names: ["a"])') == [
        ("a", "1", "one")
    ]
