"""The enums of the REST API. The second argument of a member is its number in .NET."""

from enum import Enum

from gateway.schema.declare.rest_enum import member, rest_enum, unrecognized


@rest_enum("Where a chat stands, from the form before it to its end.")
class ChatSessionStatus(Enum):
    INVALID = member("Invalid", 0, "No valid state; not expected on a real session.")
    PRE_CHAT_FORM = member("PreChatForm", 1, "The customer is filling in the form before the chat.")
    FAQ = member("Faq", 2, "The customer is being shown answers to frequent questions.")
    OFFLINE_FORM = member(
        "OfflineForm", 3, "The channel is closed; the customer can leave a message."
    )
    IN_QUEUE = member("InQueue", 4, "Waiting in the queue for an agent.")
    CUSTOMER_LAST = member(
        "CustomerLast", 5, "Live; the customer wrote last and waits for the agent."
    )
    USER_LAST = member(
        "UserLast",
        6,
        "Live; the agent, or the chatbot, wrote last. A bot that greets first puts a session here "
        "with no human on it: see `chatbotIsActive` and `user`.",
    )
    FINISHED = member(
        "Finished", 7, "Ended; the customer sees the form after the chat and can still revive it."
    )
    DELETED = member("Deleted", 8, "Marked for deletion; gone within about a day.")
    CLOSED = member("Closed", 9, "Over for good.")
    REQUEST_POSTED = member("RequestPosted", 10, "Became a request (ticket) instead of a chat.")
    CLOSED_FROM_QUEUE = member("ClosedFromQueue", 11, "Ended while still waiting in the queue.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Signs of life in a chat. Not to be relied on: see `ChatSession.flags`.")
class ChatSessionFlags(Enum):
    CUSTOMER_IS_TYPING = member(
        "CustomerIsTyping", 0, "Number 0, so this is also what REST sends when no flag is set."
    )
    USER_IS_TYPING = member("UserIsTyping", 1, "The agent is typing.")
    UNRECOGNIZED = unrecognized()


@rest_enum("What kind of user an associate is.")
class UserType(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    INTERNAL_ASSOCIATE = member("InternalAssociate", 1, "An employee who logs in.")
    RESOURCE_ASSOCIATE = member("ResourceAssociate", 2, "A bookable resource, such as a room.")
    EXTERNAL_ASSOCIATE = member("ExternalAssociate", 3, "A customer or partner with a login.")
    ANONYMOUS_ASSOCIATE = member("AnonymousAssociate", 4, "A visitor who has not logged in.")
    SYSTEM_ASSOCIATE = member("SystemAssociate", 5, "The system itself, or an integration.")
    UNRECOGNIZED = unrecognized()


@rest_enum("How far a sale has come.")
class SaleStatus(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    OPEN = member("Open", 1, "Still being worked on.")
    SOLD = member("Sold", 2, "Won.")
    LOST = member("Lost", 3, "Lost.")
    STALLED = member("Stalled", 4, "On hold.")
    SAINT_ALL = member("SaintAll", 1000, "Used by counters; never the status of a sale.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Whether an activity is done.")
class ActivityStatus(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    NOT_STARTED = member("NotStarted", 1, "Not begun; treated like `STARTED` by SuperOffice.")
    STARTED = member("Started", 2, "Under way.")
    COMPLETED = member("Completed", 3, "Done.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Who may see a ticket.")
class TicketSecurityLevel(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    INTERNAL = member("Internal", 1, "Employees only.")
    EXTERNAL = member("External", 2, "The customer too.")
    UNRECOGNIZED = unrecognized()


@rest_enum("The built-in status behind a ticket's own, tenant-defined one.")
class TicketBaseStatus(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    ACTIVE = member("Active", 1, "Open.")
    CLOSED = member("Closed", 2, "Closed.")
    POSTPONED = member("Postponed", 3, "Open again at the ticket's `activate` time.")
    DELETED = member("Deleted", 4, "Deleted.")
    MERGED = member("Merged", 5, "Merged into another ticket: see `Ticket.connectId`.")
    SPAM = member("Spam", 6, "Junk.")
    POSTPONED_SPECIFIC = member("PostponedSpecific", 1001, "A choice in a dialog, never stored.")
    POSTPONED_1_HOUR = member("Postponed1Hour", 1002, "A choice in a dialog, never stored.")
    POSTPONED_2_HOURS = member("Postponed2Hours", 1003, "A choice in a dialog, never stored.")
    POSTPONED_3_HOURS = member("Postponed3Hours", 1004, "A choice in a dialog, never stored.")
    POSTPONED_4_HOURS = member("Postponed4Hours", 1005, "A choice in a dialog, never stored.")
    POSTPONED_DAY = member("PostponedDay", 1006, "A choice in a dialog, never stored.")
    POSTPONED_WEEK = member("PostponedWeek", 1007, "A choice in a dialog, never stored.")
    POSTPONED_MONTH = member("PostponedMonth", 1008, "A choice in a dialog, never stored.")
    UNRECOGNIZED = unrecognized()


@rest_enum("The channel through which a ticket came in.")
class TicketOrigin(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    EMAIL = member("Email", 1, "E-mail.")
    SMS = member("SMS", 2, "Text message.")
    FAX = member("Fax", 3, "Fax.")
    PHONE = member("Phone", 4, "Telephone.")
    FACEBOOK = member("Facebook", 5, "Facebook.")
    TWITTER = member("Twitter", 6, "Twitter, now X.")
    INTERNAL = member("Internal", 7, "Made by an employee.")
    CUSTOMER_CENTRE = member("CustomerCentre", 8, "The customer centre web pages.")
    E_MARKETING = member("EMarketing", 9, "A mailing.")
    AUTO_GENERATED = member("AutoGenerated", 10, "Made by the system.")
    CHAT = member("Chat", 11, "A chat.")
    FORM = member("Form", 12, "A web form.")
    API = member("API", 13, "Another program, through the API.")
    FLOW = member("Flow", 14, "A marketing flow.")
    UNRECOGNIZED = unrecognized()


@rest_enum("Whether the owner of a ticket has seen its latest state.")
class TicketReadStatus(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    GREEN = member("Green", 1, "Read by its owner.")
    YELLOW = member("Yellow", 2, "Something new has come since the owner read it.")
    RED = member("Red", 3, "Not read.")
    UNRECOGNIZED = unrecognized()


@rest_enum("What an address is used for.")
class AddressType(Enum):
    UNKNOWN = member("Unknown", 0, "Not set.")
    CONTACT_POSTAL_ADDRESS = member("ContactPostalAddress", 1, "Where a company gets its mail.")
    CONTACT_STREET_ADDRESS = member("ContactStreetAddress", 2, "Where a company is visited.")
    PERSON_PRIVATE_ADDRESS = member("PersonPrivateAddress", 16387, "A person's private address.")
    QUOTE_BILLING_ADDRESS = member("QuoteBillingAddress", 8196, "Where a quote is billed.")
    QUOTE_SHIPPING_ADDRESS = member("QuoteShippingAddress", 8197, "Where a quote is delivered.")
    UNRECOGNIZED = unrecognized()
