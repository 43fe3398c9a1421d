"""From REST's bytes to records, strictly and fast, or tolerantly and slower.

The strict decode takes what the contract allows. Only when it refuses is the same body read again
value by value, and what does not fit becomes `Malformed` in its slot: one odd property costs
itself, never its session, never the list. What is not JSON at all, or not an array, is refused.
"""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.errors import UpstreamBadResponseError
from gateway.schema.records import Int32, Malformed, Property, Record

__all__ = ["Decode", "decoder"]

Decode = Callable[[bytes], Sequence[Any]]

_BOM = b"\xef\xbb\xbf"


def decoder(record: type[Record]) -> Decode:
    """Make the function from a JSON array of objects to records of one type.

    Elements that are no objects are left out. The function raises `UpstreamBadResponseError` when
    the bytes are not JSON (RFC 8259), not an array, or an array without a single object in it.
    """
    strict = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]

    def decode(body: bytes) -> Sequence[Any]:
        body = body.removeprefix(_BOM)
        try:
            _check_utf8(body)
            try:
                return strict.decode(body)
            except msgspec.DecodeError:
                return _tolerant(record, json.loads(body))
        except (ValueError, RecursionError) as exc:
            # The exception's own text quotes the answer: it must not travel further.
            raise UpstreamBadResponseError("REST's answer is not valid JSON.") from exc

    return decode


def _check_utf8(body: bytes) -> None:
    # msgspec leaves what it skips unchecked.
    if not body.isascii():
        body.decode()


def _tolerant(record: type[Record], parsed: object) -> Sequence[Any]:
    if not isinstance(parsed, list):
        raise UpstreamBadResponseError("REST's answer is not a JSON array.")
    objects = [element for element in parsed if isinstance(element, dict)]
    if parsed and not objects:
        raise UpstreamBadResponseError("REST's answer is not an array of objects.")
    return [_read_object(record, element) for element in objects]


def _read_object(record: type[Record], parsed: dict[str, Any]) -> Record:
    values = {
        p.slot: _read_property(p, parsed[p.rest_name])
        for p in record.properties
        if p.rest_name in parsed
    }
    return record(**values)


def _read_property(p: Property, value: Any) -> Any:
    if value is None:
        return None
    if p.shape == "value":
        return _read_value(p, value)
    if p.shape == "record":
        return _read_object(_nested(p), value) if isinstance(value, dict) else p.malformed()
    if p.shape == "map":
        return _read_map(p, value) if isinstance(value, dict) else p.malformed()
    if isinstance(value, list) and all(isinstance(line, list) for line in value):
        return [[_read_element(p, x) for x in line if x is not None] for line in value]
    return p.malformed()


def _read_value(p: Property, value: Any) -> Any:
    if isinstance(value, str):
        value = _without_surrogates(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            return p.malformed()  # NaN, which json takes; 1e400, which no double holds
        if p.wire_type is Int32 and value.is_integer():
            value = int(value)  # 3.0 and 3 are the same JSON number
    try:
        return msgspec.convert(value, p.wire_type)
    except (msgspec.ValidationError, OverflowError):
        return p.malformed()


def _read_map(p: Property, value: dict[str, Any]) -> dict[str, Any]:
    items = ((_without_surrogates(name), entry) for name, entry in value.items())
    if p.nested is not None:
        return {name: _read_element(p, entry) for name, entry in items if entry is not None}
    text = Property(p.rest_name, p.slot, str | None, "an object of strings")
    return {name: _read_value(text, entry) for name, entry in items}


def _read_element(p: Property, value: Any) -> Record:
    """Read an object in a list or map; one that is no object is wrong in every field of it."""
    nested = _nested(p)
    if isinstance(value, dict):
        return _read_object(nested, value)
    return nested(**{inner.slot: Malformed(p.rest_name, p.expected) for inner in nested.properties})


def _nested(p: Property) -> type[Record]:
    assert p.nested is not None  # noqa: S101  what is not a plain value has a record type
    return p.nested


def _without_surrogates(text: str) -> str:
    r"""Replace half a character (`"\ud83d"`), which JSON can write and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
