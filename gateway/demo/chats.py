"""The course of a chat session, as a list of beats.

A beat is the state of the session from some second on; the state at any time is the last beat
before it. So the server stores nothing between two answers::

    0 s InQueue · 41 s CustomerLast (Kari picks up) · 66 s UserLast · 93 s CustomerLast · …
    … 201 s UserLast (transfer to Jonas pending) · 250 s UserLast (Jonas) · … Finished · Closed
"""

from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from gateway.demo.dice import dice
from gateway.demo.people import AGENTS, Agent, Customer, customer
from gateway.demo.talk import AGENT_MARK, BOT_GREETING, BOT_HANDOVER, TALKS, TRANSFERRED

OVER = frozenset({"Finished", "Closed", "ClosedFromQueue"})
LINKS = frozenset({"Person", "Contact", "Project", "Sale", "Ticket"})

# Long enough that, with the default number of sessions, somebody is always waiting.
_WAIT_S = (110, 140)
# Shares of the chats: Kari, the default user, nearly always has some of her own.
_SHARES = (6, 2, 2, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Beat:
    """The state from `at` seconds after the request until the next beat."""

    at: int
    status: str
    message: str
    message_at: int
    agent: Agent | None
    transfer_to: Agent | None
    is_bot: bool


@dataclass(frozen=True, slots=True)
class Chat:
    """One session's whole course, and what does not change in it.

    `variety`, 0 to 9,999, decides everything that differs between sessions at random.
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
        """The customer's first question."""
        return self.beats[0].message

    def place_at(self, elapsed_s: int) -> int:
        """Return the index of the current beat, so many seconds after the request."""
        return bisect_right(self.beats, elapsed_s, key=lambda beat: beat.at) - 1

    def picked_up_at(self, place: int) -> int | None:
        """Return when an agent accepted, as known at that beat: seconds after the request."""
        return next((beat.at for beat in self.beats[: place + 1] if beat.agent), None)

    def ended_at(self, place: int) -> int | None:
        """Return when the session ended, as known at that beat: seconds after the request."""
        return next((beat.at for beat in self.beats[: place + 1] if beat.status in OVER), None)


def chat(seed: int, slot: int, cycle: int) -> Chat:
    """Return the session that has this slot of the desk during this cycle."""
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
        beats=_beats(rng, who),
    )


def _beats(rng: Random, who: Customer) -> tuple[Beat, ...]:
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
    """Makes the beats of one chat, in order."""

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
        """Let the bot ask for the topic; then the session joins the queue."""
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
