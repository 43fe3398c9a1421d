"""Names of tenants."""

import pytest

from gateway.settings.tenant_names import canonical_tenant


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Cust12345", "Cust12345"),
        ("cust12345", "Cust12345"),
        ("CUST1", "Cust1"),
        ("Cust0012", "Cust0012"),
        ("Cust1234567890", "Cust1234567890"),
    ],
)
def test_a_name_gets_superoffices_spelling(written: str, name: str) -> None:
    """The case is corrected; the digits are not changed."""
    assert canonical_tenant(written) == name


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Cust",
        "12345",
        "Cust12345678901",
        "Cust-1",
        "Cust1 ",
        "Cust1\n",
        " Cust1",
        "Cust1/../Cust2",
        "Cust1.example.com",
        "Cust1?a=b",
        "Cust1%2f",
        "Cu\u017ft1",  # a long s, which matches an s if case is ignored
        "Cust\u0661",  # an Arabic digit
        "xCust1",
    ],
)
def test_an_invalid_name_is_refused(written: str) -> None:
    """The name becomes part of a URL, so it has only letters and digits."""
    assert canonical_tenant(written) is None
