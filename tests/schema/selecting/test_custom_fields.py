"""Custom fields: the words of a value stand beside it, not after it."""

from typing import Any

import pytest

from tests.schema.selecting.desk import Desk, Json

FIELDS = [("customFields", "CustomFields"), ("extraFields", "ExtraFields")]
both = pytest.mark.parametrize(("field", "rest"), FIELDS)


async def entries(field: str, values: Json, rest: str, arguments: str = "") -> Any:
    """Return the entries of an agent's map of texts, as name, value and words."""
    desk = Desk([{"User": {"AssociateId": 7, rest: values}}])
    query = f"{{ chatSessions {{ user {{ {field}{arguments} {{ name value displayText }} }} }} }}"
    listed = (await desk.ask(query))["chatSessions"][0]["user"][field]
    return [tuple(entry.values()) for entry in listed]


@both
async def test_the_words_of_a_value_are_part_of_its_entry(field: str, rest: str) -> None:
    """REST sends them as a sibling; as an entry of its own it would be no field."""
    values = {"x:1": "[I:14]", "x:1:DisplayText": "Gold", "x:2": "plain"}

    assert await entries(field, values, rest) == [
        ("x:1", "[I:14]", "Gold"),
        ("x:2", "plain", None),
    ]


@both
async def test_the_words_may_come_first(field: str, rest: str) -> None:
    """JSON objects have no order; entries keep that of the values."""
    values = {"b:DisplayText": "Bee", "a": "1", "b": "2", "a:DisplayText": "Ay"}

    assert await entries(field, values, rest) == [("a", "1", "Ay"), ("b", "2", "Bee")]


@both
@pytest.mark.parametrize("name", ["x:DisplayText", ":DisplayText"])
async def test_words_without_a_value_are_an_entry(field: str, rest: str, name: str) -> None:
    """Nothing that REST sends is lost."""
    assert await entries(field, {name: "Gold"}, rest) == [(name, "Gold", None)]


@both
async def test_a_value_may_be_null_beside_its_words(field: str, rest: str) -> None:
    """And the words beside the value."""
    values = {"a": None, "a:DisplayText": "none", "b": "[I:0]", "b:DisplayText": None}

    assert await entries(field, values, rest) == [("a", None, "none"), ("b", "[I:0]", None)]


@both
@pytest.mark.parametrize(
    ("names", "found"),
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
async def test_names_pick_entries(field: str, rest: str, names: str, found: list[str]) -> None:
    """In REST's order; a name that is not there picks nothing."""
    values = {"a": "1", "a:DisplayText": "one", "b": "2", "c": "3"}

    assert [name for name, _, _ in await entries(field, values, rest, names)] == found


async def test_a_picked_entry_has_its_words() -> None:
    """They belong to it, so they need not be named."""
    values = {"a": "1", "a:DisplayText": "one"}

    assert await entries("customFields", values, "CustomFields", '(names: ["a"])') == [
        ("a", "1", "one")
    ]
