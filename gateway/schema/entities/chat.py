"""The chat session, which all other entities are linked to."""

from gateway.records.dates import AsOf
from gateway.records.record import date_of_service
from gateway.schema.declare.entity import derived, entity, prop, stamped
from gateway.schema.declare.nodes import Node
from gateway.schema.declare.scalars import DateTime
from gateway.schema.entities import chat_computed as computed
from gateway.schema.entities.access import Rights
from gateway.schema.entities.chat_computed import StatusGroup
from gateway.schema.entities.crm import Project, Sale, Ticket
from gateway.schema.entities.enums import ChatSessionFlags, ChatSessionStatus
from gateway.schema.entities.people import Associate, Contact, Person

_NO_INSTANT = (
    "Null if the zone of the times is unknown: send `SO-TimeZone: UTC, includeTZOffset`, or let "
    "the gateway's operator set a zone."
)

_AS_TYPED = "As the customer typed it in the form before the chat."
_PLAIN_TEXT = (
    "Plain text, passed on exactly as SuperOffice sends it. It can contain markup: show it as text "
    "(`textContent`, or escaped by your templates), never as HTML."
)


@entity(
    "A chat between a customer and the agents of a channel (topic). The caller sees the sessions "
    "of every channel in which they may respond, listen, manage or be notified, whichever agent "
    "handles them.",
    key="chat_session_id",
    dates=date_of_service,
)
class ChatSession(Node, Rights):
    as_of: AsOf

    chat_session_id: int | None = prop("Primary key.")
    topic_id: int | None = prop(
        "Id of the chat channel. SuperOffice sends no name with it: see `topicName`."
    )
    topic_name: str | None = stamped(
        "The channel's name, as the gateway's operator has set it; null where none is set."
    )
    user: Associate | None = prop(
        "The agent who handles it. Null while it waits in the queue, and while only a bot answers."
    )
    person: Person | None = prop("The person in the CRM, if the customer was recognised.")
    customer_alias: str | None = prop("The name shown for the customer. At most 64 characters.")
    customer_host: str | None = prop("The customer's IP address or host name. Personal data.")
    customer_name: str | None = prop(_AS_TYPED)
    customer_email: str | None = prop(_AS_TYPED)
    customer_phone: str | None = prop(_AS_TYPED)
    customer_consented: bool | None = prop(
        "Whether the customer agreed to the terms. Also false if the channel does not ask."
    )
    customer_company_name: str | None = prop(_AS_TYPED)
    status: ChatSessionStatus | None = prop("The state. It can go back: see `ChatSessionStatus`.")
    status_group: StatusGroup | None = derived(
        computed.status_group,
        "The state of the chat in four groups; null for `INVALID` and `UNRECOGNIZED`.",
    )
    is_open: bool | None = derived(
        computed.is_open,
        "Whether the chat is not over: any status group but `OVER`. Null if there is no group.",
    )
    first_message: str | None = prop(
        f"The start of the customer's first message, at most 1024 characters. {_PLAIN_TEXT}"
    )
    last_message: str | None = prop(
        "The start of the latest message, at most 1024 characters. Messages also arrive while the "
        f"chat waits in the queue. {_PLAIN_TEXT}"
    )
    when_requested: DateTime | None = prop(
        "When the customer asked for a chat. If a bot answered first, its time may be included."
    )
    when_started: DateTime | None = prop(
        "When an agent accepted. Normally null while it waits, but a chat that was put back into "
        "the queue may keep the old time: `status` decides."
    )
    when_ended: DateTime | None = prop("When it ended; normally null while it is open.")
    when_idle: DateTime | None = prop("When the last message was written, also in the queue.")
    when_fetched: DateTime | None = prop(
        "When the customer's browser last polled for messages. Changes every few seconds while "
        "the customer's page is open, and stops when it is closed: see `customerAwaySeconds`."
    )
    session_key: str | None = prop(
        "The secret that the customer's side logs in with. Anyone with it can write as the "
        "customer: do not show it, do not store it."
    )
    initial_queue_pos: int | None = prop(
        "Place in the queue at the time of the request, from 1. The current one: `queuePosition`."
    )
    queue_position: int | None = stamped(
        "The current place among the waiting sessions of its channel, from 1 = requested first. "
        "Null unless the status group is `WAITING`. `chatSessionChanges` does not report it."
    )
    alert_level: int | None = prop("Escalation level. Normally 0 = not escalated.")
    rank: int | None = prop("Index of its colour among its agent's open chats, from 1.")
    flags: ChatSessionFlags | None = prop(
        "Typing indicators, unreliable: `CUSTOMER_IS_TYPING` is number 0, which SuperOffice also "
        "sends for an idle session, so it says nothing about the customer. Several at once are "
        "sent as a comma list, which reads as `UNRECOGNIZED`: use `flagsRaw`."
    )
    contact: Contact | None = prop("The company in the CRM, if one is linked.")
    project: Project | None = prop("The project it is linked to.")
    sale: Sale | None = prop("The sale it is linked to.")
    ticket: Ticket | None = prop("The request (ticket) it became or belongs to.")
    transfer_to: Associate | None = prop(
        "The agent it is being transferred to, until that agent accepts or declines."
    )
    chatbot_is_active: bool | None = prop(
        "Whether a bot is answering. While it is, the session stays out of the queue."
    )
    rating: int | None = prop(
        "The customer's rating of the chat: 1 to 5 stars, 0 = none. Only some channels ask for it."
    )
    wait_seconds: int | None = derived(
        computed.wait_seconds,
        "Seconds from the request until an agent accepted. Until `fetchedAt` if no agent has, and "
        "whenever the status group is `WAITING` or `PRE_QUEUE`, also after a reset. Until the end "
        "for a session that ended in the queue. A bot's time may count too: the seconds also grow "
        f"while a bot answers, so check `chatbotIsActive`. {_NO_INSTANT}",
    )
    duration_seconds: int | None = derived(
        computed.duration_seconds,
        "Seconds since an agent accepted, until it ended or, while it is live, until `fetchedAt`. "
        "Null in the status groups `PRE_QUEUE` and `WAITING`, also after a reset. "
        f"{_NO_INSTANT}",
    )
    idle_seconds: int | None = derived(
        computed.idle_seconds,
        "Seconds from the last message to `fetchedAt`; null once the session is over. "
        f"{_NO_INSTANT}",
    )
    customer_away_seconds: int | None = derived(
        computed.customer_away_seconds,
        "Seconds from `whenFetched` to `fetchedAt`; null once the session is over. A few while the "
        "customer's page is open; from half a minute on, the customer has probably left. "
        f"{_NO_INSTANT}",
    )
    fetched_at: DateTime | None = derived(
        computed.fetched_at,
        "When this data was fetched, in UTC by the gateway's clock; the computed seconds refer to "
        "it, except in the events of an alarm: see `Subscription`.",
    )
