"""The README and the manual, as the tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "gateway" / "docs"
FILES = {"README": ROOT / "README.md"} | {
    f"docs/{file.stem}": file for file in sorted(FOLDER.glob("*.md"))
}
TEXTS = {name: file.read_text("utf-8") for name, file in FILES.items()}
ALL = "\n\n".join(TEXTS.values())


def blocks(language: str, text: str = ALL) -> list[str]:
    """Return the blocks of code in a language, by default those of all pages."""
    return re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)


def without_code(text: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"```.*?\n```", "", text, flags=re.DOTALL)
