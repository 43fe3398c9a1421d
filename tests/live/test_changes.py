"""The changes between two snapshots."""

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
    """Compare two answers of REST."""
    return compare(decode(json.dumps(before).encode()), decode(json.dumps(after).encode()))


def changed_fields(before: Json | str, after: Json | str) -> list[str]:
    """Return the GraphQL names of the changed fields of one session."""
    texts = [text if isinstance(text, str) else json.dumps(text) for text in (before, after)]
    was, now = (decode(f"[{text}]".encode()) for text in texts)
    names = [name for update in COMPARE(was, now).updated for name in update.fields]
    return [to_camel_case(name) for name in names]


def test_sessions_are_added_removed_and_updated() -> None:
    """Sessions are compared by their keys, not by their order."""
    result = changes(
        [session(1), session(2), session(3)],
        [session(4), session(3), session(2, "UserLast")],
    )

    assert [s.chat_session_id for s in result.added] == [4]
    assert [s.chat_session_id for s in result.removed] == [1]
    assert [(u.before.status, u.after.status) for u in result.updated] == [
        (ChatSessionStatus.IN_QUEUE, ChatSessionStatus.USER_LAST)
    ]
    assert not result.is_quiet


@pytest.mark.parametrize("after", [[1, 2], [], [(1, "UserLast")]], ids=str)
def test_one_change_is_not_quiet(after: list[Any]) -> None:
    """A session more, a session less and another status are a change, each alone."""
    sessions = [session(*one) if isinstance(one, tuple) else session(one) for one in after]

    assert not changes([session(1)], sessions).is_quiet


def test_equal_sessions_are_no_change() -> None:
    """Equal sessions in new records are no change."""
    result = changes([full_record()], [full_record()])

    assert result == Changes([], [], [])
    assert result.is_quiet


@pytest.mark.parametrize("name", [n for n in CONTRACT["ChatSession"] if n != "ChatSessionId"])
def test_each_changed_property_is_named(name: str) -> None:
    """Only the changed property is named, by its GraphQL name."""
    before = full_record()
    after = {**before, name: full_record(first=1000)[name]}

    assert changed_fields(before, after) == [field_name(name)]


def test_a_poll_of_the_customers_page_is_no_change() -> None:
    """A later `whenFetched`, which the customer's page causes, is a quiet update."""
    result = changes(
        [session(1, WhenFetched="2026-01-31T17:46:13")],
        [session(1, WhenFetched="2026-01-31T17:46:16")],
    )

    assert [update.fields for update in result.updated] == [("when_fetched",)]
    assert result.is_quiet


def test_the_order_of_an_objects_properties_is_no_change() -> None:
    """The order of an object's properties, which REST does not guarantee, is no change."""
    one = {"ChatSessionId": 1, "Contact": {"ContactId": 1, "Name": "A"}}
    other = {"Contact": {"Name": "A", "ContactId": 1}, "ChatSessionId": 1}

    assert changed_fields(one, other) == []


def test_an_object_that_appears_is_a_change() -> None:
    """An object in only one of the answers is a change."""
    one, other = {"ChatSessionId": 1}, {"ChatSessionId": 1, "Contact": {"ContactId": 1}}

    assert changed_fields(one, other) == changed_fields(other, one) == ["contact"]


def test_objects_with_an_invalid_number_are_compared() -> None:
    """An object that cannot be decoded is compared as text."""
    one, other = (session(1, Contact={"Name": name, "X": float("nan")}) for name in "AB")

    assert changed_fields(one, {**one, "Status": "UserLast"}) == ["status"]
    assert changed_fields(one, other) == ["contact"]


@pytest.mark.parametrize("odd", [{"Rank": "odd"}, {"Rating": float("nan")}], ids=str)
def test_a_malformed_value_changes_its_own_field_alone(odd: Json) -> None:
    """Links and maps of its session, and of all others, are read in another way beside it."""
    record = {**full_record(), "Rank": 1, "Rating": 1}
    other = {**full_record(), "ChatSessionId": 2}
    [name] = odd

    for before, after in ((record, {**record, **odd}), ({**record, **odd}, record)):
        [update] = changes([before, other], [after, other]).updated
        assert update.fields == (name.lower(),)


def test_the_order_of_a_map_beside_a_malformed_value_is_no_change() -> None:
    """The names of a map are compared, wherever they stand."""
    one, other = ({name: {"FieldLength": 1} for name in names} for names in ("ab", "ba"))
    before = session(1, Rank="odd", FieldProperties=one)

    assert changed_fields(before, session(1, Rank="odd", FieldProperties=other)) == []
    changed = {**one, "a": {"FieldLength": 2}}
    after = session(1, Rank="odd", FieldProperties=changed)
    assert changed_fields(before, after) == ["fieldProperties"]


def test_values_of_the_wrong_type_are_compared() -> None:
    """Two values of the wrong type are equal, and differ from a valid one."""
    assert changed_fields(session(1, TopicId="odd"), session(1, TopicId="odder")) == []
    assert changed_fields(session(1, TopicId="odd"), session(1, TopicId=4)) == ["topicId"]


@pytest.mark.parametrize("key", [{}, {"ChatSessionId": "x"}, {"ChatSessionId": 0}], ids=str)
def test_a_session_without_a_key_is_identified_by_its_content(key: Json) -> None:
    """Sessions without a key, which REST should not send, are identified by their content."""
    ada, bob, eve = ({**key, "CustomerName": name} for name in ("Ada", "Bob", "Eve"))
    result = changes([ada, eve], [bob, eve])

    assert [s.customer_name for s in result.added] == ["Bob"]
    assert [s.customer_name for s in result.removed] == ["Ada"]
    assert changes([ada, bob], [bob, ada]).is_quiet


def test_a_hidden_field_is_not_compared() -> None:
    """Neither the value nor the name of a hidden field is disclosed by a change."""
    schema = build_schema(SchemaOptions(hidden=frozenset({"ChatSession.sessionKey"})))
    before, after = session(1, SessionKey="a"), session(1, SessionKey="b")

    assert changes([before], [after], Comparison(schema.watched)).is_quiet
    assert changed_fields(before, after) == ["sessionKey"]
