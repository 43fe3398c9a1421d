"""The course of a chat session, as a list of beats.

A beat is the state of the session from some second on; the state at any time is the last beat
before it. So the server stores nothing between two answers::

    0 s InQueue · 41 s CustomerLast (Kari picks up) · 66 s UserLast · 93 s CustomerLast · …
    … 201 s UserLast (transfer to Jonas pending) · 250 s UserLast (Jonas) · … Finished · Closed

Some chats do not go straight on: they are put back into the queue, their customer leaves, or comes
back after the end.
"""

from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.demo.dice import dice
from gateway.demo.people import AGENTS, Agent, Customer, customer
from gateway.demo.talk import AGENT_MARK, BOT_GREETING, BOT_HANDOVER, TALKS, TRANSFERRED

OVER = frozenset({"Finished", "Closed", "ClosedFromQueue"})
LINKS = frozenset({"Person", "Contact", "Project", "Sale", "Ticket"})

# Long enough that, with the default number of sessions, somebody is always waiting.
_WAIT_S = (110, 140)
# Shares of the chats: Kari, the default user, nearly always has some of her own.
_SHARES = (9, 2, 2, 1, 1, 1)

_TURNS = {"straight on": 56, "reset": 12, "leaves queue": 16, "leaves chat": 8, "revived": 8}
"""What happens to a chat beside its talk, and how often, in percent."""


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
    left_at: int | None
    """When the customer closed the page, seconds after the request; None = after the end."""

    @property
    def first_message(self) -> str:
        """The customer's first question."""
        return self.beats[0].message

    def place_at(self, elapsed_s: int) -> int:
        """Return the index of the beat at `elapsed_s` seconds after the request."""
        return bisect_right(self.beats, elapsed_s, key=lambda beat: beat.at) - 1

    def picked_up_at(self, place: int) -> int | None:
        """Return when an agent accepted, as known at that beat: seconds after the request."""
        return next((beat.at for beat in self.beats[: place + 1] if beat.agent), None)

    def ended_at(self, place: int) -> int | None:
        """Return when the session ended, as known at that beat: seconds after the request."""
        ended = None
        for beat in self.beats[: place + 1]:
            ended = (ended or beat.at) if beat.status in OVER else None
        return ended


def chat(seed: int, slot: int, cycle: int) -> Chat:
    """Return the session that has this slot of the desk during this cycle."""
    rng = dice(seed, "chat", slot, cycle)
    who = customer(seed, rng.randrange(1000))
    is_full = rng.random() < 0.5
    (turn,) = dice(seed, "turn", slot, cycle).choices([*_TURNS], [*_TURNS.values()])
    return Chat(
        customer=who,
        owner=AGENTS[who.company.number % len(AGENTS)],
        links=LINKS if is_full else frozenset(n for n in sorted(LINKS) if rng.random() < 0.3),
        queue_position=rng.randint(1, 6),
        rating=rng.choice([0, 0, 3, 4, 5, 5]),
        has_consented=rng.random() < 0.8,
        variety=rng.randrange(10_000),
        **_course(rng, who, turn),
    )


def _course(rng: Random, who: Customer, turn: str) -> dict[str, Any]:
    story = _Story(rng, who)
    question, *talk = rng.choice(TALKS[who.company.country])
    if rng.random() < 0.25:
        story.talk_to_bot(question)
    else:
        story.mark("InQueue", question)
    story.wait(*_WAIT_S)
    if turn == "leaves queue":
        story.left_at = story.at // 3
    if rng.random() < 0.12 or turn == "leaves queue":
        story.mark("ClosedFromQueue")
    else:
        story.talk_to_agents(talk, turn)
        story.mark("Finished")
        story.wait(15, 40)
        story.mark("Closed")
    return {"beats": tuple(story.beats), "left_at": story.left_at}


class _Story:
    """Makes the beats of one chat, in order."""

    def __init__(self, rng: Random, who: Customer) -> None:
        self.beats: list[Beat] = []
        self._rng = rng
        self._country = who.company.country
        self._customer = who.last if self._country == "JP" else who.first
        self.at = 0
        self.left_at: int | None = None
        self._message, self._message_at = "", 0
        self._agent: Agent | None = None
        self._transfer_to: Agent | None = None
        self._is_bot = False

    def wait(self, least_s: int, most_s: int) -> None:
        """Let time pass."""
        self.at += self._rng.randint(least_s, most_s)

    def mark(self, status: str, message: str | None = None) -> None:
        """Add a beat: a new status, and the message that came with it."""
        if message is not None:
            agent = self._agent.first_name if self._agent else ""
            self._message = message.format(agent=agent, customer=self._customer)
            self._message_at = self.at
        who = self._agent, self._transfer_to, self._is_bot
        self.beats.append(Beat(self.at, status, self._message, self._message_at, *who))

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

    def talk_to_agents(self, talk: list[str], turn: str) -> None:
        """Let an agent pick the session up and answer, and perhaps hand it to a colleague."""
        self._pick_up()
        transfer_after = self._rng.randrange(1, len(talk) + 3)  # at times beyond the end
        for place, line in enumerate(talk):
            self.wait(18, 30)
            status = "UserLast" if line.startswith(AGENT_MARK) else "CustomerLast"
            self.mark(status, line.removeprefix(AGENT_MARK))
            if turn == "straight on" and place == transfer_after:
                self._transfer(status)
            elif turn == "reset" and place == 1:
                self._reset()
            elif turn == "leaves chat" and place == 2:
                self.left_at = self.at + 5
                self.wait(90, 120)
                return
        self.wait(10, 25)
        if turn == "revived":
            self._revive()

    def _pick_up(self) -> None:
        (self._agent,) = self._rng.choices(AGENTS, _SHARES)
        self.mark("CustomerLast")

    def _reset(self) -> None:
        """Put the chat back into the queue, where another agent finds it."""
        self._agent = None
        self.mark("InQueue")
        self.wait(70, 110)
        self._pick_up()

    def _revive(self) -> None:
        """Let the customer come back from the form after the chat with the last words again."""
        self.mark("Finished")
        self.wait(10, 20)
        self.mark("CustomerLast", f"{self._message} …")
        self.wait(30, 40)

    def _transfer(self, status: str) -> None:
        """Ask a colleague to take over; most accept, some leave it pending and then decline."""
        self._transfer_to = self._rng.choice([a for a in AGENTS if a != self._agent])
        self.mark(status)
        self.wait(40, 75)
        colleague, self._transfer_to = self._transfer_to, None
        if self._rng.random() < 0.6:
            self._agent = colleague
            self.mark("UserLast", TRANSFERRED[self._country])
        else:
            self.mark(status)
