"""The enums of the REST API. The first argument of a member is its number in .NET."""

from enum import Enum

from gateway.schema.declare.rest_enum import member, rest_enum, unrecognized


@rest_enum(
    "The state of a chat, from the form before it to its end. It can go back. A bot that hands "
    "off, or an agent who resets the chat, puts it into the queue or before it again. A customer "
    "can revive a finished one."
)
class ChatSessionStatus(Enum):
    INVALID = member(0, "No valid state; not expected on a real session.")
    PRE_CHAT_FORM = member(1, "The customer is filling in the form before the chat.")
    FAQ = member(2, "The customer is being shown answers to frequent questions.")
    OFFLINE_FORM = member(
        3,
        "No agent is present, or the channel is closed; the customer can leave a request. Some "
        "channels also offer it when the queue is long.",
    )
    IN_QUEUE = member(4, "Waiting in the queue for an agent.")
    CUSTOMER_LAST = member(5, "Live; the customer wrote last and waits for the agent.")
    USER_LAST = member(
        6,
        "Live; the agent, or the chatbot, wrote last. A bot that greets first puts a session here "
        "with no human on it: see `chatbotIsActive` and `user`.",
    )
    FINISHED = member(
        7,
        "Ended. If the channel has a form after the chat, the customer sees it and can still "
        "revive the chat.",
    )
    DELETED = member(8, "Marked for deletion; gone within about a day.")
    CLOSED = member(9, "Over for good.")
    REQUEST_POSTED = member(10, "Became a request (ticket) instead of a chat.")
    CLOSED_FROM_QUEUE = member(11, "Ended while still waiting in the queue.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Typing indicators, unreliable: see `ChatSession.flags`.")
class ChatSessionFlags(Enum):
    CUSTOMER_IS_TYPING = member(0, "Number 0: also sent when no flag is set.")
    USER_IS_TYPING = member(1, "The agent is typing.")
    UNRECOGNIZED = unrecognized()


@rest_enum("What kind of user an associate is.")
class UserType(Enum):
    UNKNOWN = member(0, "Not set.")
    INTERNAL_ASSOCIATE = member(1, "An employee who logs in.")
    RESOURCE_ASSOCIATE = member(2, "A bookable resource, such as a room.")
    EXTERNAL_ASSOCIATE = member(3, "A customer or partner with a login.")
    ANONYMOUS_ASSOCIATE = member(4, "A visitor who has not logged in.")
    SYSTEM_ASSOCIATE = member(5, "The system itself, or an integration.")
    UNRECOGNIZED = unrecognized()


@rest_enum("The state of a sale.")
class SaleStatus(Enum):
    UNKNOWN = member(0, "Not set.")
    OPEN = member(1, "Still being worked on.")
    SOLD = member(2, "Won.")
    LOST = member(3, "Lost.")
    STALLED = member(4, "On hold.")
    SAINT_ALL = member(1000, "Used by counters; never the status of a sale.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Whether an activity is done.")
class ActivityStatus(Enum):
    UNKNOWN = member(0, "Not set.")
    NOT_STARTED = member(1, "Not begun; treated like `STARTED` by SuperOffice.")
    STARTED = member(2, "Under way.")
    COMPLETED = member(3, "Done.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Who may see a ticket.")
class TicketSecurityLevel(Enum):
    UNKNOWN = member(0, "Not set.")
    INTERNAL = member(1, "Employees only.")
    EXTERNAL = member(2, "The customer too.")
    UNRECOGNIZED = unrecognized()


@rest_enum("The built-in status behind a ticket's own, tenant-defined one.")
class TicketBaseStatus(Enum):
    UNKNOWN = member(0, "Not set.")
    ACTIVE = member(1, "Open.")
    CLOSED = member(2, "Closed.")
    POSTPONED = member(3, "Open again at the ticket's `activate` time.")
    DELETED = member(4, "Deleted.")
    MERGED = member(5, "Merged into another ticket: see `Ticket.connectId`.")
    SPAM = member(6, "Junk.")
    POSTPONED_SPECIFIC = member(1001, "A choice in a dialog, never stored.")
    POSTPONED_1_HOUR = member(1002, "A choice in a dialog, never stored.")
    POSTPONED_2_HOURS = member(1003, "A choice in a dialog, never stored.")
    POSTPONED_3_HOURS = member(1004, "A choice in a dialog, never stored.")
    POSTPONED_4_HOURS = member(1005, "A choice in a dialog, never stored.")
    POSTPONED_DAY = member(1006, "A choice in a dialog, never stored.")
    POSTPONED_WEEK = member(1007, "A choice in a dialog, never stored.")
    POSTPONED_MONTH = member(1008, "A choice in a dialog, never stored.")
    UNRECOGNIZED = unrecognized()


@rest_enum("The channel through which a ticket came in.", acronyms=frozenset({"SMS", "API"}))
class TicketOrigin(Enum):
    UNKNOWN = member(0, "Not set.")
    EMAIL = member(1, "E-mail.")
    SMS = member(2, "Text message.")
    FAX = member(3, "Fax.")
    PHONE = member(4, "Telephone.")
    FACEBOOK = member(5, "Facebook.")
    TWITTER = member(6, "Twitter, now X.")
    INTERNAL = member(7, "Made by an employee.")
    CUSTOMER_CENTRE = member(8, "The customer centre web pages.")
    E_MARKETING = member(9, "A mailing.")
    AUTO_GENERATED = member(10, "Made by the system.")
    CHAT = member(11, "A chat.")
    FORM = member(12, "A web form.")
    API = member(13, "Another program, through the API.")
    FLOW = member(14, "A marketing flow.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Whether the owner of a ticket has seen its latest state.")
class TicketReadStatus(Enum):
    UNKNOWN = member(0, "Not set.")
    GREEN = member(1, "Read by its owner.")
    YELLOW = member(2, "Something new has come since the owner read it.")
    RED = member(3, "Not read.")
    UNRECOGNIZED = unrecognized()


@rest_enum("What an address is used for.")
class AddressType(Enum):
    UNKNOWN = member(0, "Not set.")
    CONTACT_POSTAL_ADDRESS = member(1, "Where a company gets its mail.")
    CONTACT_STREET_ADDRESS = member(2, "Where a company is visited.")
    PERSON_PRIVATE_ADDRESS = member(16387, "A person's private address.")
    QUOTE_BILLING_ADDRESS = member(8196, "Where a quote is billed.")
    QUOTE_SHIPPING_ADDRESS = member(8197, "Where a quote is delivered.")
    UNRECOGNIZED = unrecognized()
