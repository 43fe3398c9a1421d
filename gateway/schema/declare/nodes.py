"""Global ids: make the `id` of an entity with a key, and read the type from an id.

Source: Relay's Global Object Identification, https://relay.dev/graphql/objectidentification.htm.
"""

import hashlib

import msgspec
import strawberry
from strawberry.relay import GlobalID
from strawberry.relay.types import GlobalIDValueError

from gateway.records.record import Record
from gateway.schema.declare.scalars import described

_STAMPS = frozenset({"as_of", "queue_position", "topic_name"})
LINKS = ("user", "transfer_to", "person", "contact", "project", "sale", "ticket")


@strawberry.interface(description="An object with a globally unique `id`.")
class Node:
    id: strawberry.ID = described(
        "Opaque ID, unique among all objects of a tenant: use a cache for each tenant. "
        "`node(id:)` finds the object as long as one of the caller's sessions has it."
    )


def global_id(record: Record) -> str:
    """Make the id of a record: its type and its key.

    A record without a key breaks the contract; its id is a digest of the content. Otherwise a
    client's cache would merge two such objects.
    """
    assert record.key is not None  # noqa: S101  only types with a key have an id
    key = getattr(record, record.key)
    if not key or not isinstance(key, int):
        content = msgspec.json.encode(_content(record), order="deterministic")
        key = f"?{hashlib.blake2b(content, digest_size=8).hexdigest()}"
    return str(GlobalID(type(record).__name__, str(key)))


def _content(value: object) -> object:
    """Convert records to the values that SuperOffice sent, without the gateway's stamps."""
    if isinstance(value, Record):
        sent = {p.slot: value.sent(p) for p in value.properties}
        slots = {**msgspec.structs.asdict(value), **sent}
        return {name: _content(part) for name, part in slots.items() if name not in _STAMPS}
    return [_content(item) for item in value] if isinstance(value, list) else value


def type_name(node_id: str) -> str | None:
    """Return the type that an id names; None for an invalid id."""
    try:
        return GlobalID.from_id(node_id).type_name
    except GlobalIDValueError:
        return None
