"""What a server to compare with is to the benchmark."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CACHE", "Command", "Peer"]

CACHE = Path(__file__).parents[1] / ".cache" / "peers"
"""Where everything is put that is installed or written for the peers."""

Command = Callable[[int, str, bool], tuple[list[str], dict[str, str]]]
"""Port, address of REST, whether to cache → command, and variables of its environment."""


@dataclass(frozen=True)
class Peer:
    """A GraphQL server over the one REST call, to compare the gateway with."""

    name: str
    key: str
    """What `--only` calls it."""

    start: Command
    needs: Path
    """A file that is there when the peer is installed."""

    queries: frozenset[str] = frozenset({"Q1", "Q2", "Q3"})
    """The queries it can answer."""

    q3_without: frozenset[str] = frozenset()
    """Fields that are left out of its Q3."""

    requires_ready: bool = False
    """Whether its environment has to name a file of ready answers, `BENCH_READY`."""

    note: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether `prepare` could install it."""
        return self.needs.exists()

    def command(
        self, port: int, rest_url: str, *, caches: bool
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command that starts it, and variables of its environment.

        It answers POST of /graphql on 127.0.0.1 until it is ended. `caches` turns its own
        response cache on, for an hour.
        """
        return self.start(port, rest_url, caches)
