"""Rights masks: .NET flags written as names, numbers, or a comma list of either."""

from collections.abc import Mapping

from gateway.records.record import Malformed

TABLE_RIGHTS: Mapping[str, int] = {
    "None": 0,
    "Select": 1,
    "R": 1,
    "Update": 2,
    "UR": 3,
    "Insert": 4,
    "RI": 5,
    "URI": 7,
    "Delete": 8,
    "UDR": 11,
    "FULL": 15,
    "Filtering": 16,
    "F": 16,
    "RF": 17,
    "FI": 20,
    "RestrictedUpdate": 32,
    "URU": 34,
    "WRITE": 38,
    "Unused1": 64,
    "Uninitialized": 128,
}
FIELD_RIGHTS: Mapping[str, int] = {
    "None": 0,
    "Read": 1,
    "Write": 2,
    "Update": 3,
    "FULL": 3,
    "Unused1": 4,
    "Unused2": 8,
    "Unused3": 16,
    "Unused4": 32,
    "Nullable": 32,
    "UIHintMandatory": 64,
    "UIHintReadOnly": 128,
    "UIHints": 192,
}
_UNINITIALIZED = 128
"""On a table: SuperOffice has not determined the rights, so the other bits mean nothing."""


def has_right(
    mask: str | Malformed | None, bit: int, names: Mapping[str, int]
) -> bool | Malformed | None:
    """Tell whether a mask grants a right; None where that is unknown.

    An unknown name may include the right: with one, the result is never False.
    """
    if mask is None or isinstance(mask, Malformed):
        return mask
    granted, is_known = 0, True
    for word in (word.strip() for word in mask.split(",")):
        is_number = word.isascii() and word.isdigit() and len(word) < 11
        value = int(word) if is_number else names.get(word)
        is_known = is_known and value is not None
        granted |= value or 0
    if names is TABLE_RIGHTS and granted & _UNINITIALIZED:
        return None
    return True if granted & bit else (False if is_known else None)
