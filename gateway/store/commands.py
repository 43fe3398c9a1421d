"""The commands of the shared cache, one round trip each: scripts, most of several steps.

A script is sent as its text: Redis hashes it in some microseconds, and it is never unknown there.

An entry begins with the time when it was made, by Redis' own clock, since those of machines differ.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

NAMESPACE = "superoffice-chat-gateway"
LEASE_MS = 2_000
"""How long a lease lasts unless it is renewed."""

Script = Literal["extend", "forget", "lookup", "reserve", "store"]
Argument: TypeAlias = str | bytes | int | float
_FOLDER = Path(__file__).with_name("scripts")
_TEXTS = {name: (_FOLDER / f"{name}.lua").read_text() for name in get_args(Script)}

Reply: TypeAlias = Any  # the peer may be anything
"""The reply to a command, as redis-py reads it, or its error."""


class Command(NamedTuple):
    """A script for an entry and its lease, with the arguments that are described in the script."""

    script: Script
    name: str
    arguments: tuple[Argument, ...]

    def packed(self) -> tuple[Argument, ...]:
        """Return it in Redis' form."""
        key = f"{NAMESPACE}:{{{self.name}}}"  # in a cluster, an entry and its lease are on one node
        return ("EVAL", _TEXTS[self.script], 2, key, f"{key}:lease", *self.arguments)
