"""Decode JSON of the REST API into records: strictly and fast, or tolerantly and slower.

The strict decoder accepts what the contract allows. If it fails, the tolerant one reads the body
value by value and puts a `Malformed` into the slot of an invalid value, which fails that field, but
neither its session nor the list. A body that is not a JSON array is an error.

A `Sequence[Any]` holds records of the decoder's type.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import msgspec

from gateway.errors import UpstreamBadResponseError
from gateway.records.record import Malformed, Property, Record, flawed

Decode = Callable[[bytes], Sequence[Any]]

_FIRST_KEY = re.compile(rb'\s*\[\s*(\{"\w+":)')
_DISPLAY_TEXT = ":DisplayText"
_MOST_OBJECTS = 500_000
_FEWEST_BYTES_OF_AN_OBJECT = 50
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LINES = msgspec.json.Decoder(list[list[msgspec.Raw]])
_NULL = msgspec.Raw(b"null")
_TEXT_OR_NO_NUMBER = re.compile(
    rb'"(?:[^"\\]|\\.)*+"|(?<![\w.+-])(?:NaN|-?Infinity)(?![\w.])', re.DOTALL
)


def decoder(record: type[Record]) -> Decode:
    """Make the function that decodes a JSON array of objects into records of one type.

    Elements that are not objects are skipped. The function raises `UpstreamBadResponseError` when
    the bytes are not JSON (RFC 8259), not an array, or an array with elements but no object.
    """
    strict = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]

    def decode(body: bytes) -> Sequence[Record]:
        body = body.removeprefix(BOM_UTF8)
        if len(body) > 3 * _MOST_OBJECTS:
            _check_objects(body)
        try:
            try:
                return strict.decode(body)
            except msgspec.DecodeError:
                return _tolerant(record, body)
        except (ValueError, RecursionError) as exc:
            # The exception's text quotes customers' data: it must not reach the client.
            raise UpstreamBadResponseError("SuperOffice's answer is not valid JSON.") from exc

    return decode


def parts(body: bytes, size_bytes: int) -> Iterator[bytes]:
    """Cut an array of objects into arrays of about `size_bytes`.

    A cut is before an object that begins with the same key as the first one. `},{"key":` cannot
    occur inside a JSON string. A cut between objects inside an object makes parts invalid JSON.

    Raises:
        UpstreamBadResponseError: there are too many objects.
    """
    first = _FIRST_KEY.match(body)
    start = first.start(1) if first else 0
    objects = 0
    while first and (cut := body.find(b"}," + first[1], start + size_bytes)) >= 0:
        part = b"[" + body[start : cut + 1] + b"]"
        objects = _check_objects(part, objects)
        yield part
        start = cut + 2
    yield b"[" + body[start:] if first else body


def _check_objects(body: bytes, before: int = 0) -> int:
    """Count objects, those of earlier parts included: even an empty record takes memory."""
    objects = body.count(b"{")
    if objects * _FEWEST_BYTES_OF_AN_OBJECT > len(body):  # or braces in customers' texts
        unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
        objects = b"".join(unescaped.split(b'"')[::2]).count(b"{")
    objects += before
    if objects > _MOST_OBJECTS:
        text = f"SuperOffice's answer holds more than {_MOST_OBJECTS} objects."
        raise UpstreamBadResponseError(text)
    return objects


def in_json(p: Property) -> Property:
    """Let the slot of a property hold JSON, which is decoded at each read."""
    decode = msgspec.json.Decoder(p.wire_type | None).decode  # type: ignore[operator]

    def load(json_text: msgspec.Raw) -> object:
        try:
            value = decode(json_text)
        except ValueError:
            with suppress(ValueError, RecursionError):
                return _read_property(p, json_text)
            return p.malformed()
        return _entries(p, value) if value.__class__ is dict else value

    return replace(p, load=load)


@lru_cache(256)
def excerpt_decoder(
    record: type[Record], attributes: frozenset[str]
) -> Callable[[msgspec.Raw], object] | None:
    """Make a strict decoder for excerpts of records: only these attributes and the key.

    Return None if an attribute is not read from a single slot.
    """
    slots = {field.name: field for field in msgspec.structs.fields(record)}
    if record.key is None or not attributes <= {*slots, "id", "__class__"}:
        return None
    wanted = [slots[name] for name in slots if name in attributes or name == record.key]
    excerpt = msgspec.defstruct(
        record.__name__,
        [(f.name, f.type, msgspec.field(default=None, name=f.encode_name)) for f in wanted],
        namespace={"key": record.key, "id": vars(record).get("id")},
        kw_only=True,
        gc=False,
    )
    return msgspec.json.Decoder(excerpt | None).decode


def _tolerant(record: type[Record], body: bytes) -> Sequence[Record]:
    body.decode()  # values that the decoders skip have to be valid UTF-8 here
    try:
        elements = _ELEMENTS.decode(body)
    except msgspec.ValidationError:
        raise UpstreamBadResponseError("SuperOffice's answer is not a JSON array.") from None
    except msgspec.DecodeError:
        elements = _ELEMENTS.decode(_TEXT_OR_NO_NUMBER.sub(_repaired, body))
    strict = msgspec.json.Decoder(record)
    read = (_read_record(record, strict, element) for element in elements)
    records = [one for one in read if one is not None]
    if elements and not records:
        raise UpstreamBadResponseError("SuperOffice's answer is not an array of objects.")
    return records


def _repaired(found: re.Match[bytes]) -> bytes:
    r"""Replace what msgspec cannot read: unpaired surrogates (`"\ud83d"`), and NaN or Infinity.

    The latter become a number that is too large: it is malformed, too.
    """
    token = found[0]
    if not token.startswith(b'"'):
        return b"1e999"
    if rb"\ud" not in token.lower():
        return token
    text: str = json.loads(token)
    return json.dumps(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")).encode()


def _read_record(
    record: type[Record], strict: "msgspec.json.Decoder[Record]", element: msgspec.Raw
) -> Record | None:
    try:
        return strict.decode(element)
    except msgspec.DecodeError:  # only such elements are read value by value
        with suppress(msgspec.ValidationError):  # no object
            return _read_object(record, _MEMBERS.decode(element))
    return None


def _read_object(record: type[Record], members: Mapping[str, msgspec.Raw]) -> Record:
    # Slots of JSON keep it, as with the strict decoder: the neighbours of a malformed value stay.
    values = {
        p.slot: members[p.rest_name] if p.load else _read_property(p, members[p.rest_name])
        for p in record.properties
        if p.rest_name in members
    }
    is_flawed = any(value.__class__ is Malformed for value in values.values())
    return (flawed(record) if is_flawed else record)(**values)


def _read_property(p: Property, json_text: msgspec.Raw) -> object:
    if json_text == _NULL:
        return None
    try:
        if p.shape == "value":
            return _read_value(p, json_text)
        if p.shape == "lines":
            lines = [[_read_element(p, x) for x in line] for line in _LINES.decode(json_text)]
            return [[element for element in line if element is not None] for line in lines]
        members = _MEMBERS.decode(json_text)
        if p.shape == "record":
            return _read_object(p.nested, members)
        text = Property(p.rest_name, p.slot, str, "an object of strings")
        read = partial(_read_element, p) if p.nested.properties else partial(_read_property, text)
        return _entries(p, {name: read(entry) for name, entry in members.items()})
    except (msgspec.DecodeError, OverflowError):
        return p.malformed()


def _read_value(p: Property, json_text: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(json_text, type=p.wire_type)
    except msgspec.DecodeError:
        value = json.loads(bytes(json_text).decode())  # ValueError: a number of thousands of digits
        if not isinstance(value, float) or not value.is_integer():
            raise
        return msgspec.convert(int(value), p.wire_type)  # 3.0 and 3 are the same JSON number


def _read_element(p: Property, json_text: msgspec.Raw) -> Record | None:
    """Read an object in a list or map; any other value gives a record of malformed fields."""
    if json_text == _NULL:
        return None
    try:
        return _read_object(p.nested, _MEMBERS.decode(json_text))
    except msgspec.ValidationError:
        malformed = {inner.slot: p.malformed() for inner in p.nested.properties}
        return flawed(p.nested)(**malformed)


def _entries(p: Property, values: Mapping[str, Any]) -> list[Record]:
    """Make the entries of a map of decoded values: records or texts."""
    if not p.nested.properties:
        return list(_of_texts(p.nested, values))
    for name, entry in values.items():
        if entry is not None:
            entry.name = name
    return [*filter(None, values.values())]


def _of_texts(entry: type[Record], values: Mapping[str, object]) -> Iterator[Record]:
    """Make an entry of each text; `NAME:DisplayText` belongs to the entry of `NAME`."""
    for name, value in values.items():
        owner = name.removesuffix(_DISPLAY_TEXT)
        if owner == name or owner not in values:
            shown = values.get(f"{name}{_DISPLAY_TEXT}")
            is_flawed = Malformed in {value.__class__, shown.__class__}
            make: Callable[..., Record] = flawed(entry) if is_flawed else entry
            yield make(name=name, value=value, display_text=shown)
