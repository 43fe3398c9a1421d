"""The answers kept on a snapshot: the latest ones, within bounds."""

import tracemalloc

import orjson
import pytest

from gateway.sessions.snapshot import Attachments, compact


@pytest.fixture
def answers() -> Attachments[str]:
    """Return answers that may take a hundred bytes."""
    return Attachments[str](100)


def found(answers: Attachments[str]) -> str:
    """Return all that is found of a, b and c."""
    return "".join(answers.get(request) or "" for request in "abc")


def test_an_answer_is_found_by_its_request(answers: Attachments[str]) -> None:
    """And by no other."""
    answers.add("a", "A", 10)

    assert found(answers) == "A"
    assert answers.size_bytes == 10


def test_the_first_answer_to_a_request_stays(answers: Attachments[str]) -> None:
    """Two that were made at the same time are the same."""
    answers.add("a", "A", 10)
    answers.add("a", "A again", 20)

    assert (found(answers), answers.size_bytes) == ("A", 10)


def test_what_is_larger_than_all_may_be_is_not_kept(answers: Attachments[str]) -> None:
    """It would push all others out and still be too large."""
    answers.add("a", "A", 60)
    answers.add("b", "B", 101)

    assert (found(answers), answers.size_bytes) == ("A", 60)


def test_the_least_recently_used_answer_makes_room(answers: Attachments[str]) -> None:
    """By bytes."""
    answers.add("a", "A", 40)
    answers.add("b", "B", 40)
    answers.get("a")
    answers.add("c", "C", 40)

    assert (found(answers), answers.size_bytes) == ("AC", 80)


def test_json_that_is_kept_takes_its_own_size() -> None:
    """What orjson returns lies in a buffer that can be ten times as large."""
    tracemalloc.start()
    try:
        kept = [compact(orjson.dumps("x" * 5_000)) for _ in range(100)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert {len(json) for json in kept} == {5_002}
    assert taken < 100 * 6_000
