"""The caller's rights to an object and its fields, and the entries of JSON maps."""

from collections.abc import Callable, Mapping

from gateway.schema.declare.entity import derived, entity, entries, entry_part, prop
from gateway.schema.entities.rights import FIELD_RIGHTS, TABLE_RIGHTS, has_right

_UNKNOWN = "Null when the mask does not tell."


def _right(name: str, rights: Mapping[str, int]) -> "Callable[[TableRight | FieldRight], object]":
    return lambda record: has_right(record.mask, rights[name], rights)


@entity("What the caller may do with an object as a whole.")
class TableRight:
    mask: str | None = prop(
        "The rights, as REST names them: one name such as `FULL` or `URI`, or several joined by "
        "a comma and a space, such as `RI, RestrictedUpdate`; .NET may write a number.",
        may_be_number=True,
    )
    can_read: bool | None = derived(
        _right("Select", TABLE_RIGHTS), f"Whether it may be read. {_UNKNOWN}"
    )
    can_update: bool | None = derived(
        _right("Update", TABLE_RIGHTS),
        "Whether it may be changed. `RestrictedUpdate` alone does not count: then some of its "
        f"fields may be changed, see `fieldProperties`. {_UNKNOWN}",
    )
    can_insert: bool | None = derived(
        _right("Insert", TABLE_RIGHTS), f"Whether new ones may be made. {_UNKNOWN}"
    )
    can_delete: bool | None = derived(
        _right("Delete", TABLE_RIGHTS), f"Whether it may be deleted. {_UNKNOWN}"
    )
    reason: str | None = prop(
        "Why something is not allowed. Without a language header it may be a resource id in "
        "square brackets."
    )


@entity("What the caller may do with one field.")
class FieldRight:
    mask: str | None = prop(
        "The rights, as REST names them: `FULL` or `Update` (the same), `Read`, `None`, or "
        "several joined by a comma and a space, such as `Update, UIHintMandatory`; .NET may write "
        "a number.",
        may_be_number=True,
    )
    can_read: bool | None = derived(
        _right("Read", FIELD_RIGHTS), f"Whether it may be read. {_UNKNOWN}"
    )
    can_write: bool | None = derived(
        _right("Write", FIELD_RIGHTS),
        "Whether it may be changed. `UIHintReadOnly` in the mask asks forms not to offer it all "
        f"the same. {_UNKNOWN}",
    )
    is_mandatory: bool | None = derived(
        _right("UIHintMandatory", FIELD_RIGHTS), f"Whether it has to be filled in. {_UNKNOWN}"
    )
    is_nullable: bool | None = derived(
        _right("Nullable", FIELD_RIGHTS), f"Whether it may be empty. {_UNKNOWN}"
    )
    reason: str | None = prop(
        "Why something is not allowed or required. Without a language header it may be a "
        "resource id such as `[SR_MANDATORY_FIELD_1281]`."
    )


@entity("Rights, type and size of one field of the object it hangs on.")
class FieldProperty:
    name: str = entry_part(
        "The field's name in SuperOffice. Often not the name of a field in this schema: "
        "`UrlAddress` and `Phone` on a contact, `UserDefinedFields.SuperOffice:1` elsewhere."
    )
    field_right: FieldRight | None = prop("What the caller may do with the field.")
    field_type: str | None = prop("The .NET name of its type, for example `System.String`.")
    field_length: int | None = prop(
        "The most characters it holds, or its size in bytes; 0 or -1 where that says nothing."
    )


class Rights:
    """The two properties of nearly all types."""

    table_right: TableRight | None = prop("What the caller may do with this object as a whole.")
    field_properties: list[FieldProperty] | None = entries(
        "What the caller may do with its fields, and what those are: one entry per field that REST "
        "describes, by SuperOffice's own field names. `names` picks entries; unknown names are "
        "skipped."
    )


class _Text:
    name: str = entry_part("The field's name in SuperOffice.")
    value: str | None = entry_part("The value as REST encodes it, for example `[I:14]`.")
    display_text: str | None = entry_part("The value in words, where REST gives them.")


@entity("One custom field of an object.")
class CustomField(_Text):
    pass


@entity("One extra field of an object; superseded by custom fields.")
class ExtraField(_Text):
    pass


# The description of texts from the tenant's lists.
LIST_TEXT = (
    "Text from a list, in the language that `Accept-Language` asks for; without that header it "
    'can hold several at once, as in `NO:"Leverandør";US:"Supplier"`.'
)
