"""The chat session, which all other entities are linked to."""

from typing import TYPE_CHECKING

from gateway.schema.declare.entity import derived, entity, prop
from gateway.schema.declare.nodes import Node
from gateway.schema.declare.scalars import DateTime
from gateway.schema.entities import chat_computed as computed
from gateway.schema.entities.access import Rights
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.crm import Project, Sale, Ticket
from gateway.schema.entities.enums import ChatSessionFlags, ChatSessionStatus
from gateway.schema.entities.people import Associate, Contact, Person

if TYPE_CHECKING:
    from gateway.records.dates import AsOf

_NO_INSTANT = (
    "Null where a time has no zone and neither the request's `SO-TimeZone` nor the gateway's "
    "settings name one: then nobody can tell."
)

_AS_TYPED = "As the customer typed it in the form before the chat."
_PLAIN_TEXT = (
    "Plain text, as SuperOffice documents no encoding; passed on exactly as REST gives it. People "
    "can write anything, markup included: a page has to show it as text (`textContent`, or what "
    "its templates escape), never as HTML."
)


@entity(
    "A chat between a customer and the agents of a channel (topic). The caller sees the sessions "
    "of every channel in which they may respond, listen, manage or be notified, whoever handles "
    "them.",
    key="chat_session_id",
    stamps=("as_of",),
)
class ChatSession(Node, Rights):
    if TYPE_CHECKING:  # the stamp
        as_of: AsOf

    chat_session_id: int | None = prop("Primary key.")
    topic_id: int | None = prop("The chat channel it came in through.")
    user: Associate | None = prop("The agent who handles it; null while it waits in the queue.")
    person: Person | None = prop("The person in the CRM, where the customer was recognised.")
    customer_alias: str | None = prop("The name shown for the customer. At most 64 characters.")
    customer_host: str | None = prop("The customer's IP address or host name. Personal data.")
    customer_name: str | None = prop(_AS_TYPED)
    customer_email: str | None = prop(_AS_TYPED)
    customer_phone: str | None = prop(_AS_TYPED)
    customer_consented: bool | None = prop("Whether the customer agreed to the terms at the start.")
    customer_company_name: str | None = prop(_AS_TYPED)
    status: ChatSessionStatus | None = prop("Where the chat stands.")
    status_group: StatusGroup | None = derived(
        computed.status_group,
        "Where the chat stands, in four groups; null for `INVALID` and `UNRECOGNIZED`.",
    )
    is_open: bool | None = derived(
        computed.is_open,
        "Whether it still goes on: every status group but `OVER`. Null where there is no group.",
    )
    first_message: str | None = prop(
        f"The start of the customer's first message, at most 1024 characters. {_PLAIN_TEXT}"
    )
    last_message: str | None = prop(
        f"The start of the latest message, at most 1024 characters. {_PLAIN_TEXT}"
    )
    when_requested: DateTime | None = prop("When the customer asked for a chat.")
    when_started: DateTime | None = prop("When an agent accepted; null while it waits.")
    when_ended: DateTime | None = prop("When it ended; null while it is open.")
    when_idle: DateTime | None = prop("When anybody last wrote something.")
    when_fetched: DateTime | None = prop(
        "When the customer's browser last asked for news. Changes every few seconds while the "
        "customer is there, and stops when the page is closed."
    )
    session_key: str | None = prop(
        "The secret that the customer's side logs in with. Whoever has it can write as the "
        "customer: do not show it, do not store it."
    )
    initial_queue_pos: int | None = prop(
        "Place in the queue at the time of the request, from 1. Never updated: not the live place."
    )
    alert_level: int | None = prop("How far the chat has been escalated; 0 = not at all.")
    rank: int | None = prop("Index of the colour it has among its agent's open chats, from 1.")
    flags: ChatSessionFlags | None = prop(
        "Signs of life. A trap: `CUSTOMER_IS_TYPING` is number 0 in REST, which is also what an "
        "idle session sends, so it says nothing about the customer. Several at once come as a "
        "comma list, which reads as `UNRECOGNIZED`: use `flagsRaw`."
    )
    contact: Contact | None = prop("The company in the CRM, where one is linked.")
    project: Project | None = prop("The project it is linked to.")
    sale: Sale | None = prop("The sale it is linked to.")
    ticket: Ticket | None = prop("The request it became, or belongs to.")
    transfer_to: Associate | None = prop(
        "The agent it is being handed to, until that agent accepts or declines."
    )
    chatbot_is_active: bool | None = prop(
        "Whether a bot is answering. While it is, the session stays out of the queue."
    )
    rating: int | None = prop("What the customer gave the chat afterwards; 0 = no rating.")
    wait_seconds: int | None = derived(
        computed.wait_seconds,
        "Seconds from the request until an agent accepted; until `fetchedAt` while nobody has; "
        f"until the end for a session that was never accepted. {_NO_INSTANT}",
    )
    duration_seconds: int | None = derived(
        computed.duration_seconds,
        "Seconds since an agent accepted, until it ended or, while it goes on, until `fetchedAt`. "
        f"{_NO_INSTANT}",
    )
    idle_seconds: int | None = derived(
        computed.idle_seconds,
        "Seconds from the last message to `fetchedAt`; null once the session is over. "
        f"{_NO_INSTANT}",
    )
    fetched_at: DateTime | None = derived(
        computed.fetched_at,
        "When REST gave the snapshot that this session is part of, in UTC by the gateway's clock. "
        "Everything that depends on the time of day is as of then.",
    )
