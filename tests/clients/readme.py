"""The JavaScript of the README and the manual, block by block."""

import re

from tests.docs.pages import ALL

__all__ = ["NAMES", "code"]

_BLOCKS = dict(re.findall(r"```(?:js|ts)\n// ([\w.]+)\n(.*?)\n```", ALL, re.DOTALL))
NAMES = frozenset(_BLOCKS)
"""The first line of each block is a comment with its name."""


def code(name: str) -> str:
    """Return the block of this name."""
    return str(_BLOCKS[name])
