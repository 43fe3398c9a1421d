"""The JavaScript blocks of the README and the manual."""

import re

from tests.docs.pages import ALL

__all__ = ["NAMES", "code"]

_BLOCKS = dict(re.findall(r"```(?:js|ts)\n// ([\w.]+)\n(.*?)\n```", ALL, re.DOTALL))
NAMES = frozenset(_BLOCKS)
"""The first line of each block is a comment with its name."""


def code(name: str) -> str:
    """Return the block with this name."""
    return str(_BLOCKS[name])
