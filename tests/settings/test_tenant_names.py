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
def test_a_name_is_written_as_superoffice_writes_it(written: str, name: str) -> None:
    """In any case; its digits stay as they are."""
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
        "Cu\u017ft1",  # a long s, which in small letters is an s
        "Cust\u0661",  # an Arabic one
        "xCust1",
    ],
)
def test_what_is_no_name_has_none(written: str) -> None:
    """It goes into an address, so nothing but letters and digits gets through."""
    assert canonical_tenant(written) is None
