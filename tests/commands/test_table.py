"""Answers printed as tables."""

from typing import Any

import pytest

from gateway.commands.table import table


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (
            {"chatSessions": [{"id": 1, "name": "Ada"}, {"id": 22, "name": "Bo"}]},
            ["chatSessions", "id  name", "1   Ada", "22  Bo"],
        ),
        (
            {"changes": {"list": [{"kind": "ADDED", "session": {"id": 1, "user": {"name": "A"}}}]}},
            ["list", "kind   session.id  session.user.name", "ADDED  1           A"],
        ),
        (
            {"list": [{"user": None, "id": 1}, {"user": {"name": "A"}, "id": 2}]},
            ["list", "id  user.name", "1", "2   A"],
        ),
        (
            {"list": [{"lists": [[{"value": "A", "tag": "B"}, {"value": None, "tag": "C"}]]}]},
            ["list", "lists", "A B, C"],
        ),
        ({"list": [{"name": "さくら", "id": 1}]}, ["list", "name    id", "さくら  1"]),
        ({"list": []}, ["list", "(none)"]),
        ({"list": [{"on": True, "off": False}]}, ["list", "on   off", "yes  no"]),
        ({"list": [{"text": "two\nlines\tand\x1b[31m"}]}, ["list", "text", "two lines and?[31m"]),
        ({"list": [{"text": "x" * 50}]}, ["list", "text", f"{'x' * 39}…"]),
    ],
)
def test_a_list_has_a_row_for_each_object(data: Any, lines: list[str]) -> None:
    """The list's name and the fields' names come first; control characters are replaced."""
    assert table(data).splitlines() == lines


def test_every_value_is_shown() -> None:
    """Single values come first, wherever they are; then the lists, including empty ones."""
    summary = {
        "byTopic": [{"topicId": 10, "count": 2}],
        "byAgent": [],
        "longestWaiting": {"chatSessionId": 7, "user": {"fullName": "Ada"}},
        "oldestUnanswered": None,
        "numbers": [1, 2],
    }

    assert table({"chatSessionSummary": summary}).splitlines() == [
        "longestWaiting.chatSessionId  7",
        "longestWaiting.user.fullName  Ada",
        "oldestUnanswered",
        "numbers                       1, 2",
        "",
        "byTopic",
        "topicId  count",
        "10       2",
        "",
        "byAgent",
        "(none)",
    ]


def test_several_root_fields_keep_their_names() -> None:
    """Several root fields may have fields of the same name."""
    data = {"one": {"total": 1}, "two": {"total": 2}, "three": [{"total": 3}]}

    assert table(data).splitlines() == [
        "one.total  1",
        "two.total  2",
        "",
        "three",
        "total",
        "3",
    ]
