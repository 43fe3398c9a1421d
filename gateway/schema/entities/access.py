"""The caller's rights to an object and its fields, and the entries of JSON maps.

Rights are masks: .NET flags written as names, numbers, or a comma list of either.
"""

from collections.abc import Mapping
from functools import partial

from gateway.records.record import Malformed
from gateway.schema.declare.entity import derived, entity, entries, prop, stamped
from gateway.schema.declare.scalars import Declared

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

_MOST_WORDS = 100
"""The words of a mask that are read; the rest counts as one unknown word."""


def has_right(
    mask: str | Malformed | None, bit: int, names: Mapping[str, int]
) -> bool | Malformed | None:
    """Return whether a mask grants a right; None if that is unknown.

    An unknown name may include the right: with one, the result is never False.
    """
    if mask is None or isinstance(mask, Malformed):
        return mask
    granted, is_known = 0, True
    for word in (word.strip() for word in mask.split(",", _MOST_WORDS)):
        is_number = word.isascii() and word.isdigit() and len(word) < 11
        value = int(word) if is_number else names.get(word)
        is_known = is_known and value is not None
        granted |= value or 0
    if names is TABLE_RIGHTS and granted & _UNINITIALIZED:
        return None
    return True if granted & bit else (False if is_known else None)


def _right(names: Mapping[str, int], name: str, description: str) -> Declared:
    def read(record: "TableRight | FieldRight") -> bool | Malformed | None:
        return has_right(record.mask, names[name], names)

    return derived(read, f"{description} Null if the mask does not say.")


_on_table = partial(_right, TABLE_RIGHTS)
_on_field = partial(_right, FIELD_RIGHTS)


@entity("The caller's rights to an object as a whole.")
class TableRight:
    mask: str | None = prop(
        "The rights, by SuperOffice's names: one such as `FULL` or `URI`, or several joined by a "
        "comma and a space, such as `RI, RestrictedUpdate`; it may also be a number.",
        may_be_number=True,
    )
    can_read: bool | None = _on_table("Select", "Whether it may be read.")
    can_update: bool | None = _on_table(
        "Update",
        "Whether it may be changed. False with `RestrictedUpdate` alone: then some of its fields "
        "may be changed, see `fieldProperties`.",
    )
    can_insert: bool | None = _on_table("Insert", "Whether new ones may be created.")
    can_delete: bool | None = _on_table("Delete", "Whether it may be deleted.")
    reason: str | None = prop(
        "Why something is not allowed. Without a language header it may be a resource id in "
        "square brackets."
    )


@entity("The caller's rights to one field.")
class FieldRight:
    mask: str | None = prop(
        "The rights, by SuperOffice's names: `FULL` or `Update` (the same), `Read`, `None`, or "
        "several joined by a comma and a space, such as `Update, UIHintMandatory`; it may also be "
        "a number.",
        may_be_number=True,
    )
    can_read: bool | None = _on_field("Read", "Whether it may be read.")
    can_write: bool | None = _on_field(
        "Write",
        "Whether it may be changed. With `UIHintReadOnly` in the mask, forms should show it as "
        "read-only even so.",
    )
    is_mandatory: bool | None = _on_field("UIHintMandatory", "Whether it has to be filled in.")
    is_nullable: bool | None = _on_field("Nullable", "Whether it may be empty.")
    reason: str | None = prop(
        "Why something is not allowed or required. Without a language header it may be a "
        "resource id such as `[SR_MANDATORY_FIELD_1281]`."
    )


@entity("Rights, type and size of one field of an object.")
class FieldProperty:
    name: str = stamped(
        "The field's name in SuperOffice. Often not the name of a field in this schema: "
        "`UrlAddress` and `Phone` on a contact, `UserDefinedFields.SuperOffice:1` elsewhere."
    )
    field_right: FieldRight | None = prop("The caller's rights to the field.")
    field_type: str | None = prop("The .NET name of its type, for example `System.String`.")
    field_length: int | None = prop(
        "Its maximum length in characters, or its size in bytes; 0 or -1 = not applicable."
    )


class Rights:
    """The caller's rights, which nearly all types have."""

    table_right: TableRight | None = prop("The caller's rights to this object as a whole.")
    field_properties: list[FieldProperty] | None = entries(
        "Rights, type and size per field, by SuperOffice's field names, not this schema's. Unknown "
        "`names` are skipped."
    )


class WebAddress:
    """A web address and its text."""

    url: str | None = prop(
        "Web address, as typed. It may lack a scheme (`www.example.com`): check before linking.",
        rest="URL",
    )
    url_name: str | None = prop(
        "Text to show instead of the web address; often null.", rest="URLName"
    )


def erp_links(name: str) -> Declared:
    """Declare the number of ERP systems; `name` is the object's name in the description."""
    return prop(f"How many ERP systems the {name} is synchronised with; 0 = none.")


class _Text:
    name: str = stamped("The field's name in SuperOffice.")
    value: str | None = stamped("The value as SuperOffice encodes it: `[I:14]`.")
    display_text: str | None = stamped("The value in words, if SuperOffice sends them.")


@entity("One custom field of an object.")
class CustomField(_Text):
    """A text under the name of a custom field."""


@entity("One extra field of an object. SuperOffice has replaced them with custom fields.")
class ExtraField(_Text):
    """A text under the name of an extra field."""


# The description of texts from the tenant's lists.
LIST_TEXT = (
    "Localised. Without `Accept-Language`, it can hold all languages in one string: "
    '`NO:"Leverandør";US:"Supplier"`.'
)
