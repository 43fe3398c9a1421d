"""The size of a wallboard's events, compared with SuperOffice's answers."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from gateway.demo import wallboard
from gateway.demo.desk import Desk as DemoDesk
from gateway.demo.sessions import session_record
from gateway.demo.users import DEMO_USERS, TOPIC_NAMES
from gateway.demo.wire import Wire
from gateway.schema.entities.chat_decoder import complete
from tests.demo.asking import NOON
from tests.live.clock import Clock
from tests.live.desk import Json

SCRIPT = Path(wallboard.__path__[0], "static", "wallboard.js").read_text("utf-8")
NUMBERS, QUEUE = re.findall(r"`(subscription .*?)`;", SCRIPT, re.DOTALL)


def sessions_at(second: int) -> list[Json]:
    """Return the sessions of the demo's first user this many seconds after noon."""
    moments = DemoDesk(sessions=12, seed=1).moments(DEMO_USERS[0], NOON + second)
    wire = Wire(zone="UTC", has_offset=True)
    sessions: list[Json] = orjson.loads(orjson.dumps([session_record(m, wire) for m in moments]))
    return sessions


def size(content: object) -> int:
    """Return the number of bytes as JSON."""
    return len(orjson.dumps(content))


async def test_an_event_is_a_hundredth_of_an_answer_of_superoffice(
    clock: Callable[..., Clock],
) -> None:
    """Over a minute of the demo, each event of the wallboard is below 900 bytes."""
    desk = clock(*sessions_at(0), since_ns=NOON * 10**9)
    desk.desk.source.complete = partial(complete, topic_names=TOPIC_NAMES)
    answers = [size(desk.desk.sessions)]
    async with desk.screen(NUMBERS) as numbers, desk.screen(QUEUE) as queue:
        for second in range(5, 61, 5):
            desk.desk.sessions = sessions_at(second)
            answers.append(size(desk.desk.sessions))
            desk.desk.ahead_s = second
            desk.desk.watchers.poll()
            await desk.at(second)

    events: list[Any] = [
        {"data": {name: answer}}
        for name, screen in (("chatSessionSummary", numbers), ("chatSessions", queue))
        for answer in screen.answers
    ]
    assert len(desk.desk.calls) == 13
    assert len(events) == 20
    assert max(map(size, events)) < 900
    assert min(answers) > 150_000
