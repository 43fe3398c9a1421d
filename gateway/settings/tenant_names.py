"""Names of the tenants of SuperOffice Online: `Cust` and a number."""

import re

_NAME = re.compile(r"cust([0-9]{1,10})", re.ASCII | re.IGNORECASE)


def canonical_tenant(name: str) -> str | None:
    """Return the name as SuperOffice writes it, `Cust12345`; None if it is invalid."""
    match = _NAME.fullmatch(name)
    return f"Cust{match[1]}" if match else None
