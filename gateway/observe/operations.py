"""The names of operations and tenants that appear in metrics, traces and the log.

A name is text of the client. GraphQL's grammar allows ASCII letters, digits and `_`, which excludes
addresses, sentences and headers. A name that is long or has many digits does not appear: it may be
an id, a telephone number or a token. A name appears after an operation of that name has succeeded,
so that unauthenticated clients cannot add any. With trusted documents, only their names appear.
"""

from collections.abc import Collection

ANONYMOUS = ""
BATCH = "batch"
OTHER = "other"

MOST_NAMES = 100
_MAX_LENGTH = 64
_MAX_DIGITS = 4


class LabelNames:
    """Bounds the set of names that appear: all others become `other`.

    These are the `declared` names; without them, the first hundred that are learned.
    """

    may_appear = staticmethod(lambda name: True)
    """Returns whether a name is free of personal data."""

    def __init__(self, declared: Collection[str] | None = None) -> None:
        self._known = {ANONYMOUS, *(declared or ())}
        self._room = 0 if declared is not None else MOST_NAMES

    def declare(self, names: Collection[str]) -> None:
        """Add names that may appear."""
        self._known.update(names)

    def label(self, name: str) -> str:
        """Return the name, or `other` if it may not appear."""
        return name if name in self._known else OTHER

    def learn(self, name: str) -> str:
        """Return the label of a name whose caller SuperOffice has accepted; it may appear now."""
        if name not in self._known and self._room and self.may_appear(name):
            self._known.add(name)
            self._room -= 1
        return self.label(name)


def is_plain(name: str) -> bool:
    """Return whether text of the client is short, with few digits: no personal data, no token."""
    return len(name) <= _MAX_LENGTH and sum(map(str.isdigit, name)) <= _MAX_DIGITS


class OperationNames(LabelNames):
    """The names of operations, which are text of the client."""

    may_appear = staticmethod(is_plain)
