"""The fake REST API's data: copies of the sample with other ids, names and statuses.

No value needs more than its GraphQL name: there are no unset dates, no zero keys, no empty objects,
and offsets have a colon. So an engine that translates nothing can give the same answer as one that
does.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import orjson

__all__ = ["ROOT", "Json", "rest_body", "sessions"]

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
_SAMPLE = ROOT / "tests" / "schema" / "sample.json"
_FIRST_ID = 240_001
_TOPICS = (10, 20, 30, 210)
_STATUSES = ("InQueue", "CustomerLast", "UserLast", "Finished", "Closed")
_SALE_STATUSES = ("Open", "Sold", "Lost", "Stalled")
_RIGHT = {"Mask": "FULL", "Reason": ""}
_LINES = (("Zip", "0150"), ("City", "Oslo"))
_ADDRESS = {
    "Wgs84Latitude": 59.9138,
    "Wgs84Longitude": 10.7522,
    "LocalizedAddress": [
        [{"Name": name, "Value": value, "ValueLength": 80} for name, value in _LINES]
    ],
    "Street": {
        "AtypeIdx": "ContactPostalAddress",
        "Address1": "Wergelandsveien 27",
        "City": "Oslo",
        "Zipcode": "0167",
    },
    "Postal": {"AtypeIdx": "ContactPostalAddress", "Address1": "P.O. Box 1884"},
    "Formatted": "Wergelandsveien 27, 0167 Oslo",
    "TableRight": _RIGHT,
}


@cache
def sessions(count: int) -> tuple[Json, ...]:
    """Return this many sessions; the first ones are the same for every count."""
    sample = _filled(json.loads(_SAMPLE.read_bytes())[0])
    return tuple(_session(sample, number) for number in range(count))


@cache
def rest_body(count: int) -> bytes:
    """Return the REST answer with this many sessions."""
    return orjson.dumps(sessions(count))


def _filled(record: Json) -> Json:
    blanks = {"TableRight": _RIGHT, "Address": _ADDRESS}
    return {
        name: (value and _filled(value)) or blanks[name] if isinstance(value, dict) else value
        for name, value in record.items()
    }


def _session(sample: Json, number: int) -> Json:
    session = _varied(sample, number)
    minute = number % 60
    session |= {
        "ChatSessionId": _FIRST_ID + number,
        "TopicId": _TOPICS[number % len(_TOPICS)],
        "Status": _STATUSES[number % len(_STATUSES)],
        "WhenRequested": session["WhenRequested"].replace("15:05", f"15:{minute:02}"),
    }
    session["Sale"]["Status"] = _SALE_STATUSES[number % len(_SALE_STATUSES)]
    return session


def _varied(record: Json, number: int) -> Json:
    return {name: _another(name, value, number) for name, value in record.items()}


def _another(name: str, value: Any, number: int) -> Any:
    if isinstance(value, dict) and name not in {"FieldProperties", "TableRight", "Address"}:
        return _varied(value, number)
    if isinstance(value, int) and name.endswith("Id"):
        return value + number
    if isinstance(value, str) and name.lower().endswith("name"):
        tag = f" {number}"
        return value[: -len(tag)] + tag  # of the same length, so that sizes can be compared
    return value
