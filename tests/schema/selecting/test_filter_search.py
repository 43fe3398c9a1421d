"""`search`: the fields that it reads, and the letters that it treats as equal."""

import asyncio
import unicodedata
from collections import Counter
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.schema.selecting import columns, folding
from gateway.schema.selecting import matching as filtering
from gateway.schema.selecting.folding import fold
from gateway.schema.selecting.matching import SEARCHED
from tests.schema.selecting.desk import Desk, matching, records

TEXTS = [
    "CustomerName",
    "CustomerAlias",
    "CustomerEmail",
    "CustomerPhone",
    "CustomerCompanyName",
    "FirstMessage",
    "LastMessage",
]


ACCENTED = "aAøİΐ한㌀ᾂ\u0300\u0315\u0323\u0345\u0f71\u0f73\u3099\uff9e\U0001d165"


@pytest.mark.parametrize("text", TEXTS)
def test_each_of_the_customers_texts_is_searched(text: str) -> None:
    """A part of any of the customer's texts is enough."""
    desk = records({text: "Ada Lovelace"}, {text: "Grace Hopper"})

    assert matching(desk, search="love") == [1]


@pytest.mark.parametrize("text", ["CustomerHost", "SessionKey", "Status"])
def test_other_fields_are_not_searched(text: str) -> None:
    """The customer's secret above all: a search would reveal it letter by letter."""
    assert matching(records({text: "InQueue"}), search="inqueue") == []


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("Ada Lovelace", "ada lovelace"),
        ("ada", "ADA"),
        ("Ada Lovelace", "a l"),
        ("José Núñez", "jose nunez"),
        ("Jose Nunez", "josé"),
        ("Bjørn Ærlig", "bjorn aerlig"),
        ("BJØRN", "bjørn"),
        ("Bjorn", "Bjørn"),
        ("Åse", "ase"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("Œuvre", "oeuvre"),
        ("Þór Guðmundsson", "thor gudmundsson"),
        ("Łukasz Đorđević", "lukasz dordevic"),
        ("İstanbul", "istanbul"),
        ("I\u015f\u0131k", "I\u015eIK"),
        ("Ρόδος", "ΡΟΔΟΣ"),
        ("ﬁne", "FINE"),
        ("e\u0301t\u00e9", "été"),
        ("田中さくら", "さくら"),
        ("ﾀﾅｶ", "タナカ"),
        ("\uff21\uff24\uff21", "ada"),
        ("\U0001d400da", "ada"),
        ("🙂 ok", "🙂"),
        ("100 %", "0 %"),
        ("a_b", "_"),
        (r"c:\temp", r"\t"),
        ("Ada", "Ada "),
        ("Ada", "\u3000 Ada\t\n\xa0"),
    ],
)
def test_case_accents_and_outer_blanks_make_no_difference(text: str, search: str) -> None:
    """Users type names as their keyboard allows; no character has a special meaning.

    Keyboards of phones add a blank after each word, and a page may send "Ada " as a user types.
    """
    assert matching(records({"CustomerName": text}), search=search) == [1]


@pytest.mark.parametrize(
    ("text", "search"),
    [
        ("Ada", "Bda"),
        ("Ada", "A.a"),
        ("Ada", "%"),
        ("さくら", "すみれ"),
        ("Ada Lovelace", "Lovelace Ada"),
        ("Ada", "A da"),
        ("", "a"),
    ],
)
def test_other_text_is_not_found(text: str, search: str) -> None:
    """Patterns have no special meaning."""
    assert matching(records({"CustomerName": text}), search=search) == []


@pytest.mark.parametrize("search", ["", " ", "\u0301"])
def test_empty_text_matches_everything(search: str) -> None:
    """Empty text, blanks, or a single accent, even match a session without text."""
    assert matching(records({}, {"CustomerName": "Ada"}), search=search) == [1, 2]


def test_a_search_does_not_span_two_fields() -> None:
    """A text that continues in another field is not found."""
    desk = records({"CustomerName": "Ada", "CustomerAlias": "Lovelace"})

    assert matching(desk, search="ada lovelace") == []
    assert matching(desk, search="adalovelace") == []


def test_values_that_are_not_text_are_skipped() -> None:
    """Invalid and missing values do not stop the search."""
    desk = records({"CustomerName": 12, "CustomerAlias": None, "LastMessage": "12 please"})

    assert matching(desk, search="12") == [1]


def test_hidden_fields_are_not_searched() -> None:
    """A search must not reveal a field that the operator hides."""
    desk = records({"CustomerName": "Ada"}, {"CustomerEmail": "ada@example.com"})
    visible = [name for name in SEARCHED if name != "customer_email"]

    assert matching(desk, visible, search="ada") == [1]


