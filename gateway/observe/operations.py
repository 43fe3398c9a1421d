"""Which names of operations stand in metrics, traces and the log.

A name is a client's text. By GraphQL's grammar it is ASCII letters, digits and `_`: no address, no
sentence and no header fits in. Long ones and those with many digits, as ids, telephone numbers and
tokens have them, are not told; nor is any that has not been answered from REST, without errors, so
that nobody without credentials can put a name there. Where trusted documents are declared, their
names are told and no others.
"""

from collections.abc import Collection

__all__ = ["ANONYMOUS", "BATCH", "OTHER", "OperationNames"]

ANONYMOUS = ""
BATCH = "batch"
OTHER = "other"

_MOST = 100
_LONGEST = 64
_MOST_DIGITS = 4


class OperationNames:
    """Bounds the names that are told: all others become `other`.

    `declared` are the only ones to tell; without them the first hundred are learned.
    """

    def __init__(self, declared: Collection[str] | None = None) -> None:
        self._told = {ANONYMOUS, *(declared or ())}
        self._room = 0 if declared is not None else _MOST

    def told(self, name: str) -> str:
        """Return the name, if it is one that is told."""
        return name if name in self._told else OTHER

    def learn(self, name: str) -> str:
        """Return the name of an operation that succeeded, which may be told from now on."""
        if name not in self._told and self._room and _is_plain(name):
            self._told.add(name)
            self._room -= 1
        return self.told(name)


def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST and sum(map(str.isdigit, name)) <= _MOST_DIGITS
