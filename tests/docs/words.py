"""Checks that prose is plain English: short sentences, and none of the words to avoid.

`python -m tests.docs.words` prints what it finds in the README, the manual and the code.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT, TEXTS, without_code

LONGEST = 30
"""Most words of a sentence."""

BANNED = {
    r"\bREST (?!API|call|server|stand|answer|response|propert)\w+": "SuperOffice, or the REST API",
    r"\bby REST\b|\bREST(?='s|[.,;:)]|$)": "SuperOffice, or the REST API",
    r"\bwho(?:ever)? asks\b|\bsomebody asks\b|\bwhat (?:is|was) asked\b": "the request, the client",
    r"\b(?:come|came|comes) by\b|\bat hand\b": "cached, hit, miss",
    r"\b(?:tell|tells|told)\b(?! it\b| the reader\b)": "report, log, record",
    r"\bturn(?:s|ed)? (?:it |them )?away\b|\bone too many\b": "reject, refuse, shed",
    r"\b(?:one|a|another) look\b|\btwo looks\b|\blooks at REST\b": "poll",
    r"(?<!thing )(?<!body )(?<!where )(?<!what )(?<!ever )(?<!who )(?<!one )(?<!or )(?<!^)"
    r"\belse\b": "otherwise",
    r"\b(?:that|which) (?:is|are) none\b": "invalid",
    r"\bthat (?:is|are) one\b": "valid",
    r"\btry again\b|\btries again\b|\bpatience\b": "retry, timeout, deadline",
    r"\bmends?\b|\bmended\b": "fix",
    r"\bmak(?:e|es|ing) do with\b|\bheed\b|\bread anew\b": "plain words",
}
"""Patterns to avoid, and the words to write instead."""


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page; a table cell or list item is a sentence of its own."""
    text = re.sub(r"<[^>]+>", "", without_code(text))
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*>#|]|\d+\.) ?)", text):
        plain = re.sub(r"^\s*(?:[-*>]|#+|\d+\.) +", "", block.replace("\n", " "))
        for cell in re.split(r" ?\| ?", plain) if plain.startswith("|") else (plain,):
            yield from filter(None, map(str.strip, re.split(r"(?<=[.!?])[*)]* ", _spoken(cell))))


def _spoken(text: str) -> str:
    """Replace each piece of code by one word, and each link by its text."""
    text = re.sub(r"`[^`]+`", "code", text)
    return re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)


def too_long(text: str) -> list[str]:
    """Return the sentences with too many words."""
    return [
        sentence
        for sentence in sentences(text)
        if len(re.findall(r"\w[\w'-]*", sentence)) > LONGEST
    ]


def avoided(text: str) -> list[str]:
    """Return the avoided words in a text, with their context and the words to write."""
    spoken = _spoken(without_code(text))
    return [
        f"{spoken[max(0, match.start() - 30) : match.end() + 20]!r} → {better}"
        for pattern, better in BANNED.items()
        for match in re.finditer(pattern, spoken, re.IGNORECASE if "REST" not in pattern else 0)
    ]


def prose_of(file: Path) -> str:
    """Return a module's docstrings, comments, and strings of several words."""
    source = file.read_text("utf-8")
    texts = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    comments = [
        token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    return "\n\n".join(texts) + "\n\n" + "\n".join(comments)


if __name__ == "__main__":
    for name, page in TEXTS.items():
        for problem in (*too_long(page), *avoided(page)):
            print(f"{name}: {problem}")  # noqa: T201
    for module in sorted((ROOT / "gateway").rglob("*.py")):
        for problem in avoided(prose_of(module)):
            print(f"{module.relative_to(ROOT)}: {problem}")  # noqa: T201
