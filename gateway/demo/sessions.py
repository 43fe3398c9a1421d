"""One chat at one moment, as SuperOffice writes it: the ChatSessionEntity."""

from dataclasses import dataclass

from gateway.demo.chats import OVER, Beat, Chat
from gateway.demo.contacts import contact_record
from gateway.demo.people import associate_record, person_record
from gateway.demo.projects_and_sales import project_record, sale_record
from gateway.demo.rights import field_properties, table_right
from gateway.demo.tickets import ChatFacts, ticket_record
from gateway.demo.wire import Record, Wire

MESSAGE_LENGTH = 1024
_POLL_S = 3
_TYPING_S = 6
_CHATTING = frozenset({"CustomerLast", "UserLast"})


@dataclass(frozen=True, slots=True)
class Moment:
    """A session at one second; times in seconds since 1970."""

    seed: int
    session_id: int
    topic_id: int
    chat: Chat
    requested: int
    now: int

    @property
    def place(self) -> int:
        """The index of the chat's current beat."""
        return self.chat.place_at(self.now - self.requested)

    @property
    def beat(self) -> Beat:
        """The chat's current beat."""
        return self.chat.beats[self.place]


def session_record(moment: Moment, wire: Wire) -> Record:
    """Return a session's 33 properties, nested records included."""
    return {
        "TableRight": table_right(moment.chat.variety, wire),
        "FieldProperties": field_properties("ChatSession", moment.beat.status in OVER, wire),
        "ChatSessionId": moment.session_id,
        "TopicId": moment.topic_id,
        **_customer(moment),
        **_state(moment),
        **_times(moment, wire),
        **_agents(moment, wire),
        **_links(moment, wire),
    }


def _customer(moment: Moment) -> Record:
    who, number = moment.chat.customer, moment.chat.variety
    has_filled_form = number % 5 != 0  # the fields before a chat are optional
    return {
        "CustomerAlias": who.first,
        "CustomerHost": f"203.0.113.{number % 254 + 1}" if number % 3 else f"2001:db8::{number:x}",
        "CustomerName": who.full_name,
        "CustomerEmail": who.email if has_filled_form else "",
        "CustomerPhone": who.mobile if has_filled_form else None,
        "CustomerCompanyName": who.company.name if has_filled_form else None,
        "CustomerConsented": moment.chat.has_consented,
        "SessionKey": f"demo-key-{moment.session_id:08x}-{number:04x}",
    }


def _state(moment: Moment) -> Record:
    chat, beat = moment.chat, moment.beat
    # A reset chat has waited since its first request.
    waited_s = moment.now - moment.requested if beat.status == "InQueue" else 0
    return {
        "Status": beat.status,
        "FirstMessage": chat.first_message[:MESSAGE_LENGTH],
        "LastMessage": beat.message[:MESSAGE_LENGTH],
        "InitialQueuePos": chat.queue_position,
        "AlertLevel": min(waited_s // 30, 2),
        "Rank": chat.variety % 5 + 1 if beat.agent else 0,
        # The zero member of the enum: idle sessions have this value too.
        "Flags": "UserIsTyping" if _is_agent_typing(moment) else "CustomerIsTyping",
        "ChatbotIsActive": beat.is_bot,
        "Rating": chat.rating if beat.status in OVER and beat.agent else 0,
    }


def _is_agent_typing(moment: Moment) -> bool:
    """Return whether the agent's next message follows within seconds."""
    if moment.beat.status not in _CHATTING or moment.beat.agent is None:
        return False
    following = moment.chat.beats[moment.place + 1]  # a chat always goes on to Finished
    is_soon = moment.now - moment.requested >= following.at - _TYPING_S
    return is_soon and following.status == "UserLast"


def _times(moment: Moment, wire: Wire) -> Record:
    requested = moment.requested
    ended = _since(requested, moment.chat.ended_at(moment.place))
    # The customer's browser polls until the end, or until the customer leaves; the last poll is
    # never in the future.
    polled = moment.now - 1 - (moment.now + moment.chat.variety) % _POLL_S
    left = _since(requested, moment.chat.left_at)
    fetched = max(requested, min(polled, ended or polled, left or polled))
    ticks = (fetched * 7919 + moment.chat.variety * 104_729) % 10_000_000
    return {
        "WhenRequested": wire.date(requested),
        "WhenStarted": wire.date(_since(requested, moment.chat.picked_up_at(moment.place))),
        "WhenEnded": wire.date(ended),
        "WhenIdle": wire.date(requested + moment.beat.message_at),
        "WhenFetched": wire.date(fetched, ticks if requested < fetched not in {ended, left} else 0),
    }


def _since(requested: int, elapsed_s: int | None) -> int | None:
    return None if elapsed_s is None else requested + elapsed_s


def _agents(moment: Moment, wire: Wire) -> Record:
    """No agent is null, or, in some sessions, an object of zeros and empty strings."""
    beat = moment.beat
    is_blank = beat.agent is None and moment.chat.variety % 4 == 0
    has_user = beat.agent is not None or is_blank
    return {
        "User": associate_record(beat.agent, wire) if has_user else None,
        "TransferTo": associate_record(beat.transfer_to, wire) if beat.transfer_to else None,
    }


def _links(moment: Moment, wire: Wire) -> Record:
    chat, seed = moment.chat, moment.seed
    who, owner = chat.customer, chat.owner
    company = who.company
    has = chat.links.__contains__
    return {
        "Person": person_record(who, owner, wire) if has("Person") else None,
        "Contact": contact_record(company, owner.associate_id, owner.full_name, wire)
        if has("Contact")
        else None,
        "Project": project_record(seed, company, owner, wire) if has("Project") else None,
        "Sale": sale_record(seed, company, owner, wire) if has("Sale") else None,
        "Ticket": ticket_record(_facts(moment), wire) if has("Ticket") else None,
    }


def _facts(moment: Moment) -> ChatFacts:
    chat, beat, place = moment.chat, moment.beat, moment.place
    return ChatFacts(
        session_id=moment.session_id,
        variety=chat.variety,
        customer=chat.customer,
        agent=beat.agent,
        links=chat.links,
        title=chat.first_message,
        requested=moment.requested,
        replied=_since(moment.requested, chat.picked_up_at(place)),
        ended=_since(moment.requested, chat.ended_at(place)),
        changed=moment.requested + beat.at,
        messages=place + 1,
    )
