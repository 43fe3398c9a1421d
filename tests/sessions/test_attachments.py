"""The answers that are attached to a snapshot: the latest ones, within a size."""

import tracemalloc

import orjson
import pytest

from gateway.sessions.snapshot import Attachments, compact


@pytest.fixture
def answers() -> Attachments:
    """Return attachments of up to a hundred bytes."""
    return Attachments(100)


def stored_answers(answers: Attachments) -> str:
    """Return the stored answers to the requests a, b and c."""
    return "".join(answers.get(request) or "" for request in "abc")


def test_an_answer_is_found_by_its_request(answers: Attachments) -> None:
    """An answer is found by its own request only."""
    answers.add("a", "A", 10)

    assert stored_answers(answers) == "A"
    assert answers.size_bytes == 10


def test_the_first_answer_to_a_request_is_kept(answers: Attachments) -> None:
    """A second answer to an equal request is ignored, as both are equal."""
    answers.add("a", "A", 10)
    answers.add("a", "A again", 20)

    assert (stored_answers(answers), answers.size_bytes) == ("A", 10)


def test_an_answer_above_the_limit_is_not_stored(answers: Attachments) -> None:
    """An answer above the limit is not stored and evicts no other."""
    answers.add("a", "A", 60)
    answers.add("b", "B", 101)

    assert (stored_answers(answers), answers.size_bytes) == ("A", 60)


def test_the_least_recently_used_answer_is_evicted(answers: Attachments) -> None:
    """At the limit of bytes, the least recently used answer is evicted."""
    answers.add("a", "A", 40)
    answers.add("b", "B", 40)
    answers.get("a")
    answers.add("c", "C", 40)

    assert (stored_answers(answers), answers.size_bytes) == ("AC", 80)


def test_an_answer_that_is_made_again_is_the_latest(answers: Attachments) -> None:
    """Requests that make the same rows at once do not evict them by their different answers."""
    answers.add("a", "rows", 40)
    answers.add("b", "B", 40)
    answers.add("a", "the same rows", 40)
    answers.add("c", "C", 40)

    assert stored_answers(answers) == "rowsC"


def test_stored_json_takes_its_own_size() -> None:
    """JSON is copied out of orjson's buffer, which can be ten times as large."""
    tracemalloc.start()
    try:
        texts = [compact(orjson.dumps("x" * 5_000)) for _ in range(100)]
        used_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert {len(json) for json in texts} == {5_002}
    assert used_bytes < 100 * 6_000
