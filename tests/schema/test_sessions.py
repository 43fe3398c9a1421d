"""The list of sessions: its elements, and parts of the body that are ignored."""

import pytest

from tests.schema.asking import Json, ask, decode, read

IDS = "{ chatSessions { chatSessionId } }"


@pytest.mark.parametrize("count", [0, 1, 2, 10_000])
async def test_every_session_is_listed_in_the_order_of_the_rest_api(count: int) -> None:
    """The list has no limit of its own."""
    answer = await ask(IDS, [{"ChatSessionId": count - n} for n in range(count)])

    expected = [{"chatSessionId": count - n} for n in range(count)]
    assert (answer.data["chatSessions"], answer.errors) == (expected, [])


async def test_one_invalid_property_does_not_affect_ten_thousand_sessions() -> None:
    """Only the field of the invalid value is null."""
    sessions: list[Json] = [{"ChatSessionId": n, "TopicId": 4} for n in range(10_000)]
    sessions[5_000]["TopicId"] = "odd"

    answer = await ask("{ chatSessions { chatSessionId topicId } }", sessions)

    topics = [session["topicId"] for session in answer.data["chatSessions"]]
    assert topics == [4] * 5_000 + [None] + [4] * 4_999
    assert answer.paths == [["chatSessions", 5_000, "topicId"]]


@pytest.mark.parametrize("odd", ["null", "4", "true", '"x"', "[]", "[{}]", "NaN"])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_an_element_that_is_no_object_is_omitted(odd: str, place: int) -> None:
    """Such an element has no fields to select."""
    elements = ['{"ChatSessionId": 1}', '{"ChatSessionId": 2}']
    elements.insert(place, odd)

    answer = await ask(IDS, f"[{','.join(elements)}]".encode())

    assert answer.data == {"chatSessions": [{"chatSessionId": 1}, {"chatSessionId": 2}]}
    assert answer.errors == []


@pytest.mark.parametrize(
    "unknown",
    [
        '"Mood": "sunny"',
        '"Mood": {"a": [1, {"b": null}]}',
        '"topicid": 9, "TOPICID": 9, "topicId": 9, "topic_id": 9, "_topic_id": 9',
        '"Mood": "\\ud83d", "\\ud83d": 1',
        '"Mood": NaN, "Luck": -Infinity',
        '"properties": 1, "key": 2, "__class__": 3, "name": "x", "#name": "x", "": 0',
        f'"Mood": {"[" * 100}{"]" * 100}',
    ],
)
async def test_an_unknown_property_is_ignored(unknown: str) -> None:
    """SuperOffice adds properties every few weeks."""
    session, answer = await read("topicId", f'{{{unknown}, "TopicId": 4}}')

    assert (session, answer.errors) == ({"topicId": 4}, [])


@pytest.mark.parametrize("first", ["1", '"odd"', "null", "{}", "NaN"])
async def test_the_last_of_two_equal_properties_counts(first: str) -> None:
    """Most JSON parsers do so; the first value may even be invalid."""
    session, answer = await read("topicId", f'{{"TopicId": {first}, "TopicId": 4}}')

    assert (session, answer.errors) == ({"topicId": 4}, [])


@pytest.mark.parametrize("neighbour", ["4", '"odd"'], ids=["strict", "tolerant"])
async def test_the_last_of_two_equal_entries_counts(neighbour: str) -> None:
    """Maps follow the same rule as properties."""
    entries = '{"a": "1", "b": "2", "a": "3"}'

    session, _ = await read(
        "user { customFields { name value } }",
        f'{{"User": {{"CustomFields": {entries}}}, "TopicId": {neighbour}}}',
    )

    assert session["user"]["customFields"] == [
        {"name": "a", "value": "3"},
        {"name": "b", "value": "2"},
    ]


@pytest.mark.parametrize("text", ['[{"ChatSessionId": 1}]', '[{"ChatSessionId": 1}, null]'])
async def test_a_byte_order_mark_is_ignored(text: str) -> None:
    """Some servers write one in front of UTF-8."""
    answer = await ask(IDS, text.encode("utf-8-sig"))

    assert answer.data == {"chatSessions": [{"chatSessionId": 1}]}


async def test_white_space_around_the_answer_is_ignored() -> None:
    """JSON allows white space around any value."""
    answer = await ask(IDS, b' \r\n\t[ { "ChatSessionId" : 1 } ]\n')

    assert answer.data == {"chatSessions": [{"chatSessionId": 1}]}


def test_a_records_repr_has_no_data() -> None:
    """A repr may be logged."""
    (record,) = decode(b'[{"CustomerName": "Ada", "User": {"Name": "Bob"}, "TopicId": "Cy"}]')

    assert repr(record) == "<ChatSession record>"
