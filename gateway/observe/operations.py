"""The names of operations and tenants that appear in metrics, traces and the log.

A name is a client's text. By GraphQL's grammar it is ASCII letters, digits and `_`, so that no
address, no sentence and no header fits in. Long names and those with many digits do not appear:
they may be ids, telephone numbers or tokens. Nor do names of operations that have not succeeded
yet, so that nobody without credentials can put a name there. Where trusted documents are declared,
only their names appear.
"""

from collections.abc import Collection

ANONYMOUS = ""
BATCH = "batch"
OTHER = "other"

MOST_NAMES = 100
_MAX_LENGTH = 64
_MAX_DIGITS = 4


class LabelNames:
    """Bounds the names that appear: all others become `other`.

    With `declared` only those appear; without it the first hundred are learned.
    """

    may_appear = staticmethod(lambda name: True)
    """Whether a name cannot be a client's data."""

    def __init__(self, declared: Collection[str] | None = None) -> None:
        self._known = {ANONYMOUS, *(declared or ())}
        self._room = 0 if declared is not None else MOST_NAMES

    def declare(self, names: Collection[str]) -> None:
        """Let more names appear."""
        self._known.update(names)

    def told(self, name: str) -> str:
        """Return the name, or `other` if it may not appear."""
        return name if name in self._known else OTHER

    def learn(self, name: str) -> str:
        """Return a name that SuperOffice has accepted a caller for; it may appear from now on."""
        if name not in self._known and self._room and self.may_appear(name):
            self._known.add(name)
            self._room -= 1
        return self.told(name)


def is_plain(name: str) -> bool:
    """Return whether a client's text is too short, and has too few digits, to be data."""
    return len(name) <= _MAX_LENGTH and sum(map(str.isdigit, name)) <= _MAX_DIGITS


class OperationNames(LabelNames):
    """The same for names that are a client's text."""

    may_appear = staticmethod(is_plain)
