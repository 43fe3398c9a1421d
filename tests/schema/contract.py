"""The contract of the REST API's `ChatSession/ForCurrentUser`, written out.

From the OpenAPI description that SuperOffice publishes (product 12.2). The tests compare the schema
with it, so a property that the schema forgets is found.
"""

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

ENUMS = {
    "ChatSessionStatus": {
        "Invalid": ("INVALID", 0),
        "PreChatForm": ("PRE_CHAT_FORM", 1),
        "Faq": ("FAQ", 2),
        "OfflineForm": ("OFFLINE_FORM", 3),
        "InQueue": ("IN_QUEUE", 4),
        "CustomerLast": ("CUSTOMER_LAST", 5),
        "UserLast": ("USER_LAST", 6),
        "Finished": ("FINISHED", 7),
        "Deleted": ("DELETED", 8),
        "Closed": ("CLOSED", 9),
        "RequestPosted": ("REQUEST_POSTED", 10),
        "ClosedFromQueue": ("CLOSED_FROM_QUEUE", 11),
    },
    "ChatSessionFlags": {
        "CustomerIsTyping": ("CUSTOMER_IS_TYPING", 0),
        "UserIsTyping": ("USER_IS_TYPING", 1),
    },
    "UserType": {
        "Unknown": ("UNKNOWN", 0),
        "InternalAssociate": ("INTERNAL_ASSOCIATE", 1),
        "ResourceAssociate": ("RESOURCE_ASSOCIATE", 2),
        "ExternalAssociate": ("EXTERNAL_ASSOCIATE", 3),
        "AnonymousAssociate": ("ANONYMOUS_ASSOCIATE", 4),
        "SystemAssociate": ("SYSTEM_ASSOCIATE", 5),
    },
    "SaleStatus": {
        "Unknown": ("UNKNOWN", 0),
        "Open": ("OPEN", 1),
        "Sold": ("SOLD", 2),
        "Lost": ("LOST", 3),
        "Stalled": ("STALLED", 4),
        "SaintAll": ("SAINT_ALL", 1000),
    },
    "ActivityStatus": {
        "Unknown": ("UNKNOWN", 0),
        "NotStarted": ("NOT_STARTED", 1),
        "Started": ("STARTED", 2),
        "Completed": ("COMPLETED", 3),
    },
    "TicketSecurityLevel": {
        "Unknown": ("UNKNOWN", 0),
        "Internal": ("INTERNAL", 1),
        "External": ("EXTERNAL", 2),
    },
    "TicketBaseStatus": {
        "Unknown": ("UNKNOWN", 0),
        "Active": ("ACTIVE", 1),
        "Closed": ("CLOSED", 2),
        "Postponed": ("POSTPONED", 3),
        "Deleted": ("DELETED", 4),
        "Merged": ("MERGED", 5),
        "Spam": ("SPAM", 6),
        "PostponedSpecific": ("POSTPONED_SPECIFIC", 1001),
        "Postponed1Hour": ("POSTPONED_1_HOUR", 1002),
        "Postponed2Hours": ("POSTPONED_2_HOURS", 1003),
        "Postponed3Hours": ("POSTPONED_3_HOURS", 1004),
        "Postponed4Hours": ("POSTPONED_4_HOURS", 1005),
        "PostponedDay": ("POSTPONED_DAY", 1006),
        "PostponedWeek": ("POSTPONED_WEEK", 1007),
        "PostponedMonth": ("POSTPONED_MONTH", 1008),
    },
    "TicketOrigin": {
        "Unknown": ("UNKNOWN", 0),
        "Email": ("EMAIL", 1),
        "SMS": ("SMS", 2),
        "Fax": ("FAX", 3),
        "Phone": ("PHONE", 4),
        "Facebook": ("FACEBOOK", 5),
        "Twitter": ("TWITTER", 6),
        "Internal": ("INTERNAL", 7),
        "CustomerCentre": ("CUSTOMER_CENTRE", 8),
        "EMarketing": ("E_MARKETING", 9),
        "AutoGenerated": ("AUTO_GENERATED", 10),
        "Chat": ("CHAT", 11),
        "Form": ("FORM", 12),
        "API": ("API", 13),
        "Flow": ("FLOW", 14),
    },
    "TicketReadStatus": {
        "Unknown": ("UNKNOWN", 0),
        "Green": ("GREEN", 1),
        "Yellow": ("YELLOW", 2),
        "Red": ("RED", 3),
    },
    "AddressType": {
        "Unknown": ("UNKNOWN", 0),
        "ContactPostalAddress": ("CONTACT_POSTAL_ADDRESS", 1),
        "ContactStreetAddress": ("CONTACT_STREET_ADDRESS", 2),
        "PersonPrivateAddress": ("PERSON_PRIVATE_ADDRESS", 16387),
        "QuoteBillingAddress": ("QUOTE_BILLING_ADDRESS", 8196),
        "QuoteShippingAddress": ("QUOTE_SHIPPING_ADDRESS", 8197),
    },
}
"""Enum → REST member → GraphQL member, and its number in .NET."""

_IRREGULAR = {"URL": "url", "URLName": "urlName"}


def field_name(rest_name: str) -> str:
    """Return the GraphQL name of a REST property."""
    return _IRREGULAR.get(rest_name) or rest_name[0].lower() + rest_name[1:]
