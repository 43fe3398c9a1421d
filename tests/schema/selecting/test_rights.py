"""Rights, decoded from their masks."""

from itertools import combinations
from typing import Any

import pytest

from gateway.schema.entities.access import FIELD_RIGHTS, TABLE_RIGHTS, has_right
from tests.schema.selecting.desk import Desk

# The rights of each of .NET's flags: read, update, insert and delete.
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
# The rights of each flag: read and write; and the hints mandatory and nullable.
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
    """Return a table right from the gateway."""
    query = "{ chatSessions { tableRight { mask canRead canUpdate canInsert canDelete } } }"
    data = await Desk([{"TableRight": {"Mask": mask, "Reason": ""}}]).ask(query)
    return data["chatSessions"][0]["tableRight"]


async def field_right(mask: object) -> Any:
    """Return a field right from the gateway."""
    query = """{ chatSessions { fieldProperties {
      fieldRight { mask canRead canWrite isMandatory isNullable } } } }"""
    right = {"FieldRight": {"Mask": mask, "Reason": ""}}
    data = await Desk([{"FieldProperties": {"Text": right}}]).ask(query)
    return data["chatSessions"][0]["fieldProperties"][0]["fieldRight"]


def table(mask: object, rights: str | None) -> Any:
    """Return the expected table right; with `rights` None all are unknown."""
    fields = {"canRead": "R", "canUpdate": "U", "canInsert": "I", "canDelete": "D"}
    flags = {name: None if rights is None else letter in rights for name, letter in fields.items()}
    return {"mask": mask, **flags}


def field(mask: object, rights: str | None) -> Any:
    """Return the expected field right; with `rights` None all are unknown."""
    fields = {"canRead": "R", "canWrite": "W", "isMandatory": "M", "isNullable": "N"}
    flags = {name: None if rights is None else letter in rights for name, letter in fields.items()}
    return {"mask": mask, **flags}


def test_every_name_is_in_the_tables_above() -> None:
    """A new name is tested too."""
    assert set(TABLE) | {"Uninitialized"} == set(TABLE_RIGHTS)
    assert set(FIELD) == set(FIELD_RIGHTS)


@pytest.mark.parametrize("mask", TABLE)
async def test_a_table_right_is_known_by_its_name(mask: str) -> None:
    """One name may mean several rights."""
    assert await table_right(mask) == table(mask, TABLE[mask])


@pytest.mark.parametrize("mask", FIELD)
async def test_a_field_right_is_known_by_its_name(mask: str) -> None:
    """`FULL` and `Update` mean the same."""
    assert await field_right(mask) == field(mask, FIELD[mask])


@pytest.mark.parametrize("mask", TABLE)
@pytest.mark.parametrize("form", [int, str])
async def test_a_table_right_is_known_by_its_number(mask: str, form: type) -> None:
    """The number may be a JSON number or digits; the mask is text in both cases."""
    number = TABLE_RIGHTS[mask]

    assert await table_right(form(number)) == table(str(number), TABLE[mask])


@pytest.mark.parametrize("mask", FIELD)
@pytest.mark.parametrize("form", [int, str])
async def test_a_field_right_is_known_by_its_number(mask: str, form: type) -> None:
    """The number may be a JSON number or digits; the mask is text in both cases."""
    number = FIELD_RIGHTS[mask]

    assert await field_right(form(number)) == field(str(number), FIELD[mask])


@pytest.mark.parametrize("pair", list(combinations(["R", "Update", "Insert", "UDR", "FI"], 2)))
@pytest.mark.parametrize("comma", [", ", ",", " , "])
async def test_a_list_of_names_gives_the_rights_of_each(pair: tuple[str, str], comma: str) -> None:
    """.NET writes combined flags without a common name like this, with or without the space."""
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
    """Bits without a meaning for us are ignored."""
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
async def test_hints_can_be_combined_with_rights(mask: str, rights: str) -> None:
    """Real answers have `Update, UIHintMandatory`."""
    assert await field_right(mask) == field(mask, rights)


@pytest.mark.parametrize("mask", ["Uninitialized", "128", 129, "FULL, Uninitialized", "143"])
async def test_rights_that_were_not_looked_up_are_unknown(mask: object) -> None:
    """Other flags in the same mask make no difference."""
    assert await table_right(mask) == table(str(mask), None)


@pytest.mark.parametrize("mask", [None, "", "Approve", "full", "-1", -2, "1.0", "²", "R;U"])
async def test_an_invalid_mask_has_unknown_rights(mask: object) -> None:
    """Rights are null, and neither true nor false."""
    shown = mask if mask is None else str(mask)

    assert await table_right(mask) == table(shown, None)
    assert await field_right(mask) == field(shown, None)


@pytest.mark.parametrize("mask", ["R, Approve", "Approve, R", "Approve,R,"])
async def test_an_unknown_name_makes_other_rights_unknown(mask: str) -> None:
    """An unknown name may mean the other rights, so these are null and not false."""
    assert await table_right(mask) == {**table(mask, None), "canRead": True}


@pytest.mark.parametrize("mask", ["9" * 30, 2**31 - 1])
async def test_a_large_number_is_accepted(mask: object) -> None:
    """No number breaks the decoding."""
    assert (await field_right(mask))["mask"] == str(mask)


async def test_a_malformed_mask_is_an_error_at_each_field_that_reads_it() -> None:
    """Null alone would mean that the mask does not determine the right."""
    desk = Desk([{"TableRight": {"Mask": ["FULL"], "Reason": "x"}}])

    result = await desk.answer("{ chatSessions { tableRight { mask canRead reason } } }")

    paths = [error.path[-1] for error in result.errors]
    assert sorted(paths) == ["canRead", "mask"]
    assert result.data["chatSessions"][0]["tableRight"]["reason"] == "x"


@pytest.mark.parametrize("right", [None, {}])
async def test_a_missing_right_is_null(right: object) -> None:
    """The caller's rights are then unknown."""
    data = await Desk([{"TableRight": right}]).ask("{ chatSessions { tableRight { canRead } } }")

    assert data == {"chatSessions": [{"tableRight": None}]}


def test_a_number_too_large_for_python_is_an_unknown_name() -> None:
    """Python refuses to parse so many digits."""
    assert has_right("9" * 5000, 1, TABLE_RIGHTS) is None


def test_a_mask_of_many_words_is_read_in_part() -> None:
    """A right among the first hundred words is granted, any other is unknown."""
    mask = "Select," * 1_000 + "Update"

    assert has_right(mask, TABLE_RIGHTS["Select"], TABLE_RIGHTS) is True
    assert has_right(mask, TABLE_RIGHTS["Update"], TABLE_RIGHTS) is None
