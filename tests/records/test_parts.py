"""A large answer split into parts: joined they are the answer, or parsing fails."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.records.decode import parts

KEYS = st.sampled_from(["a", "b", '},{"a":', "Ünd"])
VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", '"', "\\", '},{"a":', '"},{"a":"']),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=6,
)


@given(
    answer=st.lists(st.dictionaries(KEYS, VALUES) | VALUES),
    size=st.integers(0, 30),
    indent=st.none() | st.just(1),
)
def test_parts_are_the_whole_answer_or_invalid_json(
    answer: list[Any], size: int, indent: int | None
) -> None:
    """Texts in the answer may look like the border between parts."""
    separators = (",", ":") if indent is None else (", ", ": ")
    body = json.dumps(answer, indent=indent, separators=separators).encode()
    cut = [*parts(body, size)]

    try:
        read = [element for part in cut for element in json.loads(part)]
    except ValueError:
        assert len(cut) > 1
    else:
        assert read == answer


@pytest.mark.parametrize("text", ["x", '},{"a":1', "\\"])
def test_parts_have_about_the_requested_size(text: str) -> None:
    """A part is longer by one session at most."""
    body = json.dumps([{"a": n, "b": text} for n in range(1_000)], separators=(",", ":")).encode()

    sizes = [len(part) for part in parts(body, 1_000)]

    assert max(sizes) < 1_050
    assert sum(sizes) == len(body) + len(sizes) - 1
