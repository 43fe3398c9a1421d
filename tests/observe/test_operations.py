"""Which names of operations are told."""

import pytest

from gateway.observe.operations import OperationNames


def test_a_name_is_told_once_it_was_learned() -> None:
    """Before its first success it is one of the others."""
    names = OperationNames()

    assert names.told("Queue") == "other"
    assert names.learn("Queue") == "Queue"
    assert names.told("Queue") == "Queue"


def test_an_operation_without_a_name_stays_so() -> None:
    """It is told apart from those whose name is not told."""
    names = OperationNames()

    assert names.told("") == names.learn("") == ""


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("Queue2026", True),
        ("Queue20261", False),
        ("N" * 64, True),
        ("N" * 65, False),
        ("call_4712345678", False),
        ("deadbeef0123456789abcdef", False),
    ],
)
def test_what_looks_like_data_is_not_told(name: str, is_told: bool) -> None:
    """Ids, telephone numbers and tokens are long or have many digits."""
    assert (OperationNames().learn(name) == name) is is_told


def test_a_hundred_names_are_told() -> None:
    """A client that makes up names cannot make up metrics without end."""
    names = OperationNames()
    made_up = [f"N{index}" for index in range(150)]

    told = [names.learn(name) for name in made_up]

    assert told == made_up[:100] + ["other"] * 50
    assert names.learn("N0") == "N0"


@pytest.mark.parametrize("declared", [{"Queue"}, set()])
def test_declared_names_are_told_and_no_others(declared: set[str]) -> None:
    """However well another one looks."""
    names = OperationNames(declared)

    assert names.told("Queue") == ("Queue" if declared else "other")
    assert names.learn("Wallboard") == "other"
