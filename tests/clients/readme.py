"""The README's JavaScript, block by block."""

import re
from pathlib import Path

__all__ = ["code"]

_README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"```(?:js|ts)\n// ([\w.]+)\n(.*?)\n```", re.DOTALL)


def code(name: str) -> str:
    """Return the block whose first line is a comment with this name."""
    blocks = dict(_BLOCK.findall(_README.read_text("utf-8")))
    assert name in blocks, f"README.md has no block of JavaScript that begins with `// {name}`"
    return str(blocks[name])
