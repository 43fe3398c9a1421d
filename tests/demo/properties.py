"""Every property of the REST contract, by type, and those whose values are records."""

_NAMES = {
    "ChatSessionEntity": """
        ChatSessionId TopicId User Person CustomerAlias CustomerHost CustomerName
        CustomerEmail CustomerPhone CustomerConsented CustomerCompanyName Status
        FirstMessage LastMessage WhenRequested WhenStarted WhenEnded WhenIdle
        WhenFetched SessionKey InitialQueuePos AlertLevel Rank Flags Contact Project
        Sale Ticket TransferTo ChatbotIsActive Rating TableRight FieldProperties
    """,
    "Associate": """
        AssociateId Name PersonId Rank Tooltip Type GroupIdx FullName FormalName Deleted
        EjUserId UserName ExtraFields CustomFields TableRight FieldProperties
    """,
    "Person": """
        Position PersonId Mrmrs Firstname Lastname MiddleName Title Description Email
        FullName DirectPhone FormalName CountryId ContactId ContactName Retired Rank
        ActiveInterests ContactDepartment ContactCountryId ContactOrgNr FaxPhone
        MobilePhone ContactPhone AssociateName AssociateId UsePersonAddress ContactFax
        Kanafname Kanalname Post1 Post2 Post3 EmailName ContactFullName ActiveErpLinks
        TicketPriorityId SupportLanguageId SupportAssociateId CategoryName PersonNumber
        TableRight FieldProperties
    """,
    "Contact": """
        ContactId Name OrgNr Department URL City DirectPhone AssociateId CountryId
        EmailAddress Kananame EmailAddressName URLName AssociateFullName BusinessName
        CategoryName CountryName Address FormattedAddress FullName IsOwnerContact
        ActiveErpLinks Number1 Number2 TableRight FieldProperties
    """,
    "Project": """
        ProjectId Name Description URL Type AssociateId AssociateFullName TypeId Updated
        StatusId Status TextId PublishTo PublishFrom IsPublished URLName ProjectNumber
        ActiveErpLinks EventId StartDate TableRight FieldProperties
    """,
    "Sale": """
        ContactName SaleDate SaleId Probability Title Amount Currency ProjectName
        AssociateFullName Description Status WeightedAmount ProjectId EarningPercent
        Earning ContactId AssociateId PersonId SaleTypeId SaleTypeName PersonFullName
        Completed ActiveErpLinks NextDueDate Number TableRight FieldProperties
    """,
    "Ticket": """
        TicketId Title CreatedAt LastChanged ReadByOwner ReadByCustomer FirstReadByUser
        Activate ClosedAt RepliedAt AlertTimeout Deadline CreatedBy CreatedByName Author
        OwnedBy OwnedByName Category CategoryName CategoryFullname Slevel Priority
        PriorityName BaseStatus TicketStatus TicketStatusDisplayValue Origin CustId
        PersonFirstname PersonMiddleName PersonLastname PersonFullname AlertLevel
        ConnectId ReadStatus TimeToReply RealTimeToReply TimeToClose RealTimeToClose
        TimeSpentInternally TimeSpentExternally TimeSpentQueue RealTimeSpentInternally
        RealTimeSpentExternally RealTimeSpentQueue TimeSpent HasAttachment NumReplies
        NumMessages FromAddress ContactId ContactName OwnedByAssociateId Language
        Sentiment SentimentConfidence SaleId ProjectId SaleHeading ProjectName
        FormSubmissionId TicketTypeId TicketTypeName TableRight FieldProperties
    """,
    "TableRight": """
        Mask Reason
    """,
    "FieldProperty": """
        FieldRight FieldType FieldLength
    """,
    "Address": """
        Wgs84Latitude Wgs84Longitude LocalizedAddress Street Postal Formatted TableRight
        FieldProperties
    """,
    "FieldRight": """
        Mask Reason
    """,
    "LocalizedField": """
        Name Value Tooltip Label ValueLength AddressType TableRight FieldProperties
    """,
    "StructuredAddress": """
        AtypeIdx Address1 Address2 Address3 City County State Zipcode Formatted
    """,
}
PROPERTIES = {kind: frozenset(names.split()) for kind, names in _NAMES.items()}

# The properties with nested records: property -> type of the records.
NESTED: dict[str, str] = {
    "User": "Associate",
    "Person": "Person",
    "Contact": "Contact",
    "Project": "Project",
    "Sale": "Sale",
    "Ticket": "Ticket",
    "TransferTo": "Associate",
    "TableRight": "TableRight",
    "FieldProperties": "FieldProperty",
    "Address": "Address",
    "FieldRight": "FieldRight",
    "LocalizedAddress": "LocalizedField",
    "Street": "StructuredAddress",
    "Postal": "StructuredAddress",
}
