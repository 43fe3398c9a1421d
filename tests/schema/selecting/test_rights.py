"""Rights, decoded from their masks."""

from itertools import combinations
from typing import Any

import pytest

from gateway.schema.entities.access import FIELD_RIGHTS, TABLE_RIGHTS, has_right
from tests.schema.selecting.desk import Desk

# What each name of .NET's flags stands for: the rights to read, update, insert and delete.
TABLE = {
    "None": "",
    "Select": "R",
    "R": "R",
    "Update": "U",
    "UR": "UR",
    "Insert": "I",
    "RI": "RI",
    "URI": "URI",
    "Delete": "D",
    "UDR": "UDR",
    "FULL": "URID",
    "Filtering": "",
    "F": "",
    "RF": "R",
    "FI": "I",
    "RestrictedUpdate": "",
    "URU": "U",
    "WRITE": "UI",
    "Unused1": "",
}
# The rights to read and write, and whether the field is mandatory or nullable.
FIELD = {
    "None": "",
    "Read": "R",
    "Write": "W",
    "Update": "RW",
    "FULL": "RW",
    "Unused1": "",
    "Unused2": "",
    "Unused3": "",
    "Unused4": "N",
    "Nullable": "N",
    "UIHintMandatory": "M",
    "UIHintReadOnly": "",
    "UIHints": "M",
}


async def table_right(mask: object) -> Any:
    """Return a table right as the gateway shows it."""
    query = "{ chatSessions { tableRight { mask canRead canUpdate canInsert canDelete } } }"
    data = await Desk([{"TableRight": {"Mask": mask, "Reason": ""}}]).ask(query)
    return data["chatSessions"][0]["tableRight"]


async def field_right(mask: object) -> Any:
    """Return a field right as the gateway shows it."""
    query = """{ chatSessions { fieldProperties {
      fieldRight { mask canRead canWrite isMandatory isNullable } } } }"""
    right = {"FieldRight": {"Mask": mask, "Reason": ""}}
    data = await Desk([{"FieldProperties": {"Text": right}}]).ask(query)
    return data["chatSessions"][0]["fieldProperties"][0]["fieldRight"]


def table(mask: object, rights: str | None) -> Any:
    """Return what a table right should be; None where nothing can be told."""
    fields = {"canRead": "R", "canUpdate": "U", "canInsert": "I", "canDelete": "D"}
    told = {name: None if rights is None else letter in rights for name, letter in fields.items()}
    return {"mask": mask, **told}


def field(mask: object, rights: str | None) -> Any:
    """Return what a field right should be; None where nothing can be told."""
    fields = {"canRead": "R", "canWrite": "W", "isMandatory": "M", "isNullable": "N"}
    told = {name: None if rights is None else letter in rights for name, letter in fields.items()}
    return {"mask": mask, **told}


def test_every_name_is_in_the_tables_above() -> None:
    """A name that is added is tested too."""
    assert set(TABLE) | {"Uninitialized"} == set(TABLE_RIGHTS)
    assert set(FIELD) == set(FIELD_RIGHTS)


@pytest.mark.parametrize("mask", TABLE)
async def test_a_table_right_is_known_by_its_name(mask: str) -> None:
    """One name may stand for several rights."""
    assert await table_right(mask) == table(mask, TABLE[mask])


@pytest.mark.parametrize("mask", FIELD)
async def test_a_field_right_is_known_by_its_name(mask: str) -> None:
    """`FULL` and `Update` are one and the same."""
    assert await field_right(mask) == field(mask, FIELD[mask])


@pytest.mark.parametrize("mask", TABLE)
@pytest.mark.parametrize("form", [int, str])
async def test_a_table_right_is_known_by_its_number(mask: str, form: type) -> None:
    """As a JSON number or as digits; the mask is text either way."""
    number = TABLE_RIGHTS[mask]

    assert await table_right(form(number)) == table(str(number), TABLE[mask])


