"""How the answers of a stream are written: as server-sent events, or as parts of a multipart.

Sources: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md, distinct connections
mode; https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import orjson

from gateway.schema.engine import Answer

_NOT_KEPT = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Caches do not store a stream, and proxies do not hold its parts back."""


@dataclass(frozen=True, slots=True)
class Framing:
    """One way to write a stream."""

    headers: Mapping[str, str]
    start: str
    part: Callable[[Answer], str]
    heartbeat: str
    end: str


def _event(answer: Answer) -> str:
    # A line feed alone ends a line: urql knows no other, and all clients know it.
    return f"event: next\ndata: {orjson.dumps(answer.content).decode()}\n\n"


def _written(content: Mapping[str, object]) -> str:
    # With the boundary behind it: a client takes a part when the next one begins.
    json = orjson.dumps(content).decode()
    return f"\r\nContent-Type: application/json\r\n\r\n{json}\r\n--graphql"


def _part(answer: Answer) -> str:
    payload = None if answer.is_refusal else answer.content
    errors = {"errors": answer.body["errors"]} if answer.is_refusal else {}
    return _written({"payload": payload, **errors})


EVENTS = Framing(
    MappingProxyType({"Content-Type": "text/event-stream", **_NOT_KEPT}),
    start="",
    part=_event,
    heartbeat=": ping\n\n",
    end="event: complete\ndata: \n\n",
)
PARTS = Framing(
    MappingProxyType(
        {"Content-Type": "multipart/mixed;boundary=graphql;subscriptionSpec=1.0", **_NOT_KEPT}
    ),
    start="\r\n--graphql",
    part=_part,
    heartbeat=_written({}),
    end="--\r\n",
)
