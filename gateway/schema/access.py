"""What the caller may do with an object and its fields, and the entries of REST's maps."""

from gateway.schema.entity import entity, entry_name, entry_value, prop

__all__ = [
    "FIELD_PROPERTIES",
    "LIST_TEXT",
    "TABLE_RIGHT",
    "CustomField",
    "ExtraField",
    "FieldProperty",
    "FieldRight",
    "TableRight",
]


@entity("What the caller may do with an object as a whole.")
class TableRight:
    mask: str | None = prop(
        "The rights, as REST names them: one name such as `FULL` or `URI`, or several joined by "
        "a comma and a space, such as `RI, RestrictedUpdate`."
    )
    reason: str | None = prop(
        "Why something is not allowed. Without a language header it may be a resource id in "
        "square brackets."
    )


@entity("What the caller may do with one field.")
class FieldRight:
    mask: str | None = prop(
        "The rights, as REST names them: `FULL` or `Update` (the same), `Read`, `None`, or "
        "several joined by a comma and a space, such as `Update, UIHintMandatory`."
    )
    reason: str | None = prop(
        "Why something is not allowed or required. Without a language header it may be a "
        "resource id such as `[SR_MANDATORY_FIELD_1281]`."
    )


@entity("Rights, type and size of one field of the object it hangs on.")
class FieldProperty:
    name: str = entry_name(
        "The field's name in SuperOffice. Often not the name of a field in this schema: "
        "`UrlAddress` and `Phone` on a contact, `UserDefinedFields.SuperOffice:1` elsewhere."
    )
    field_right: FieldRight | None = prop("What the caller may do with the field.")
    field_type: str | None = prop("The .NET name of its type, for example `System.String`.")
    field_length: int | None = prop(
        "The most characters it holds, or its size in bytes; 0 or -1 where that says nothing."
    )


@entity("One custom field of an object.")
class CustomField:
    name: str = entry_name("The field's name; `NAME:DisplayText` is the readable form of `NAME`.")
    value: str | None = entry_value("The value as REST encodes it, for example `[I:14]`.")


@entity("One extra field of an object; superseded by custom fields.")
class ExtraField:
    name: str = entry_name("The field's name.")
    value: str | None = entry_value("The value as REST encodes it, for example `[I:14]`.")


# The words every type says about the two properties that nearly all of them have.
TABLE_RIGHT = "What the caller may do with this object as a whole."
FIELD_PROPERTIES = (
    "What the caller may do with its fields, and what those are: one entry per field that REST "
    "describes, by SuperOffice's own field names. `names` picks entries; unknown names are skipped."
)
# The words every type says about the texts that come from the tenant's lists.
LIST_TEXT = (
    "Text from a list, in the language that `Accept-Language` asks for; without that header it "
    'can hold several at once, as in `NO:"Leverandør";US:"Supplier"`.'
)
