"""The filter of sessions as GraphQL input; `matching.py` applies it."""

import strawberry

from gateway.schema.declare.inputs import optional, sparse
from gateway.schema.declare.scalars import DateTime
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.enums import ChatSessionStatus

LONGEST_SEARCH = 200


_IN = "Matches when the value is one of these; an empty list matches nothing."
_ALARM = "As of `fetchedAt`; in a subscription as of now: see alarms at `Subscription`."
_NOT_IN = "Matches when the value is none of these, or there is no value."


@strawberry.input(description="Compares a status. A session without one matches `notIn` only.")
class ChatSessionStatusFilter:
    in_: list[ChatSessionStatus] | None = optional(_IN, name="in")
    not_in: list[ChatSessionStatus] | None = optional(_NOT_IN, name="notIn")


@strawberry.input(description="Compares a group. A session without one matches `notIn` only.")
class ChatSessionStatusGroupFilter:
    in_: list[StatusGroup] | None = optional(_IN, name="in")
    not_in: list[StatusGroup] | None = optional(_NOT_IN, name="notIn")


@strawberry.input(description="Compares an id. A session without one matches `notIn` only.")
class KeyFilter:
    in_: list[int] | None = optional(_IN, name="in")
    not_in: list[int] | None = optional(_NOT_IN, name="notIn")


@strawberry.input(description="Compares a number. A session without it does not match.")
class IntRange:
    min: int | None = optional("Matches this number and greater ones.")
    max: int | None = optional("Matches this number and smaller ones.")


@strawberry.input(
    description="Compares a time. A session without it does not match. A bound without offset is "
    "in the zone of SuperOffice's times without offset. If only one side has an offset, the zone "
    "of the other must be known: from `SO-TimeZone` or the gateway's settings."
)
class DateTimeRange:
    from_: DateTime | None = optional("Matches this time and later ones.", name="from")
    to: DateTime | None = optional("Matches earlier times, not this one.")


@sparse
@strawberry.input(
    description="Selects the sessions that match every part of it. A part that is null is ignored."
)
class ChatSessionFilter:
    and_: list["ChatSessionFilter"] | None = optional("Every one of these.", name="and")
    or_: list["ChatSessionFilter"] | None = optional(
        "At least one of these; an empty list matches nothing.", name="or"
    )
    not_: "ChatSessionFilter | None" = optional("Not this.", name="not")
    status: ChatSessionStatusFilter | None = optional("By status.")
    status_group: ChatSessionStatusGroupFilter | None = optional("By status group.")
    chat_session_id: KeyFilter | None = optional("By key.")
    topic_id: KeyFilter | None = optional("By chat channel.")
    user_id: KeyFilter | None = optional("By `user.associateId`, the agent.", "user")
    person_id: KeyFilter | None = optional("By `person.personId`.", "person")
    contact_id: KeyFilter | None = optional("By `contact.contactId`, the company.", "contact")
    project_id: KeyFilter | None = optional("By `project.projectId`.", "project")
    sale_id: KeyFilter | None = optional("By `sale.saleId`.", "sale")
    ticket_id: KeyFilter | None = optional("By `ticket.ticketId`.", "ticket")
    assigned: bool | None = optional("Whether it has an agent.", "user")
    transfer_pending: bool | None = optional("Whether it is being transferred.", "transfer_to")
    chatbot_is_active: bool | None = optional(
        "Whether a bot is answering; a session without this value matches neither."
    )
    customer_consented: bool | None = optional(
        "Whether the customer agreed to the terms; a session without this value matches neither."
    )
    alert_level: IntRange | None = optional("By escalation level.")
    wait_seconds: IntRange | None = optional(f"By `waitSeconds`. {_ALARM}")
    idle_seconds: IntRange | None = optional(f"By `idleSeconds`. {_ALARM}")
    customer_away_seconds: IntRange | None = optional(f"By `customerAwaySeconds`. {_ALARM}")
    rating: IntRange | None = optional("By the customer's rating; 0 = none, and does not match.")
    when_requested: DateTimeRange | None = optional("By time of request.")
    when_started: DateTimeRange | None = optional("By time of acceptance.")
    when_ended: DateTimeRange | None = optional("By time of the end.")
    when_idle: DateTimeRange | None = optional("By time of the last message.")
    search: str | None = optional(
        "Matches when the customer's name, alias, e-mail, phone, company, or the first or last "
        "message contains this text. Upper and lower case, accents, and blanks before and after it "
        f"make no difference. Empty text matches everything; more than {LONGEST_SEARCH} characters "
        "are refused."
    )
