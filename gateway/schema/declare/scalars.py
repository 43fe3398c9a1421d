"""The `DateTime` scalar: dates of the REST API, passed on without losing a digit."""

from typing import Any, NewType, TypeAlias

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.errors import BadUserInputError
from gateway.records import dates

DateTime = NewType("DateTime", str)

Declared: TypeAlias = Any
"""The type of a field's declaration: the annotation beside it is the field's own type."""


def described(description: str) -> Declared:
    """Declare a field that a resolver sets."""
    return strawberry.field(description=description)


def _parse_input(value: object) -> DateTime:
    try:
        return DateTime(dates.normalise_input(value if isinstance(value, str) else ""))
    except ValueError as exc:
        example = "2026-01-31T17:46:13, 2026-01-31T16:46:13Z or 2026-01-31T17:46:13+01:00"
        raise BadUserInputError(f"A DateTime is written like {example}.") from exc


SCALARS: dict[object, ScalarDefinition] = {
    DateTime: strawberry.scalar(
        name="DateTime",
        description=(
            "A date and time in ISO 8601 as SuperOffice sent it: `2026-01-31T17:46:13`. It has a "
            "fraction of up to seven digits if that is not zero. It has `Z` or an offset such as "
            "`+01:00` only if the `SO-TimeZone` header asks for one: send "
            "`SO-TimeZone: UTC, includeTZOffset`. A time without an offset is local time, in the "
            "zone of the tenant or of its server, or in the zone that `SO-TimeZone` names. Unset "
            "dates are null. `9999-12-31T23:59:59.9999999` means never."
        ),
        serialize=str,
        parse_value=_parse_input,
        specified_by_url="https://www.iso.org/iso-8601-date-and-time-format.html",
    )
}
