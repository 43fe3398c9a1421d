"""What a user may do with a record (TableRight) and with each of its fields (FieldProperties).

In real answers this is most of the bytes. Its keys often differ from the property names: `Fax` for
a person's fax number, `CategoryId` for a company's category.
"""

from functools import lru_cache

import orjson

from gateway.demo.wire import Record, Wire

_TYPES = {
    "S": "System.String",
    "I": "System.Int32",
    "H": "System.Int16",
    "U": "System.UInt32",
    "B": "System.Boolean",
    "D": "System.DateTime",
    "F": "System.Double",
    "A": "SuperOffice.CRM.Services.LocalizedField[][]",
    "E": "SuperOffice.Data.TicketBaseStatus",
}

# "key:type and length"; `!` marks a mandatory field, `-` one that a role can make read-only, and
# `?` one without a FieldRight.
_FIELDS = {
    "ChatSession": """ChatSessionId:I4- TopicId:I4! CustomerAlias:S64 CustomerName:S255
        CustomerEmail:S255 Status:I4! FirstMessage:S1024- WhenRequested:D-1- SessionKey:S255-
        AlertLevel:I4 Rank:I4""",
    "Associate": """AssociateId:I4- Name:S239! PersonId:I4 Rank:H2 Tooltip:S254 GroupIdx:I4!
        FullName:S219- Deleted:B-1 EjUserId:I4-""",
    "Person": """Position:I4 PersonId:I4- Mrmrs:S29 Firstname:S99 Lastname:S99! MiddleName:S99
        Title:S219 Text:S2047 Email:S254 EmailName:S254 DirectPhone:S99 Phone:S99 Fax:S99
        MobilePhone:S99 CountryId:I4! ContactId:I4! Retired:H2 Rank:H2 ActiveInterests:H2-
        Usepersonaddress:B-1 AssociateId:I4! Kanafname:S99 Kanalname:S99 Post1:S99 Post2:S99
        Post3:S99 ActiveErpLinks:I4- TicketPriorityId:I4 SupportLanguageId:I4
        SupportAssociateId:I4 CategoryId:I4 PersonNumber:S49 BirthDate:D-1 NoMailing:B-1
        UserDefinedFields.SuperOffice:1:S199? UserDefinedFields.SuperOffice:2:F16
        PrivateAddress:A0""",
    "Contact": """Name:S219! OrgNr:S49 Department:S219 UrlAddress:S1023 Phone:S99 Fax:S99
        AssociateId:I4! CountryId:I4! EmailAddress:S254 Kananame:S219 BusinessId:I4! CategoryId:I4!
        PostalAddress:A0 StreetAddress:A0 Number1:S49- Number2:S49
        UserDefinedFields.SuperOffice:1:S199?""",
    "Project": """ProjectId:I4- Name:S239! Description:S2047 UrlAddress:S1023 TypeId:I4!
        AssociateId:I4! StatusId:I4 PublishTo:D-1 PublishFrom:D-1 IsPublished:B-1 ProjectNumber:S49
        EventId:I4- StartDate:D-1 ActiveErpLinks:I4-""",
    "Sale": """SaleId:I4- Saledate:D-1! Heading:S219! Amount:F16! Currency:I4 Probability:H2
        Earning:F16 EarningPercent:F16 Status:I2! Done:B-1 ContactId:I4! PersonId:I4 ProjectId:I4
        AssociateId:I4! SaleTypeId:I4 NextDueDate:D-1- Number:S49""",
    "Ticket": """TicketId:I4- Title:S255! CreatedAt:D-1- LastChanged:D-1- Deadline:D-1
        Author:S255 OwnedBy:I4! Category:I4! Slevel:I4 Priority:I4! BaseStatus:E4 TicketStatus:I4!
        Origin:I4- CustId:I4 AlertLevel:H2- TimeSpent:I4 FromAddress:S255 ContactId:I4 SaleId:I4
        ProjectId:I4 FormSubmissionId:U4 x_extra.serial_no:S128 x_extra.warranty:B-1?""",
    "LocalizedField": "Value:S254",
}


@lru_cache(maxsize=256)
def field_properties(kind: str, is_guarded: bool, wire: Wire) -> orjson.Fragment:
    """Return the FieldProperties of a kind of record, ready to be put into an answer.

    Args:
        kind: a key of `_FIELDS`.
        is_guarded: whether the caller's role makes the fields with `-` read-only.
        wire: gives the language of the reasons.
    """
    entries = dict(_entry(field, is_guarded, wire) for field in _FIELDS[kind].split())
    return orjson.Fragment(orjson.dumps(entries))


def _entry(field: str, is_guarded: bool, wire: Wire) -> tuple[str, Record]:
    key, _, kind = field.rpartition(":")
    mark = kind[-1] if kind[-1] in "!-?" else ""
    right: Record | None = {"Mask": "FULL", "Reason": ""}
    if mark == "!":
        right = {
            "Mask": "Update, UIHintMandatory",
            "Reason": wire.reason("SR_MANDATORY_FIELD_1281"),
        }
    elif mark == "-":
        reason = wire.reason("SR_FIELD_READONLY_ROLE_1290") if is_guarded else ""
        right = {"Mask": "Read" if is_guarded else "Update", "Reason": reason}
    elif mark == "?":
        right = None
    length = int(kind[1:].removesuffix(mark))
    return key, {"FieldRight": right, "FieldType": _TYPES[kind[0]], "FieldLength": length}


def table_right(number: int, wire: Wire) -> Record | None:
    """Return the TableRight of a record: mostly an object, sometimes null or empty."""
    match number % 8:
        case 0:
            return None
        case 1:
            return {}
        case 2:
            return {"Mask": "URI", "Reason": ""}
        case 3:
            reason = wire.reason("SR_TABLE_NOT_OWNER_1302")
            return {"Mask": "RI, RestrictedUpdate", "Reason": reason}
    return {"Mask": "FULL", "Reason": ""}
