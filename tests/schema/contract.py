"""The contract of the REST API's `ChatSession/ForCurrentUser`, written out.

From the OpenAPI description that SuperOffice publishes (product 12.2). The tests compare the schema
with it, so a property that the schema forgets is found.
"""

import re

__all__ = ["CONTRACT", "ENUMS", "KEYS", "field_name"]

_NAMES = {
    "ChatSession": {
        "Int": "ChatSessionId TopicId InitialQueuePos AlertLevel Rank Rating",
        "Associate": "User TransferTo",
        "Person": "Person",
        "String": """
            CustomerAlias CustomerHost CustomerName CustomerEmail CustomerPhone
            CustomerCompanyName FirstMessage LastMessage SessionKey
        """,
        "Boolean": "CustomerConsented ChatbotIsActive",
        "ChatSessionStatus": "Status",
        "DateTime": "WhenRequested WhenStarted WhenEnded WhenIdle WhenFetched",
        "ChatSessionFlags": "Flags",
        "Contact": "Contact",
        "Project": "Project",
        "Sale": "Sale",
        "Ticket": "Ticket",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "Associate": {
        "Int": "AssociateId PersonId Rank GroupIdx EjUserId",
        "String": "Name Tooltip FullName FormalName UserName",
        "UserType": "Type",
        "Boolean": "Deleted",
        "[ExtraField!]": "ExtraFields",
        "[CustomField!]": "CustomFields",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "Person": {
        "String": """
            Position Mrmrs Firstname Lastname MiddleName Title Description Email FullName
            DirectPhone FormalName ContactName ContactDepartment ContactOrgNr FaxPhone
            MobilePhone ContactPhone AssociateName ContactFax Kanafname Kanalname Post1 Post2
            Post3 EmailName ContactFullName CategoryName PersonNumber
        """,
        "Int": """
            PersonId CountryId ContactId Retired Rank ActiveInterests ContactCountryId
            AssociateId ActiveErpLinks TicketPriorityId SupportLanguageId SupportAssociateId
        """,
        "Boolean": "UsePersonAddress",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "Contact": {
        "Int": "ContactId AssociateId CountryId ActiveErpLinks",
        "String": """
            Name OrgNr Department URL City DirectPhone EmailAddress Kananame EmailAddressName
            URLName AssociateFullName BusinessName CategoryName CountryName FormattedAddress
            FullName Number1 Number2
        """,
        "Address": "Address",
        "Boolean": "IsOwnerContact",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "Project": {
        "Int": "ProjectId AssociateId TypeId StatusId TextId ActiveErpLinks EventId",
        "String": "Name Description URL Type AssociateFullName Status URLName ProjectNumber",
        "DateTime": "Updated PublishTo PublishFrom StartDate",
        "Boolean": "IsPublished",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "Sale": {
        "String": """
            ContactName Title Currency ProjectName AssociateFullName Description SaleTypeName
            PersonFullName Number
        """,
        "DateTime": "SaleDate NextDueDate",
        "Int": """
            SaleId Probability ProjectId ContactId AssociateId PersonId SaleTypeId
            ActiveErpLinks
        """,
        "Float": "Amount WeightedAmount EarningPercent Earning",
        "SaleStatus": "Status",
        "ActivityStatus": "Completed",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "Ticket": {
        "Int": """
            TicketId CreatedBy OwnedBy Category Priority TicketStatus CustId AlertLevel
            ConnectId TimeToReply RealTimeToReply TimeToClose RealTimeToClose
            TimeSpentInternally TimeSpentExternally TimeSpentQueue RealTimeSpentInternally
            RealTimeSpentExternally RealTimeSpentQueue TimeSpent NumReplies NumMessages
            ContactId OwnedByAssociateId Sentiment SentimentConfidence SaleId ProjectId
            FormSubmissionId TicketTypeId
        """,
        "String": """
            Title CreatedByName Author OwnedByName CategoryName CategoryFullname PriorityName
            TicketStatusDisplayValue PersonFirstname PersonMiddleName PersonLastname
            PersonFullname FromAddress ContactName Language SaleHeading ProjectName
            TicketTypeName
        """,
        "DateTime": """
            CreatedAt LastChanged ReadByOwner ReadByCustomer FirstReadByUser Activate ClosedAt
            RepliedAt AlertTimeout Deadline
        """,
        "TicketSecurityLevel": "Slevel",
        "TicketBaseStatus": "BaseStatus",
        "TicketOrigin": "Origin",
        "TicketReadStatus": "ReadStatus",
        "Boolean": "HasAttachment",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "TableRight": {
        "String": "Mask Reason",
    },
    "FieldProperty": {
        "FieldRight": "FieldRight",
        "String": "FieldType",
        "Int": "FieldLength",
    },
    "Address": {
        "Float": "Wgs84Latitude Wgs84Longitude",
        "[[LocalizedField!]!]": "LocalizedAddress",
        "StructuredAddress": "Street Postal",
        "String": "Formatted",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "FieldRight": {
        "String": "Mask Reason",
    },
    "LocalizedField": {
        "String": "Name Value Tooltip Label AddressType",
        "Int": "ValueLength",
        "TableRight": "TableRight",
        "[FieldProperty!]": "FieldProperties",
    },
    "StructuredAddress": {
        "AddressType": "AtypeIdx",
        "String": "Address1 Address2 Address3 City County State Zipcode Formatted",
    },
}

CONTRACT = {
    type_name: {name: kind for kind, names in kinds.items() for name in names.split()}
    for type_name, kinds in _NAMES.items()
}
"""GraphQL type → REST property → type of its value, in GraphQL's notation."""

KEYS = {
    "Associate": "AssociateId",
    "Person": "PersonId",
    "Contact": "ContactId",
    "Project": "ProjectId",
    "Sale": "SaleId",
    "Ticket": "TicketId",
}
"""The key of a linked record: 0 means that there is no record."""

_MEMBERS = {
    "ChatSessionStatus": """
        Invalid=0 PreChatForm=1 Faq=2 OfflineForm=3 InQueue=4 CustomerLast=5 UserLast=6
        Finished=7 Deleted=8 Closed=9 RequestPosted=10 ClosedFromQueue=11
    """,
    "ChatSessionFlags": "CustomerIsTyping=0 UserIsTyping=1",
    "UserType": """
        Unknown=0 InternalAssociate=1 ResourceAssociate=2 ExternalAssociate=3
        AnonymousAssociate=4 SystemAssociate=5
    """,
    "SaleStatus": "Unknown=0 Open=1 Sold=2 Lost=3 Stalled=4 SaintAll=1000",
    "ActivityStatus": "Unknown=0 NotStarted=1 Started=2 Completed=3",
    "TicketSecurityLevel": "Unknown=0 Internal=1 External=2",
    "TicketBaseStatus": """
        Unknown=0 Active=1 Closed=2 Postponed=3 Deleted=4 Merged=5 Spam=6 PostponedSpecific=1001
        Postponed1Hour=1002 Postponed2Hours=1003 Postponed3Hours=1004 Postponed4Hours=1005
        PostponedDay=1006 PostponedWeek=1007 PostponedMonth=1008
    """,
    "TicketOrigin": """
        Unknown=0 Email=1 SMS=2 Fax=3 Phone=4 Facebook=5 Twitter=6 Internal=7 CustomerCentre=8
        EMarketing=9 AutoGenerated=10 Chat=11 Form=12 API=13 Flow=14
    """,
    "TicketReadStatus": "Unknown=0 Green=1 Yellow=2 Red=3",
    "AddressType": """
        Unknown=0 ContactPostalAddress=1 ContactStreetAddress=2 PersonPrivateAddress=16387
        QuoteBillingAddress=8196 QuoteShippingAddress=8197
    """,
}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=\d)|(?<=[A-Z])(?=[A-Z][a-z])")

ENUMS = {
    kind: {
        name: (_WORD.sub("_", name).upper(), int(number))
        for name, number in (member.split("=") for member in members.split())
    }
    for kind, members in _MEMBERS.items()
}
"""Enum → REST member → GraphQL member, and its number in .NET."""

_IRREGULAR = {"URL": "url", "URLName": "urlName"}


def field_name(rest_name: str) -> str:
    """Return the GraphQL name of a REST property."""
    return _IRREGULAR.get(rest_name) or rest_name[0].lower() + rest_name[1:]
