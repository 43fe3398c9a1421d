"""The interface of a server to compare the gateway with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CACHE", "Command", "Peer"]

CACHE = Path(__file__).parents[1] / ".cache" / "peers"
"""The folder of all installed and written files of the peers."""

Command = Callable[[int, str, bool], tuple[list[str], dict[str, str]]]
"""Port, URL of the REST API, whether to cache → command and environment variables."""


@dataclass(frozen=True)
class Peer:
    """A GraphQL server over the one REST call, to compare the gateway with."""

    name: str
    key: str
    """Its name for `--only`."""

    start: Command
    needs: Path
    """A file that exists if the peer is installed."""

    queries: frozenset[str] = frozenset({"Q1", "Q2", "Q3"})
    """The queries it can answer."""

    q3_without: frozenset[str] = frozenset()
    """Fields that its Q3 omits."""

    requires_ready: bool = False
    """Whether its environment has to name a file of prepared answers, `BENCH_READY`."""

    note: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether `prepare` could install it."""
        return self.needs.exists()

    def command(
        self, port: int, rest_url: str, *, caches: bool
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command that starts it, and its environment variables.

        It answers POST of /graphql on 127.0.0.1 until it is stopped. `caches` turns on its own
        response cache, for an hour.
        """
        return self.start(port, rest_url, caches)
