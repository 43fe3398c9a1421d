"""The README, the manual and the code are in plain English."""

import re

import pytest

from tests.docs.pages import ROOT, TEXTS
from tests.docs.words import LONGEST, avoided, prose_of, too_long

# The beginnings of sentences that have a reason to be longer.
LONG_FOR_A_REASON = {
    "Most points a query may cost": "the one place that says how cost is counted, also in --help",
    "Most points of work": "likewise",
}
# Modules that write code, in strings.
GENERATORS = {"gateway/executor/project.py"}


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_has_short_sentences(name: str) -> None:
    """Readers understand a sentence at first reading."""
    long = [
        sentence
        for sentence in too_long(TEXTS[name])
        if not sentence.startswith(tuple(LONG_FOR_A_REASON))
    ]

    assert not long


def test_the_schema_has_short_sentences() -> None:
    """GraphiQL shows each description alone, without the rest of the manual."""
    schema = (ROOT / "schema.graphql").read_text("utf-8")
    descriptions = re.findall(r'"""(.+?)"""', schema, re.DOTALL)

    assert not [sentence for text in descriptions for sentence in too_long(text)]


@pytest.mark.parametrize("name", TEXTS)
def test_a_page_has_none_of_the_words_to_avoid(name: str) -> None:
    """Each thing has one word."""
    assert not avoided(TEXTS[name])


def test_the_code_has_none_of_the_words_to_avoid() -> None:
    """Docstrings, comments, and texts that users see have one word for each thing."""
    words_by_file = {
        str(file.relative_to(ROOT)): avoided(prose_of(file))
        for file in sorted((ROOT / "gateway").rglob("*.py"))
    }

    assert not {
        file: words for file, words in words_by_file.items() if words and file not in GENERATORS
    }


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("REST says no.", 1),
        ("The REST API says no, and so does a REST call.", 0),
        ("Else it is kept; who asks gets nothing else.", 1),
        ("This is an answer that is none.", 1),
        ("`REST says` in code is fine.", 0),
    ],
)
def test_the_words_to_avoid_are_found(text: str, problems: int) -> None:
    """Words to avoid are found in prose, and ignored in code."""
    assert len(avoided(text)) == problems


def test_a_long_sentence_is_found() -> None:
    """Table cells and list items are sentences of their own."""
    assert too_long("word " * (LONGEST + 1))
    assert not too_long("- " + "word " * LONGEST + "\n- " + "word " * LONGEST)
    assert not too_long("| " + "word " * LONGEST + "| " + "word " * LONGEST + "|")
