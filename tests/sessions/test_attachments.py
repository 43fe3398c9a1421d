"""The answers kept on a snapshot: the latest ones, within bounds."""

import pytest

from gateway.sessions import attachments as answers_module
from gateway.sessions.attachments import Answers


@pytest.fixture
def answers() -> Answers[str]:
    """Return answers that may take a hundred bytes."""
    return Answers[str](100)


def found(answers: Answers[str]) -> str:
    """Return all that is found of a, b and c."""
    return "".join(answers.get(request) or "" for request in "abc")


def test_an_answer_is_found_by_its_request(answers: Answers[str]) -> None:
    """And by no other."""
    answers.keep("a", "A", 10)

    assert found(answers) == "A"
    assert answers.size_bytes == 10


def test_the_first_answer_to_a_request_stays(answers: Answers[str]) -> None:
    """Two that were made at the same time are the same."""
    answers.keep("a", "A", 10)
    answers.keep("a", "A again", 20)

    assert (found(answers), answers.size_bytes) == ("A", 10)


def test_what_is_larger_than_all_may_be_is_not_kept(answers: Answers[str]) -> None:
    """It would push all others out and still be too large."""
    answers.keep("a", "A", 60)
    answers.keep("b", "B", 101)

    assert (found(answers), answers.size_bytes) == ("A", 60)


def test_the_least_recently_used_answer_makes_room(answers: Answers[str]) -> None:
    """By bytes."""
    answers.keep("a", "A", 40)
    answers.keep("b", "B", 40)
    answers.get("a")
    answers.keep("c", "C", 40)

    assert (found(answers), answers.size_bytes) == ("AC", 80)


def test_there_are_only_so_many(answers: Answers[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones count, too."""
    monkeypatch.setattr(answers_module, "_MOST", 2)
    for request in "abc":
        answers.keep(request, request.upper(), 1)

    assert (found(answers), answers.size_bytes) == ("BC", 2)
