"""`search`: where it looks, and what it takes for the same letter."""

import unicodedata
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
    """A part of any of them is enough."""
    desk = records({text: "Ada Lovelace"}, {text: "Grace Hopper"})

    assert matching(desk, search="love") == [1]


@pytest.mark.parametrize("text", ["CustomerHost", "SessionKey", "Status"])
def test_nothing_else_is_searched(text: str) -> None:
    """Least of all the customer's secret: a search would guess it letter by letter."""
    assert matching(records({text: "InQueue"}), search="inqueue") == []


@pytest.mark.parametrize(
    ("text", "wanted"),
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
    ],
)
def test_case_and_accents_make_no_difference(text: str, wanted: str) -> None:
    """People type names as their keyboard lets them; no character has a special meaning."""
    assert matching(records({"CustomerName": text}), search=wanted) == [1]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Ada", "Bda"),
        ("Ada", "A.a"),
        ("Ada", "%"),
        ("さくら", "すみれ"),
        ("Ada", "Ada "),
        ("", "a"),
    ],
)
def test_other_text_is_not_found(text: str, wanted: str) -> None:
    """Nor are patterns understood."""
    assert matching(records({"CustomerName": text}), search=wanted) == []


@pytest.mark.parametrize("wanted", ["", "\u0301"])
def test_empty_text_is_in_everything(wanted: str) -> None:
    """Also in a session without a single text; an accent alone is as good as nothing."""
    assert matching(records({}, {"CustomerName": "Ada"}), search=wanted) == [1, 2]


def test_one_text_holds_it_all() -> None:
    """A search does not go over from one field into the next."""
    desk = records({"CustomerName": "Ada", "CustomerAlias": "Lovelace"})

    assert matching(desk, search="ada lovelace") == []
    assert matching(desk, search="adalovelace") == []


def test_what_is_no_text_is_passed_over() -> None:
    """A value that REST should not have sent, or did not send, does not stop the search."""
    desk = records({"CustomerName": 12, "CustomerAlias": None, "LastMessage": "12 please"})

    assert matching(desk, search="12") == [1]


def test_only_the_fields_that_are_left_are_searched() -> None:
    """What the operator hides cannot be found out by searching."""
    desk = records({"CustomerName": "Ada"}, {"CustomerEmail": "ada@example.com"})
    left = [name for name in SEARCHED if name != "customer_email"]

    assert matching(desk, left, search="ada") == [1]


@given(st.text())
def test_case_is_folded_whatever_the_script(text: str) -> None:
    """Capitals and small letters of one text read alike, where Unicode has them in pairs."""
    assume(text.upper().casefold() == text.casefold())

    assert fold(text) == fold(text.upper())


@given(st.text())
def test_folding_leaves_nothing_to_fold(text: str) -> None:
    """What combines with a letter is gone, and folding twice is folding once."""
    folded = fold(text)

    assert not any(unicodedata.combining(c) for c in unicodedata.normalize("NFKD", folded))
    assert fold(folded) == folded


@given(st.text(ACCENTED))
def test_accents_are_taken_off_as_if_they_had_been_sorted(text: str) -> None:
    """What is left out of the sorting, which takes long, would have been folded away after it."""
    caseless = unicodedata.normalize("NFKD", text).casefold()
    bare = [c for c in unicodedata.normalize("NFKD", caseless) if not unicodedata.combining(c)]

    assert fold(text) == "".join(bare).replace("ø", "o")


@pytest.mark.parametrize("accents", ["\u0315\u0300", "\uff9e\u0f73", "\u0345"])
def test_accents_do_not_come_in_crowds_to_where_they_are_sorted(
    monkeypatch: pytest.MonkeyPatch, accents: str
) -> None:
    """Sorting takes time that grows with the square of their number, unless all are the same."""
    kinds: list[int] = []

    def noted(form: Literal["NFKD"], text: str) -> str:
        decomposed = unicodedata.normalize(form, text)
        kinds.append(len({c for c in decomposed if unicodedata.combining(c)}))
        return decomposed

    fold("é")  # makes the tables
    monkeypatch.setattr(folding, "unicodedata", SimpleNamespace(normalize=noted))

    fold("a" + accents * 1_000)

    assert kinds in ([0, 0], [1, 0])


async def test_a_text_is_folded_once_however_often_it_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many searches of one snapshot cost no more folding than one, nor does one text many times."""
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


def test_no_text_is_found_across_two_fields() -> None:
    """What stands between them is in no text that can be searched for."""
    desk = records({"CustomerName": "Ada", "CustomerAlias": "Lovelace"})

    assert matching(desk, search="adalovelace") == matching(desk, search="daALove") == []
    assert "A" not in fold("".join(map(chr, range(0xD800))))


async def test_a_search_is_only_so_long() -> None:
    """The limit itself is allowed; one character more is refused, wherever it stands."""
    desk = Desk([{}])
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"

    await desk.ask(query, {"f": {"search": "x" * 200}})
    told = await desk.refusal(query, {"f": {"not": {"search": "x" * 201}}})

    assert told == "`search` has 201 characters; at most 200 are allowed."


async def test_a_filter_has_only_so_many_parts() -> None:
    """What a request may have computed is bounded, whatever its size."""
    desk = Desk([{}])
    query = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"
    parts = [{"topicId": {"in": [1]}}] * 49

    await desk.ask(query, {"f": {"or": parts}})
    told = await desk.refusal(query, {"f": {"or": [*parts, *parts]}})

    assert told == "The filter has more than 50 parts."
