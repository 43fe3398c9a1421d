"""The records that a chat can be linked to: a project, a sale, a ticket."""

from gateway.records.record import date_of_service
from gateway.schema.declare.entity import entity, prop
from gateway.schema.declare.nodes import Node
from gateway.schema.declare.scalars import DateTime
from gateway.schema.entities import enums
from gateway.schema.entities.access import LIST_TEXT, Rights, WebAddress, erp_links

_LYYTI = "Reserved for the event system Lyyti. Servers older than 11.10 do not send it."
_OR_NONE = "0, -1 or null = none."
_OFFICE_HOURS = "counting only the office hours of its priority."
_BY_THE_CLOCK = "by the clock, nights and weekends included. Seconds."
_EARLIER = f"{_OFFICE_HOURS} Time in the current status is added when the status changes."


@entity("A project: work that gathers people, sales and activities.", key="project_id")
class Project(Node, Rights, WebAddress):
    project_id: int | None = prop("Primary key.")
    name: str | None = prop("The project's name.")
    description: str | None = prop("What the project is about, in free text.")
    type: str | None = prop(f"The kind of project. {LIST_TEXT} To compare, use `typeId`.")
    associate_id: int | None = prop("The associate who leads the project.")
    associate_full_name: str | None = prop("The full name of the associate who leads the project.")
    type_id: int | None = prop("The kind of project, by its id in the tenant's list.")
    updated: DateTime | None = prop("When it was last changed. Always UTC, even without an offset.")
    status_id: int | None = prop("The project's status, by its id in the tenant's list.")
    status: str | None = prop(
        f"The project's status. Not an enum: each tenant has its own. {LIST_TEXT} To compare, use "
        "`statusId`."
    )
    text_id: int | None = prop("The id under which SuperOffice keeps the description.")
    publish_to: DateTime | None = prop(
        "The last moment it is published. `9999-12-31T23:59:59.9999999` means it never expires."
    )
    publish_from: DateTime | None = prop("The first moment it is published.")
    is_published: bool | None = prop("Whether it is published, from `publishFrom` to `publishTo`.")
    project_number: str | None = prop("A number that SuperOffice gives the project; text.")
    active_erp_links: int | None = erp_links("project")
    event_id: int | None = prop(f"An event's id in Lyyti, not in SuperOffice. {_LYYTI}")
    start_date: DateTime | None = prop(f"When the event of `eventId` starts. {_LYYTI}")


@entity(
    "A sale, won, lost or still open. Amounts are floating-point numbers, such as "
    "`1629.6799999999998`: round before showing, and write `currency` beside them.",
    key="sale_id",
)
class Sale(Node, Rights):
    contact_name: str | None = prop("The company that buys.")
    sale_date: DateTime | None = prop(
        "When it was won or lost; while `status` is `OPEN`, when that is expected."
    )
    sale_id: int | None = prop("Primary key.")
    probability: int | None = prop(
        "How likely it is to be won, in percent. May differ from the one its stage has in the list."
    )
    title: str | None = prop("The sale's heading.")
    amount: float | None = prop("What the sale is worth, in `currency`.")
    currency: str | None = prop(f"The currency of all amounts, for example `GBP`. {LIST_TEXT}")
    project_name: str | None = prop("The project it belongs to.")
    associate_full_name: str | None = prop("The full name of the associate who owns the sale.")
    description: str | None = prop("More about the sale, in free text.")
    status: enums.SaleStatus | None = prop("The sale's state.")
    weighted_amount: float | None = prop("`amount` times `probability` percent, in `currency`.")
    project_id: int | None = prop("The project it belongs to; 0 = none.")
    earning_percent: float | None = prop("`earning` in percent of `amount`.")
    earning: float | None = prop("What is earned on the sale, in `currency`.")
    contact_id: int | None = prop("The company that buys; 0 = none.")
    associate_id: int | None = prop("The associate who owns the sale.")
    person_id: int | None = prop("The person at the company whom the sale is with; 0 = none.")
    sale_type_id: int | None = prop("The kind of sale, by its id in the tenant's list; 0 = none.")
    sale_type_name: str | None = prop(f"The kind of sale. {LIST_TEXT}")
    person_full_name: str | None = prop("The name of the person whom the sale is with.")
    completed: enums.ActivityStatus | None = prop(
        "Whether work on the sale is done. An enum, not a boolean; `NOT_STARTED` counts as "
        "`STARTED`. Whether it was won is in `status`."
    )
    active_erp_links: int | None = erp_links("sale")
    next_due_date: DateTime | None = prop(
        "When the next activity on the sale is due; if there is none, the last one: it can be past."
    )
    number: str | None = prop("A field for letters and digits. What it means is up to the tenant.")


