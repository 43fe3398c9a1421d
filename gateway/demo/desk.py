"""The chat desk: which sessions a user sees at a given second.

The desk has slots. In each slot one session follows the other, `CYCLE_S` apart. A slot has a
position and a topic. At each position a user sees the slot of one of the user's topics, so users
who share a topic see the same session there.
"""

import math
from functools import lru_cache

from gateway.demo.chats import chat
from gateway.demo.dice import dice
from gateway.demo.sessions import Moment
from gateway.demo.users import DemoUser

CYCLE_S = 560
_TOPICS_PER_POSITION = 3
_OPENED = 1_767_225_600  # the start of 2026
_FIRST_ID = 1000
_IDS = 2_000_000_000  # keys stay within 32 bits, whatever the date


class Desk:
    """All slots of the demo tenant; the seed and the time decide what is in them."""

    def __init__(self, *, sessions: int, seed: int) -> None:
        self._seed = seed
        self._positions = sessions
        self._slots = max(sessions, 1) * _TOPICS_PER_POSITION
        # Room for the current and the next session of each slot.
        self._chat = lru_cache(maxsize=2 * self._slots)(chat)
        rng = dice(seed, "phases")
        step = CYCLE_S / self._slots
        # Slots take turns, so that later sessions have higher keys.
        self._phases = [math.floor((slot + rng.random()) * step) for slot in range(self._slots)]

    def moments(self, user: DemoUser, now: int) -> list[Moment]:
        """Return the sessions this user sees, one for each position."""
        columns = len(user.topics)
        return [
            self._moment(position, user.topics[position % columns], now)
            for position in range(self._positions)
        ]

    def _moment(self, position: int, topic: int, now: int) -> Moment:
        slot = position * _TOPICS_PER_POSITION + topic % 10
        cycle, elapsed_s = divmod(now - _OPENED - self._phases[slot], CYCLE_S)
        # Wrapping by whole rounds of slots keeps keys apart at any one time.
        round_number = cycle % (_IDS // self._slots)
        return Moment(
            seed=self._seed,
            session_id=_FIRST_ID + round_number * self._slots + slot,
            topic_id=topic,
            chat=self._chat(self._seed, slot, cycle),
            requested=now - elapsed_s,
            now=now,
        )
