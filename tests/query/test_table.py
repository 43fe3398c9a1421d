"""Answers as tables."""

from typing import Any

import pytest

from gateway.query.table import table


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (
            {"chatSessions": [{"id": 1, "name": "Ada"}, {"id": 22, "name": "Bo"}]},
            ["id  name", "1   Ada", "22  Bo"],
        ),
        (
            {"changes": {"list": [{"kind": "ADDED", "session": {"id": 1, "user": {"name": "A"}}}]}},
            ["kind   session.id  session.user.name", "ADDED  1           A"],
        ),
        (
            {"list": [{"user": None, "id": 1}, {"user": {"name": "A"}, "id": 2}]},
            ["id  user.name", "1", "2   A"],
        ),
        ({"summary": {"total": 2, "none": None}}, ["summary.total  summary.none", "2"]),
        ({"numbers": [1, 2]}, ["numbers", "1, 2"]),
        ({"list": [{"on": True, "off": False}]}, ["on   off", "yes  no"]),
        ({"list": [{"text": "two\nlines\tand\x1b[31m red"}]}, ["text", "two lines and?[31m red"]),
        ({"list": [{"text": "x" * 50}]}, ["text", f"{'x' * 39}…"]),
        ({"list": []}, [""]),
    ],
)
def test_the_first_list_has_a_row_for_each_object(data: Any, lines: list[str]) -> None:
    """Without a list, all there is makes one row; control characters reach no terminal."""
    assert table(data).splitlines() == lines or (lines == [""] and table(data) == "")
