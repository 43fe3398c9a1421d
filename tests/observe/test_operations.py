"""The names of operations in metrics, traces and the log."""

import pytest

from gateway.observe.operations import LabelNames, OperationNames


def test_a_name_appears_once_it_is_learned() -> None:
    """Before an operation's first success its label is `other`."""
    names = OperationNames()

    assert names.label("Queue") == "other"
    assert names.learn("Queue") == "Queue"
    assert names.label("Queue") == "Queue"


def test_anonymous_operations_stay_anonymous() -> None:
    """The label of an operation without a name is empty and not `other`."""
    names = OperationNames()

    assert names.label("") == names.learn("") == ""


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("Queue2026", True),
        ("Queue20261", False),
        ("N" * 64, True),
        ("N" * 65, False),
        ("call_4712345678", False),
        ("deadbeef0123456789abcdef", False),
    ],
)
def test_names_that_may_be_data_do_not_appear(name: str, is_shown: bool) -> None:
    """Ids, telephone numbers and tokens are long or have many digits."""
    assert (OperationNames().learn(name) == name) is is_shown


def test_at_most_a_hundred_names_appear() -> None:
    """Invented names cannot create an unlimited number of metrics."""
    names = OperationNames()
    invented = [f"N{index}" for index in range(150)]

    labels = [names.learn(name) for name in invented]

    assert labels == invented[:100] + ["other"] * 50
    assert names.learn("N0") == "N0"


@pytest.mark.parametrize("declared", [{"Queue"}, set()])
def test_declared_names_appear_and_no_others(declared: set[str]) -> None:
    """The label of undeclared names is `other`."""
    names = OperationNames(declared)

    assert names.label("Queue") == ("Queue" if declared else "other")
    assert names.learn("Wallboard") == "other"


def test_names_of_tenants_may_be_numbers() -> None:
    """Names of tenants are not clients' text: SuperOffice has confirmed them."""
    names = LabelNames()

    assert names.label("Cust12345") == "other"
    assert names.learn("Cust12345") == "Cust12345"