@entity(
    "A ticket, called request in SuperOffice: a customer's case, with its messages. Durations are "
    "in minutes or in seconds: each field says which. Users are given by their id in Service, "
    "which is `Associate.ejUserId`, except in `ownedByAssociateId`. A missing link can be 0, -1 or "
    "null.",
    key="ticket_id",
    dates=date_of_service,
)
class Ticket(Node, Rights):
    ticket_id: int | None = prop("Primary key.")
    title: str | None = prop("The subject. Can be the customer's words: escape it.")
    created_at: DateTime | None = prop("When it was created.")
    last_changed: DateTime | None = prop("When anything in it last changed.")
    read_by_owner: DateTime | None = prop("When its owner last read it.")
    read_by_customer: DateTime | None = prop("When the customer read it; null = not yet.")
    first_read_by_user: DateTime | None = prop("When an employee first read it; null = not yet.")
    activate: DateTime | None = prop("When it is activated again, if `baseStatus` is `POSTPONED`.")
    closed_at: DateTime | None = prop("When it was closed; null = not closed.")
    replied_at: DateTime | None = prop("When the customer first got an answer; null = not yet.")
    alert_timeout: DateTime | None = prop("When `alertLevel` rises next.")
    deadline: DateTime | None = prop("When it has to be done; null = no deadline.")
    created_by: int | None = prop(
        "Who created it: a user id in Service, not an associate's id. 1 = the system, on behalf of "
        "an external person, such as the customer."
    )
    created_by_name: str | None = prop("Initials or login name of who created it.")
    author: str | None = prop("Who wrote the first message, as text. Untrusted: escape it.")
    owned_by: int | None = prop(
        "Who handles it: a user id in Service, not an associate's id. 1 = the system: no user yet."
    )
    owned_by_name: str | None = prop("Initials or login name of who handles it.")
    category: int | None = prop("The category it is in, by its id in the tenant's list.")
    category_name: str | None = prop("The category's own name, without its parents.")
    category_fullname: str | None = prop(
        "The category's name with its parents in front, such as `shop/orders/returns`."
    )
    slevel: enums.TicketSecurityLevel | None = prop("Security level: who may see it.")
    priority: int | None = prop("Its priority, by its id in the tenant's list.")
    priority_name: str | None = prop(f"Its priority. {LIST_TEXT}")
    base_status: enums.TicketBaseStatus | None = prop(
        "The built-in status, the same for every tenant: build logic on this."
    )
    ticket_status: int | None = prop("The tenant's own status, by its id in the tenant's list.")
    ticket_status_display_value: str | None = prop(
        f"The tenant's own status: the one to show. {LIST_TEXT}"
    )
    origin: enums.TicketOrigin | None = prop("How it came in.")
    cust_id: int | None = prop("The customer: a `Person.personId`. 0, -1 or null = none.")
    person_firstname: str | None = prop("The customer's given name.")
    person_middle_name: str | None = prop("The customer's middle name; often empty.")
    person_lastname: str | None = prop("The customer's family name.")
    person_fullname: str | None = prop("The customer's name, for display.")
    alert_level: int | None = prop("Escalation level.")
    connect_id: int | None = prop(f"The master ticket that this one was merged into. {_OR_NONE}")
    read_status: enums.TicketReadStatus | None = prop(
        "Whether its owner has seen its latest state."
    )
    time_to_reply: int | None = prop(
        f"Minutes from start to first answer, {_OFFICE_HOURS} Valid once `repliedAt` is set."
    )
    real_time_to_reply: int | None = prop(
        "Minutes from start to first answer, by the clock. Valid once `repliedAt` is set."
    )
    time_to_close: int | None = prop(
        f"Minutes from start to close, {_OFFICE_HOURS} Valid once `closedAt` is set."
    )
    real_time_to_close: int | None = prop(
        "Minutes from start to close, by the clock. Valid once `closedAt` is set."
    )
    time_spent_internally: int | None = prop(f"Seconds open and with employees, {_EARLIER}")
    time_spent_externally: int | None = prop(
        f"Seconds it has waited for an external person, {_EARLIER}"
    )
    time_spent_queue: int | None = prop(f"Seconds it has been in a queue, {_EARLIER}")
    real_time_spent_internally: int | None = prop(f"`timeSpentInternally` {_BY_THE_CLOCK}")
    real_time_spent_externally: int | None = prop(f"`timeSpentExternally` {_BY_THE_CLOCK}")
    real_time_spent_queue: int | None = prop(f"`timeSpentQueue` {_BY_THE_CLOCK}")
    time_spent: int | None = prop(
        "Minutes of work noted on its messages, in total. The other `timeSpent` fields are seconds."
    )
    has_attachment: bool | None = prop("Whether it has attachments.")
    num_replies: int | None = prop("How many messages went to the customer.")
    num_messages: int | None = prop("How many messages it has, of any kind.")
    from_address: str | None = prop(
        "The sender's address when it was created, for example that of an e-mail."
    )
    contact_id: int | None = prop(f"The customer's company. {_OR_NONE}")
    contact_name: str | None = prop("The name of the customer's company.")
    owned_by_associate_id: int | None = prop(
        "Who handles it, as an associate's id: see `Associate.associateId`."
    )
    language: str | None = prop("The language of the first message that came from outside.")
    sentiment: int | None = prop(
        "The mood of the latest message from outside, from -100 (unhappy) to 100 (happy). 0 = "
        "unknown, not neutral."
    )
    sentiment_confidence: int | None = prop("How certain `sentiment` is, from 0 to 100.")
    sale_id: int | None = prop(f"The sale it is linked to. {_OR_NONE}")
    project_id: int | None = prop(f"The project it is linked to. {_OR_NONE}")
    sale_heading: str | None = prop("The title of the sale it is linked to.")
    project_name: str | None = prop("The name of the project it is linked to.")
    form_submission_id: int | None = prop(
        f"The web form submission it was created from. {_OR_NONE}"
    )
    ticket_type_id: int | None = prop("The kind of ticket, by its id in the tenant's list.")
    ticket_type_name: str | None = prop(f"The kind of ticket. {LIST_TEXT}")
