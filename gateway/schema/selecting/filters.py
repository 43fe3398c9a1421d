"""The filter of sessions as GraphQL input; `matching.py` applies it."""

import strawberry

from gateway.schema.declare.inputs import sparse
from gateway.schema.declare.scalars import DateTime, Declared
from gateway.schema.entities.chat_status import StatusGroup
from gateway.schema.entities.enums import ChatSessionStatus

LONGEST_SEARCH = 200


def _operator(description: str, name: str) -> Declared:
    return strawberry.field(default=None, name=name, description=description)


def _clause(description: str, *reads: str, name: str | None = None) -> Declared:
    """Declare a part of the filter, and the fields of a session that it depends on."""
    return strawberry.field(
        default=None, name=name, description=description, metadata={"reads": reads}
    )


_IN = "Matches when the value is one of these; an empty list matches nothing."
_NOT_IN = "Matches when the value is none of these, or there is no value."


@strawberry.input(description="Compares a status. A session without one is never `in`.")
class ChatSessionStatusFilter:
    in_: list[ChatSessionStatus] | None = _operator(_IN, "in")
    not_in: list[ChatSessionStatus] | None = _operator(_NOT_IN, "notIn")


@strawberry.input(description="Compares a status group. A session without one is never `in`.")
class ChatSessionStatusGroupFilter:
    in_: list[StatusGroup] | None = _operator(_IN, "in")
    not_in: list[StatusGroup] | None = _operator(_NOT_IN, "notIn")


@strawberry.input(description="Compares a key. A session without that link is never `in`.")
class KeyFilter:
    in_: list[int] | None = _operator(_IN, "in")
    not_in: list[int] | None = _operator(_NOT_IN, "notIn")


@strawberry.input(description="Compares a number. A session without it does not match.")
class IntRange:
    min: int | None = _operator("Matches this number and greater ones.", "min")
    max: int | None = _operator("Matches this number and smaller ones.", "max")


@strawberry.input(
    description="Compares a time. A session without it does not match. A bound without offset is "
    "in the same zone as REST's times without offset. Where one side has an offset and the other "
    "has not, the zone of the latter has to be known, from the request's `SO-TimeZone` or from "
    "the gateway's settings."
)
class DateTimeRange:
    from_: DateTime | None = _operator("Matches this time and later ones.", "from")
    to: DateTime | None = _operator("Matches earlier times, not this one.", "to")


@sparse
@strawberry.input(
    description="Which sessions are wanted: those for which every part that is given holds. A "
    "part that is null is not given."
)
class ChatSessionFilter:
    and_: list["ChatSessionFilter"] | None = _clause("Every one of these.", name="and")
    or_: list["ChatSessionFilter"] | None = _clause(
        "At least one of these; an empty list matches nothing.", name="or"
    )
    not_: "ChatSessionFilter | None" = _clause("Not this.", name="not")
    status: ChatSessionStatusFilter | None = _clause("By status.", "status")
    status_group: ChatSessionStatusGroupFilter | None = _clause("By status group.", "status_group")
    chat_session_id: KeyFilter | None = _clause("By key.", "chat_session_id")
    topic_id: KeyFilter | None = _clause("By chat channel.", "topic_id")
    user_id: KeyFilter | None = _clause("By `user.associateId`, the agent.", "user")
    person_id: KeyFilter | None = _clause("By `person.personId`.", "person")
    contact_id: KeyFilter | None = _clause("By `contact.contactId`, the company.", "contact")
    project_id: KeyFilter | None = _clause("By `project.projectId`.", "project")
    sale_id: KeyFilter | None = _clause("By `sale.saleId`.", "sale")
    ticket_id: KeyFilter | None = _clause("By `ticket.ticketId`.", "ticket")
    assigned: bool | None = _clause("Whether it has an agent.", "user")
    transfer_pending: bool | None = _clause(
        "Whether it is being handed to another agent.", "transfer_to"
    )
    chatbot_is_active: bool | None = _clause(
        "Whether a bot is answering; a session that does not say matches neither.",
        "chatbot_is_active",
    )
    customer_consented: bool | None = _clause(
        "Whether the customer agreed to the terms; a session that does not say matches neither.",
        "customer_consented",
    )
    alert_level: IntRange | None = _clause("By escalation level.", "alert_level")
    when_requested: DateTimeRange | None = _clause("By time of request.", "when_requested")
    when_started: DateTimeRange | None = _clause("By time of acceptance.", "when_started")
    when_ended: DateTimeRange | None = _clause("By time of the end.", "when_ended")
    when_idle: DateTimeRange | None = _clause("By time of the last message.", "when_idle")
    search: str | None = _clause(
        "Matches when the customer's name, alias, e-mail, phone, company, or the first or last "
        "message contains this text; upper and lower case and accents make no difference. Empty "
        f"text matches everything; more than {LONGEST_SEARCH} characters are refused."
    )
