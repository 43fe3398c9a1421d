"""The life of a chat session, told beat by beat.

A life is a list of beats, each saying what holds from that second on; what a session looks like
at some time is its last beat by then. So nothing has to be remembered between two answers::

    0 s InQueue · 41 s CustomerLast (Kari picks up) · 66 s UserLast · 93 s CustomerLast · …
    … 201 s UserLast (transfer to Jonas pending) · 250 s UserLast (Jonas) · … Finished · Closed
"""

from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from gateway.demo.dice import dice
from gateway.demo.people import AGENTS, Agent, Customer, customer
from gateway.demo.talk import AGENT_MARK, BOT_GREETING, BOT_HANDOVER, TALKS, TRANSFERRED

__all__ = ["LINKS", "OVER", "Beat", "Chat", "chat"]

OVER = frozenset({"Finished", "Closed", "ClosedFromQueue"})
LINKS = frozenset({"Person", "Contact", "Project", "Sale", "Ticket"})

# So long that, with as many sessions as there are by default, somebody waits at any time.
_WAIT_S = (110, 140)
# Of the chats: Kari, whom newcomers log in as, has some of her own nearly all the time.
_SHARES = (6, 2, 2, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Beat:
    """What holds from `at` seconds after the request, until the next beat."""

    at: int
    status: str
    message: str
    message_at: int
    agent: Agent | None
    transfer_to: Agent | None
    is_bot: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """One session's whole life, and what does not change in it.

    `variety` is drawn from 0 to 9,999: what differs between sessions for no reason goes by it.
    """

    customer: Customer
    owner: Agent
    links: frozenset[str]
    queue_position: int
    rating: int
    has_consented: bool
    variety: int
    beats: tuple[Beat, ...]

    @property
    def first_message(self) -> str:
        """The question it all began with."""
        return self.beats[0].message

    def place_at(self, elapsed_s: int) -> int:
        """Return the index of the beat that holds so many seconds after the request."""
        return bisect_right(self.beats, elapsed_s, key=lambda beat: beat.at) - 1

    def picked_up_at(self, place: int) -> int | None:
        """Return when an agent accepted, as known at that beat: seconds after the request."""
        return next((beat.at for beat in self.beats[: place + 1] if beat.agent), None)

    def ended_at(self, place: int) -> int | None:
        """Return when the session ended, as known at that beat: seconds after the request."""
        return next((beat.at for beat in self.beats[: place + 1] if beat.status in OVER), None)


def chat(seed: int, slot: int, cycle: int) -> Chat:
    """Tell the life of the session that has this slot of the desk during this cycle."""
    rng = dice(seed, "chat", slot, cycle)
    who = customer(seed, rng.randrange(1000))
    is_full = rng.random() < 0.5
    return Chat(
        customer=who,
        owner=AGENTS[who.company.number % len(AGENTS)],
        links=LINKS if is_full else frozenset(n for n in sorted(LINKS) if rng.random() < 0.3),
        queue_position=rng.randint(1, 6),
        rating=rng.choice([0, 0, 3, 4, 5, 5]),
        has_consented=rng.random() < 0.8,
        variety=rng.randrange(10_000),
        beats=_tell(rng, who),
    )


def _tell(rng: Random, who: Customer) -> tuple[Beat, ...]:
    story = _Story(rng, who)
    question, *turns = rng.choice(TALKS[who.company.country])
    if rng.random() < 0.25:
        story.talk_to_bot(question)
    else:
        story.mark("InQueue", question)
    story.wait(*_WAIT_S)
    if rng.random() < 0.12:
        story.mark("ClosedFromQueue")
    else:
        story.talk_to_agents(turns)
        story.mark("Finished")
        story.wait(15, 40)
        story.mark("Closed")
    return tuple(story.beats)


class _Story:
    """Puts beats one after the other; lives only while one chat is being told."""

    def __init__(self, rng: Random, who: Customer) -> None:
        self.beats: list[Beat] = []
        self._rng = rng
        self._country = who.company.country
        self._customer = who.last if self._country == "JP" else who.first
        self._at = 0
        self._message, self._message_at = "", 0
        self._agent: Agent | None = None
        self._transfer_to: Agent | None = None
        self._is_bot = False

    def wait(self, least_s: int, most_s: int) -> None:
        """Let time pass."""
        self._at += self._rng.randint(least_s, most_s)

    def mark(self, status: str, message: str | None = None) -> None:
        """Add a beat: a new status, and the message that came with it."""
        if message is not None:
            agent = self._agent.first_name if self._agent else ""
            self._message = message.format(agent=agent, customer=self._customer)
            self._message_at = self._at
        beat = Beat(
            self._at,
            status,
            self._message,
            self._message_at,
            self._agent,
            self._transfer_to,
            self._is_bot,
        )
        self.beats.append(beat)

    def talk_to_bot(self, question: str) -> None:
        """Let the bot ask what it is about; the session joins the queue afterwards."""
        self._is_bot = True
        self.mark("CustomerLast", question)
        self.wait(1, 3)
        self.mark("UserLast", BOT_GREETING[self._country])
        self.wait(10, 30)
        self.mark("CustomerLast", "OK")
        self.wait(1, 3)
        self._is_bot = False
        self.mark("InQueue", BOT_HANDOVER[self._country])

    def talk_to_agents(self, turns: list[str]) -> None:
        """Let an agent pick the session up and answer, and perhaps hand it to a colleague."""
        (self._agent,) = self._rng.choices(AGENTS, _SHARES)
        self.mark("CustomerLast")
        transfer_after = self._rng.randrange(1, 2 * len(turns))  # often beyond the end
        for place, turn in enumerate(turns):
            self.wait(18, 30)
            status = "UserLast" if turn.startswith(AGENT_MARK) else "CustomerLast"
            self.mark(status, turn.removeprefix(AGENT_MARK))
            if place == transfer_after:
                self._transfer(status)
        self.wait(10, 25)

    def _transfer(self, status: str) -> None:
        """Ask a colleague to take over; most accept, some leave it pending and then decline."""
        self._transfer_to = self._rng.choice([a for a in AGENTS if a != self._agent])
        self.mark(status)
        self.wait(40, 75)
        colleague, self._transfer_to = self._transfer_to, None
        if self._rng.random() < 0.75:
            self._agent = colleague
            self.mark("UserLast", TRANSFERRED[self._country])
        else:
            self.mark(status)
