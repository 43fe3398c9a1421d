"""Decode sessions, and set the fields that depend on the whole list or on settings."""

from collections import Counter
from collections.abc import Collection, Mapping
from operator import attrgetter, itemgetter

from gateway.records.dates import UTC, nanoseconds
from gateway.records.decode import decoder
from gateway.records.record import valid
from gateway.schema.declare.entity import record_of
from gateway.schema.entities.chat import ChatSession
from gateway.schema.entities.enums import ChatSessionStatus

decode = decoder(record_of(ChatSession))
"""Decodes SuperOffice's answer, or a part of it, in the same order."""

_status = record_of(ChatSession).columns["status"]
_sent_status = attrgetter(_status.slot)


def complete(sessions: Collection[ChatSession], *, topic_names: Mapping[int, str]) -> None:
    """Set the fields that SuperOffice does not send: the channel's name, the place in the queue."""
    if topic_names:
        for session in sessions:
            session.topic_name = topic_names.get(session.topic_id)  # type: ignore[arg-type]
    number_queues(sessions)


def number_queues(sessions: Collection[ChatSession]) -> None:
    """Set the place of each waiting session in the queue of its channel.

    Sessions without a channel or a time of request get none. Times without a zone are compared as
    they are written: within one answer, all are in the same zone.
    """
    waiting = []
    # Each different status is converted once, not once per session: every snapshot comes here.
    words = set(map(_sent_status, sessions))
    words = {word for word in words if _status.convert(word) is ChatSessionStatus.IN_QUEUE}
    for session in [s for s in sessions if _sent_status(s) in words]:
        topic, requested = valid(session.topic_id), valid(session.when_requested)
        if topic is not None and requested is not None:
            key = valid(session.chat_session_id) or 0
            waiting.append((topic, nanoseconds(requested, UTC), key, session))
    places = Counter[int]()
    for topic, _, _, session in sorted(waiting, key=itemgetter(0, 1, 2)):
        places[topic] += 1
        session.queue_position = places[topic]
