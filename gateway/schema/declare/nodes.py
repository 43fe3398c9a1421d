"""Global ids: the `id` of an entity with a key, and how to find the entity by it.

Source: Relay's Global Object Identification, https://relay.dev/graphql/objectidentification.htm.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import strawberry
from strawberry.relay import GlobalID
from strawberry.relay.types import GlobalIDValueError

from gateway.records.record import Record
from gateway.schema.declare.scalars import described

_STAMPS = frozenset({"as_of", "folded", "queue_position", "topic_name"})
LINKS = ("user", "transfer_to", "person", "contact", "project", "sale", "ticket")


@strawberry.interface(description="An object with a globally unique `id`.")
class Node:
    id: strawberry.ID = described(
        "Globally unique, opaque ID, for caches and for `node(id:)`, which finds the object as "
        "long as one of the caller's sessions has it."
    )


def global_id(record: Record) -> str:
    """Make the id of a record: its type and its key.

    Without a key, which breaks the contract, it is made of a digest of the content: otherwise a
    client's cache would merge two such objects.
    """
    assert record.key is not None  # noqa: S101  only types with a key have an id
    key = getattr(record, record.key)
    if not key or not isinstance(key, int):
        content = msgspec.json.encode(_content(record), order="deterministic")
        key = f"?{hashlib.blake2b(content, digest_size=8).hexdigest()}"
    return str(GlobalID(type(record).__name__, str(key)))


def _content(value: object) -> object:
    """Convert records to what SuperOffice sent, without the stamps of the gateway."""
    if isinstance(value, Record):
        sent = {p.slot: value.sent(p) for p in value.properties}
        slots = {**msgspec.structs.asdict(value), **sent}
        return {name: _content(part) for name, part in slots.items() if name not in _STAMPS}
    return [_content(item) for item in value] if isinstance(value, list) else value


def find_records(
    sessions: Iterable[Record], ids: Sequence[str], links: Collection[str] = LINKS
) -> list[Any]:  # of nodes: mypy cannot know that records stand for them
    """Find sessions, and records linked to one by `links`; an invalid id finds nothing."""
    wanted = frozenset(ids)
    types = {_type_name(node_id) for node_id in wanted}
    found: dict[str, Record] = {}
    for record in _walk(sessions, links):
        if type(record).__name__ in types and (node_id := global_id(record)) in wanted:
            found.setdefault(node_id, record)
    return [found.get(node_id) for node_id in ids]


def _type_name(node_id: str) -> str | None:
    try:
        return GlobalID.from_id(node_id).type_name
    except GlobalIDValueError:
        return None


def _walk(sessions: Iterable[Record], links: Collection[str]) -> Iterator[Record]:
    for session in sessions:
        yield session
        linked = (getattr(session, link) for link in links)
        yield from (record for record in linked if isinstance(record, Record))
