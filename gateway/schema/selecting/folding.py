"""Remove case and accents from texts, for searching and sorting."""

import unicodedata
from functools import cache
from itertools import filterfalse

# Letters that Unicode does not decompose, but that users expect to match these.
_LETTERS = {"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "\u0131": "i"}


def fold(text: str) -> str:
    """Remove case and accents from a text."""
    if text.isascii():
        return text.lower()
    bare, accents = _accents()
    # First, as normalising sorts a run of accents in time quadratic in their number.
    unaccented = _without(bare, text)
    # Each step can require the other: a bold "A" has no lower case until it is decomposed.
    caseless = unicodedata.normalize("NFKD", unaccented).casefold()
    folded = _without(accents, unicodedata.normalize("NFKD", caseless))
    for letter, plain in _LETTERS.items():
        folded = folded.replace(letter, plain)
    return folded


# `str.translate` takes three times as long: it raises an error for each letter that it keeps.
def _without(letters: frozenset[str], text: str) -> str:
    if letters.isdisjoint(text):
        return text
    return "".join(filterfalse(letters.__contains__, text))


@cache
def _accents() -> tuple[frozenset[str], frozenset[str]]:
    """Return the characters to remove before normalising, and those to remove after it."""
    accents = frozenset(filter(unicodedata.combining, map(chr, range(0x20000))))
    # These decompose into accents alone; U+0345 is a letter once its case is folded.
    return (accents | {*"\u0f73\u0f75\u0f81\uff9e\uff9f"}) - {"\u0345"}, accents