@pytest.mark.parametrize("mask", FIELD)
@pytest.mark.parametrize("form", [int, str])
async def test_a_field_right_is_known_by_its_number(mask: str, form: type) -> None:
    """As a JSON number or as digits; the mask is text either way."""
    number = FIELD_RIGHTS[mask]

    assert await field_right(form(number)) == field(str(number), FIELD[mask])


@pytest.mark.parametrize("pair", list(combinations(["R", "Update", "Insert", "UDR", "FI"], 2)))
@pytest.mark.parametrize("comma", [", ", ",", " , "])
async def test_a_list_of_names_gives_the_rights_of_each(pair: tuple[str, str], comma: str) -> None:
    """As .NET writes flags that have no name together, with or without the space."""
    mask = comma.join(pair)

    assert await table_right(mask) == table(mask, "".join(TABLE[name] for name in pair))


@pytest.mark.parametrize(
    ("mask", "rights"),
    [
        ("RI, RestrictedUpdate", "RI"),
        ("None, R", "R"),
        ("1, 2", "UR"),
        ("R, 8", "RD"),
        ("FULL, FULL", "URID"),
        ("79", "URID"),
    ],
)
async def test_lists_may_mix_names_and_numbers(mask: str, rights: str) -> None:
    """Bits that stand for nothing we show do no harm."""
    assert await table_right(mask) == table(mask, rights)


@pytest.mark.parametrize(
    ("mask", "rights"),
    [
        ("Update, UIHintMandatory", "RWM"),
        ("Read, Nullable", "RN"),
        ("99", "RWMN"),
        ("3, 64", "RWM"),
    ],
)
async def test_hints_come_beside_rights(mask: str, rights: str) -> None:
    """Real answers say `Update, UIHintMandatory`."""
    assert await field_right(mask) == field(mask, rights)


@pytest.mark.parametrize("mask", ["Uninitialized", "128", 129, "FULL, Uninitialized", "143"])
async def test_rights_that_were_not_looked_up_tell_nothing(mask: object) -> None:
    """Whatever stands beside it."""
    assert await table_right(mask) == table(str(mask), None)


@pytest.mark.parametrize("mask", [None, "", "Approve", "full", "-1", -2, "1.0", "²", "R;U"])
async def test_a_mask_that_is_not_understood_tells_nothing(mask: object) -> None:
    """Neither that there is a right nor that there is none."""
    shown = mask if mask is None else str(mask)

    assert await table_right(mask) == table(shown, None)
    assert await field_right(mask) == field(shown, None)


@pytest.mark.parametrize("mask", ["R, Approve", "Approve, R", "Approve,R,"])
async def test_a_name_that_is_not_known_takes_no_right_away(mask: str) -> None:
    """It may stand for the others, so these are null and not false."""
    assert await table_right(mask) == {**table(mask, None), "canRead": True}


@pytest.mark.parametrize("mask", ["9" * 30, 2**31 - 1])
async def test_a_large_number_has_all_bits_or_some(mask: object) -> None:
    """No number breaks anything."""
    assert (await field_right(mask))["mask"] == str(mask)


async def test_a_malformed_mask_is_an_error_at_each_field_that_reads_it() -> None:
    """Null alone would look like "the mask does not tell"."""
    desk = Desk([{"TableRight": {"Mask": ["FULL"], "Reason": "x"}}])

    result = await desk.answer("{ chatSessions { tableRight { mask canRead reason } } }")

    paths = [error.path[-1] for error in result.errors]
    assert sorted(paths) == ["canRead", "mask"]
    assert result.data["chatSessions"][0]["tableRight"]["reason"] == "x"


@pytest.mark.parametrize("right", [None, {}])
async def test_no_right_is_null(right: object) -> None:
    """Then the caller's rights are simply not known."""
    data = await Desk([{"TableRight": right}]).ask("{ chatSessions { tableRight { canRead } } }")

    assert data == {"chatSessions": [{"tableRight": None}]}


def test_a_number_that_no_mask_can_be_is_an_unknown_name() -> None:
    """Not even one that Python refuses to read."""
    assert has_right("9" * 5000, 1, TABLE_RIGHTS) is None
