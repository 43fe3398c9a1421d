"""What changed between two snapshots."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from strawberry.utils.str_converters import to_camel_case

from gateway.live.changes import Changes, Comparison
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.entities.enums import ChatSessionStatus
from tests.live.desk import SCHEMA, Json, session
from tests.schema.asking import decode
from tests.schema.contract import CONTRACT, field_name
from tests.schema.records import full_record

COMPARE = Comparison(SCHEMA.watched)


def changes(before: Sequence[Any], after: Sequence[Any], compare: Comparison = COMPARE) -> Changes:
    """Compare what REST sent with what it sends now."""
    return compare(decode(json.dumps(before).encode()), decode(json.dumps(after).encode()))


def fields(before: Json | str, after: Json | str) -> list[str]:
    """Return which fields of one session have changed, by their GraphQL names."""
    texts = [text if isinstance(text, str) else json.dumps(text) for text in (before, after)]
    was, now = (decode(f"[{text}]".encode()) for text in texts)
    names = [name for update in COMPARE(was, now).updated for name in update.fields]
    return [to_camel_case(name) for name in names]


def test_sessions_come_go_and_change() -> None:
    """Each by itself, known by its key and not by its place."""
    made = changes(
        [session(1), session(2), session(3)],
        [session(4), session(3), session(2, "UserLast")],
    )

    assert [s.chat_session_id for s in made.added] == [4]
    assert [s.chat_session_id for s in made.removed] == [1]
    assert [(u.before.status, u.after.status) for u in made.updated] == [
        (ChatSessionStatus.IN_QUEUE, ChatSessionStatus.USER_LAST)
    ]
    assert not made.is_quiet


def test_the_same_is_no_change() -> None:
    """However much of it there is, and though each answer makes records of its own."""
    made = changes([full_record()], [full_record()])

    assert made == Changes([], [], [])
    assert made.is_quiet


@pytest.mark.parametrize("name", [n for n in CONTRACT["ChatSession"] if n != "ChatSessionId"])
def test_each_property_that_changes_is_named(name: str) -> None:
    """By its GraphQL name, and no other is."""
    before = full_record()
    after = {**before, name: full_record(first=1000)[name]}

    assert fields(before, after) == [field_name(name)]


def test_a_session_whose_customer_is_still_there_has_not_changed() -> None:
    """That its page has asked for news once more is no news."""
    made = changes(
        [session(1, WhenFetched="2026-01-31T17:46:13")],
        [session(1, WhenFetched="2026-01-31T17:46:16")],
    )

    assert [update.fields for update in made.updated] == [("when_fetched",)]
    assert made.is_quiet


def test_the_order_of_an_objects_properties_is_no_change() -> None:
    """REST promises none."""
    one = {"ChatSessionId": 1, "Contact": {"ContactId": 1, "Name": "A"}}
    other = {"Contact": {"Name": "A", "ContactId": 1}, "ChatSessionId": 1}

    assert fields(one, other) == []


def test_json_that_cannot_be_compared_counts_as_changed() -> None:
    """A number that no double can hold is JSON, too."""
    text = '{"ChatSessionId": 1, "Contact": {"ContactId": 1, "New": 1e400%s}}'

    assert fields(text % "", text % " ") == ["contact"]


def test_a_value_of_the_wrong_type_is_compared_too() -> None:
    """It costs itself its reading, and nothing else."""
    assert fields(session(1, TopicId="odd"), session(1, TopicId="odder")) == []
    assert fields(session(1, TopicId="odd"), session(1, TopicId=4)) == ["topicId"]


def test_a_session_without_a_key_is_known_by_what_it_holds() -> None:
    """REST should not send such; it is another one when it is other."""
    made = changes([{"CustomerName": "Ada"}], [{"CustomerName": "Bob"}])

    assert [s.customer_name for s in made.added] == ["Bob"]
    assert [s.customer_name for s in made.removed] == ["Ada"]
    assert changes([{"CustomerName": "Ada"}], [{"CustomerName": "Ada"}]).is_quiet


def test_a_hidden_field_does_not_change() -> None:
    """Neither its value nor its name may come out this way."""
    schema = build_schema(SchemaOptions(hidden=frozenset({"ChatSession.sessionKey"})))
    before, after = session(1, SessionKey="a"), session(1, SessionKey="b")

    assert changes([before], [after], Comparison(schema.watched)).is_quiet
    assert fields(before, after) == ["sessionKey"]
