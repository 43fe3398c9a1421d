"""REST answers that are not a JSON array of objects are refused as a whole."""

import json

import pytest

from gateway.errors import UpstreamBadResponseError
from tests.schema.asking import Answer, ask, decode

SESSION = b'{"ChatSessionId": 1}'
DEEP = 400_000  # deeper than the stack, the only limit from Python 3.14 on
BODIES = {
    "empty": b"",
    "white space": b" \n",
    "a byte order mark alone": b"\xef\xbb\xbf",
    "null": b"null",
    "true": b"true",
    "a number": b"42",
    "a string": b'"sessions"',
    "NaN": b"NaN",
    "an empty object": b"{}",
    "an object": SESSION,
    "an object around the list": b'{"value": [' + SESSION + b"]}",
    "an error of REST": b'{"Error": true, "ErrorMessage": "Login failed for user sa"}',
    "HTML": b"<!DOCTYPE html><html><title>Log in</title></html>",
    "XML": b'<?xml version="1.0"?><ArrayOfChatSession/>',
    "plain text": b"Service Unavailable",
    "an array of numbers": b"[1, 2, 3]",
    "an array of nulls": b"[null, null]",
    "an array of arrays": b"[[], []]",
    "cut before the end": b"[" + SESSION,
    "cut inside a string": b'[{"CustomerName": "Ad',
    "cut inside a property": b'[{"ChatSessionId": 1, "Top',
    "cut inside a number": b'[{"TopicId": -',
    "cut inside a character": '[{"CustomerName": "é'.encode()[:-1],
    "junk after the end": b"[" + SESSION + b"]x",
    "a zero byte after the end": b"[" + SESSION + b"]\x00",
    "two documents": b"[" + SESSION + b"][" + SESSION + b"]",
    "two documents, line by line": b"[" + SESSION + b"]\n[" + SESSION + b"]",
    "a negative NaN": b'[{"TopicId": -NaN}]',
    "infinity beside a digit": b'[{"TopicId": 5Infinity}]',
    "a comma too many": b"[" + SESSION + b",]",
    "a comma too many in an object": b'[{"ChatSessionId": 1,}]',
    "single quotes": b"[{'ChatSessionId': 1}]",
    "a name without quotes": b"[{ChatSessionId: 1}]",
    "a comment": b"[/* none */]",
    "a line break in a string": b'[{"CustomerName": "a\nb"}]',
    "a line break in an unknown property": b'[{"Mood": "a\nb"}]',
    "a number with a leading zero": b'[{"TopicId": 04}]',
    "an unknown number with a leading zero": b'[{"Mood": 04}]',
    "an escape that JSON has not": rb'[{"Mood": "\x41"}]',
    "invalid UTF-8": b'[{"CustomerName": "\xff"}]',
    "Latin-1": '[{"CustomerName": "é"}]'.encode("latin-1"),
    "UTF-16": '[{"CustomerName": "é"}]'.encode("utf-16"),
    "UTF-16 without its mark": '[{"CustomerName": "e"}]'.encode("utf-16-be"),
    "arrays without end": b"[" * DEEP,
    "arrays too deep": b"[" * DEEP + b"]" * DEEP,
    "an unknown property too deep": b'[{"Mood": ' + b"[" * DEEP + b"]" * DEEP + b"}]",
    "a known property too deep": b'[{"TopicId": ' + b"[" * DEEP + b"]" * DEEP + b"}]",
    "objects too deep": b'[{"Mood": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}]",
    "an integer of 5,000 digits": b'[{"TopicId": ' + b"9" * 5_000 + b"}]",
}


UNREAD = {
    "an unknown property": b'"Mood": "\xff"',
    "an unknown name": b'"\xc3\x28": 1',
    "deep in an unknown property": b'"Mood": [{"a": "\xe2\x82"}]',
    "a surrogate": b'"Mood": "\xed\xa0\xbd"',
    "a map": b'"FieldProperties": {"a": {"FieldType": "\xff"}}',
}


@pytest.mark.parametrize("members", UNREAD.values(), ids=UNREAD.keys())
async def test_invalid_utf8_in_a_skipped_value_has_no_effect(members: bytes) -> None:
    """Only the structure of skipped values is checked."""
    answer = await ask("{ chatSessions { topicId } }", b'[{"TopicId": 4, ' + members + b"}]")

    assert answer == Answer({"chatSessions": [{"topicId": 4}]}, [])


async def test_a_linked_object_that_is_no_json_affects_only_itself() -> None:
    """A linked object is parsed separately, once it is selected."""
    body = b'[{"TopicId": 4, "Sale": {"Amount": ' + b"9" * 5_000 + b"}}]"

    without_sale = await ask("{ chatSessions { topicId } }", body)
    with_sale = await ask("{ chatSessions { topicId sale { title } } }", body)

    assert without_sale == Answer({"chatSessions": [{"topicId": 4}]}, [])
    assert with_sale.data == {"chatSessions": [{"topicId": 4, "sale": None}]}
    assert (with_sale.codes, with_sale.paths) == (
        ["UPSTREAM_BAD_RESPONSE"],
        [["chatSessions", 0, "sale"]],
    )


@pytest.mark.parametrize("invalid", [b"\xff", b"\xed\xa0\xbd"], ids=["a byte", "a surrogate"])
async def test_invalid_utf8_in_a_map_affects_only_the_map(invalid: bytes) -> None:
    """A map is read once it is selected, and only its field is an error."""
    answer = await ask(
        "{ chatSessions { topicId fieldProperties { name } } }",
        b'[{"TopicId": 4, "FieldProperties": {"a": {"FieldType": "%b"}}}]' % invalid,
    )

    assert answer.data == {"chatSessions": [{"topicId": 4, "fieldProperties": None}]}
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]
    assert answer.paths == [["chatSessions", 0, "fieldProperties"]]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_array_of_objects_is_refused(body: bytes) -> None:
    """No part of such a body is used."""
    with pytest.raises(UpstreamBadResponseError):
        decode(body)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_refused_body_is_one_error_without_quotes(body: bytes) -> None:
    """The root field is null, and the message is one of ours."""
    answer = await ask("{ chatSessions { topicId } }", body)

    assert answer.data == {"chatSessions": None}
    assert answer.paths == [["chatSessions"]]
    assert answer.codes == ["UPSTREAM_BAD_RESPONSE"]
    assert answer.messages[0].startswith("SuperOffice's answer is not ")
    assert len(answer.messages[0]) < 60


def test_too_many_objects_are_refused() -> None:
    """A record takes memory even if it has no values."""
    with pytest.raises(UpstreamBadResponseError, match="more than 500000 objects"):
        decode(b"[" + b"{}," * 500_000 + b"{}]")


@pytest.mark.parametrize("text", ["{" * 1_000, '{"' * 500, "{\\" * 500 + '"{}'])
def test_braces_in_texts_are_no_objects(text: str) -> None:
    """Customers can fill their messages with braces."""
    body = json.dumps([{"ChatSessionId": n, "CustomerName": text} for n in range(1, 2_001)])

    assert decode(body.encode())[-1].customer_name == text