@given(st.text())
def test_case_is_folded_in_every_script(text: str) -> None:
    """Capitals and small letters are equal wherever Unicode pairs them."""
    assume(text.upper().casefold() == text.casefold())

    assert fold(text) == fold(text.upper())


@given(st.text())
def test_folding_is_idempotent(text: str) -> None:
    """Folded text has no combining characters, and folding it again changes nothing."""
    folded = fold(text)

    assert not any(unicodedata.combining(c) for c in unicodedata.normalize("NFKD", folded))
    assert fold(folded) == folded


@given(st.text(ACCENTED))
def test_accents_are_removed_as_if_they_were_sorted(text: str) -> None:
    """Skipping the slow sorting of accents does not change the result."""
    caseless = unicodedata.normalize("NFKD", text).casefold()
    bare = [c for c in unicodedata.normalize("NFKD", caseless) if not unicodedata.combining(c)]

    assert fold(text) == "".join(bare).replace("ø", "o")


@pytest.mark.parametrize("accents", ["\u0315\u0300", "\uff9e\u0f73", "\u0345"])
def test_many_accents_are_not_sorted(monkeypatch: pytest.MonkeyPatch, accents: str) -> None:
    """Sorting different accents takes time that grows with the square of their number."""
    kinds: list[int] = []

    def recorded(form: Literal["NFKD"], text: str) -> str:
        decomposed = unicodedata.normalize(form, text)
        kinds.append(len({c for c in decomposed if unicodedata.combining(c)}))
        return decomposed

    fold("é")  # makes the tables
    monkeypatch.setattr(folding, "unicodedata", SimpleNamespace(normalize=recorded))

    fold("a" + accents * 1_000)

    assert kinds in ([0, 0], [1, 0])


async def test_a_text_is_folded_once_for_all_searches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither many searches of a snapshot nor one text searched often repeat the folding."""
    folded: list[str] = []

    def counted(text: str) -> str:
        folded.append(text)
        return fold(text)

    for module in (columns, filtering):
        monkeypatch.setattr(module, "fold", counted)
    search = " ".join(f'{{ search: "{n}" }}' for n in [*range(20), *range(20)])
    desk = Desk([{"CustomerName": "Ada"}, {"CustomerName": "Bo"}])

    await desk.ask(f"{{ chatSessions(filter: {{ or: [{search}] }}) {{ id }} }}")

    assert sorted(folded) == sorted([*map(str, range(20)), "Ada", "Bo"])


@pytest.mark.parametrize(
    ("arguments", "letter", "letters", "most"),
    [
        ('filter: { search: "o" }', "ø", 8_000, 1),
        ('filter: { search: "o" }', "\u0301", 8_000, 1),
        ("orderBy: { customerName: ASC }", "ø", 500, 40),
    ],
    ids=["search", "search of accents alone", "order"],
)
async def test_long_texts_are_folded_in_turns(
    monkeypatch: pytest.MonkeyPatch, arguments: str, letter: str, letters: int, most: int
) -> None:
    """To fold an accented letter takes half a microsecond, and customers write the texts."""
    iteration, folded = 0, Counter[int]()

    def counted(text: str) -> str:
        assert len(text) <= letters
        folded[iteration] += 1
        return fold(text)

    monkeypatch.setattr(columns, "fold", counted)
    desk = Desk([{"CustomerName": letter * 8_000}] * 100)
    asked = asyncio.create_task(desk.ask(f"{{ chatSessions({arguments}) {{ id }} }}"))
    while not asked.done():
        iteration += 1
        await asyncio.sleep(0)

    assert folded.total() == 100
    assert max(folded.values()) <= most


def test_the_separator_of_fields_cannot_be_searched_for() -> None:
    """Folded text never has the character that separates two fields."""
    desk = records({"CustomerName": "Ada", "CustomerAlias": "Lovelace"})

    assert matching(desk, search="adalovelace") == matching(desk, search="daALove") == []
    assert "A" not in fold("".join(map(chr, range(0xD800))))


async def test_the_length_of_a_search_is_limited() -> None:
    """The limit itself is allowed; one character more is refused, at any depth."""
    desk = Desk([{}])
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"

    await desk.ask(query, {"f": {"search": "x" * 200}})
    error = await desk.refusal(query, {"f": {"not": {"search": "x" * 201}}})

    assert error == "`search` has 201 characters; at most 200 are allowed."


async def test_the_number_of_parts_of_a_filter_is_limited() -> None:
    """The limit bounds the work of a request of any size."""
    desk = Desk([{}])
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"
    parts = [{"topicId": {"in": [1]}}] * 49

    await desk.ask(query, {"f": {"or": parts}})
    error = await desk.refusal(query, {"f": {"or": [*parts, *parts]}})

    assert error == "The filter has more than 50 parts."
