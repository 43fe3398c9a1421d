"""The Ticket of a chat, which changes as the chat goes on."""

from dataclasses import dataclass

from gateway.demo.people import Agent, Customer
from gateway.demo.projects_and_sales import project_id, project_name, sale_id, sale_title
from gateway.demo.rights import field_properties, table_right
from gateway.demo.wire import ListText, Record, Wire

SYSTEM_USER_ID = 1
NOBODY_ID = -1
_LANGUAGES = {"NO": "no", "DE": "de", "GB": "en", "JP": "ja"}
_CATEGORIES: tuple[ListText, ...] = (
    ("Kundeservice", "Customer service", "Kundenservice"),
    ("Faktura", "Billing", "Rechnungen"),
    ("Teknisk", "Technical", "Technik"),
)
_PRIORITIES: tuple[ListText, ...] = (
    ("Lav", "Low", "Niedrig"),
    ("Middels", "Medium", "Mittel"),
    ("Høy", "High", "Hoch"),
)
_OPEN: ListText = ("Åpen", "Open", "Offen")
_CLOSED: ListText = ("Lukket", "Closed", "Geschlossen")
_TYPE: ListText = ("Forespørsel", "Request", "Anfrage")


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """The data of a chat that its ticket shows; times in seconds since 1970."""

    session_id: int
    variety: int
    customer: Customer
    agent: Agent | None
    links: frozenset[str]
    title: str
    requested: int
    replied: int | None
    ended: int | None
    changed: int
    messages: int


def ticket_record(facts: ChatFacts, wire: Wire) -> Record:
    """Return the Ticket of a chat: 65 properties and its rights."""
    return {
        "TableRight": table_right(facts.variety + 5, wire),
        "FieldProperties": field_properties("Ticket", facts.variety % 2 == 0, wire),
        "TicketId": 500_000 + facts.session_id % 1_000_000_000,
        "Title": facts.title[:255],
        **_dates(facts, wire),
        **_people(facts),
        **_state(facts, wire),
        **_times_spent(facts),
        **_links(facts),
    }


def _dates(facts: ChatFacts, wire: Wire) -> Record:
    return {
        "CreatedAt": wire.date(facts.requested),
        "LastChanged": wire.date(facts.changed),
        "ReadByOwner": wire.date(facts.replied),
        "ReadByCustomer": wire.date(None),
        "FirstReadByUser": wire.date(facts.replied),
        "Activate": wire.date(None),
        "ClosedAt": wire.date(facts.ended),
        "RepliedAt": wire.date(facts.replied),
        "AlertTimeout": wire.date(None),
        "Deadline": wire.date(facts.requested + 86_400 if facts.variety % 4 == 0 else None),
    }


def _people(facts: ChatFacts) -> Record:
    who, agent = facts.customer, facts.agent
    is_known = "Person" in facts.links
    return {
        "CreatedBy": SYSTEM_USER_ID,
        "CreatedByName": "System",
        "Author": who.email,
        "OwnedBy": agent.ej_user_id if agent else SYSTEM_USER_ID,
        "OwnedByName": agent.full_name if agent else "",
        "OwnedByAssociateId": agent.associate_id if agent else 0,
        "CustId": who.person_id if is_known else NOBODY_ID,
        "PersonFirstname": who.first if is_known else "",
        "PersonMiddleName": "",
        "PersonLastname": who.last if is_known else "",
        "PersonFullname": who.full_name if is_known else "",
        "FromAddress": who.email,
    }


def _state(facts: ChatFacts, wire: Wire) -> Record:
    category = facts.variety % len(_CATEGORIES)
    names = [_CATEGORIES[0]] if category == 0 else [_CATEGORIES[0], _CATEGORIES[category]]
    priority = facts.customer.number % len(_PRIORITIES)
    is_closed = facts.ended is not None
    return {
        "Category": category + 1,
        "CategoryName": wire.text(_CATEGORIES[category]),
        "CategoryFullname": "/".join(wire.text(name) for name in names),
        "Slevel": "External",
        "Priority": priority + 1,
        "PriorityName": wire.text(_PRIORITIES[priority]),
        "BaseStatus": "Closed" if is_closed else "Active",
        "TicketStatus": 2 if is_closed else 1,
        "TicketStatusDisplayValue": wire.text(_CLOSED if is_closed else _OPEN),
        "Origin": "Chat",
        "AlertLevel": 0,
        "ConnectId": 0,
        "ReadStatus": "Green" if facts.replied is not None else "Red",
        "HasAttachment": facts.variety % 9 == 0,
        "NumReplies": facts.messages // 2,
        "NumMessages": facts.messages,
        "Language": _LANGUAGES[facts.customer.company.country],
        "Sentiment": facts.variety % 7 - 3,
        "SentimentConfidence": 60 + facts.variety % 40,
        "TicketTypeId": 1,
        "TicketTypeName": wire.text(_TYPE),
    }


def _times_spent(facts: ChatFacts) -> Record:
    """SuperOffice mixes its units: times *to* something are minutes, times *spent* seconds."""
    queue_s = (facts.replied or facts.changed) - facts.requested
    chat_s = facts.changed - facts.replied if facts.replied else 0
    close_min = (facts.ended - facts.requested) // 60 if facts.ended else 0
    return {
        "TimeToReply": queue_s // 60,
        "RealTimeToReply": queue_s // 60,
        "TimeToClose": close_min,
        "RealTimeToClose": close_min,
        "TimeSpentInternally": chat_s // 2,
        "TimeSpentExternally": chat_s - chat_s // 2,
        "TimeSpentQueue": queue_s,
        "RealTimeSpentInternally": chat_s // 2,
        "RealTimeSpentExternally": chat_s - chat_s // 2,
        "RealTimeSpentQueue": queue_s,
        "TimeSpent": chat_s // 60,
    }


def _links(facts: ChatFacts) -> Record:
    company = facts.customer.company
    has_contact = "Contact" in facts.links
    has_sale, has_project = "Sale" in facts.links, "Project" in facts.links
    return {
        "ContactId": company.contact_id if has_contact else 0,
        "ContactName": company.name if has_contact else "",
        "SaleId": sale_id(company) if has_sale else 0,
        "ProjectId": project_id(company) if has_project else 0,
        "SaleHeading": sale_title(company) if has_sale else None,
        "ProjectName": project_name(company) if has_project else None,
        "FormSubmissionId": 0,
    }
