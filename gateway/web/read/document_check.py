"""Find the trusted documents that cannot run, before their clients do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graphql import GraphQLError

_PAUSE_S = 0.05  # validation takes some ms a document: requests get nine tenths of the time
_SHOWN = 3

logger = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class DocumentCheck:
    """Validates manifests of trusted documents, and of a new manifest the new texts alone."""

    errors_of: Callable[[str], Awaitable[Sequence[GraphQLError]]]
    manifests: "asyncio.Queue[Mapping[str, str]]" = field(default_factory=asyncio.Queue)
    """Those to check; the latest comes last."""

    _problems: dict[str, str] = field(default_factory=dict)
    """By text; "" if it can run."""

    async def keep_checking(self) -> None:
        """Log a warning for each manifest with documents that cannot run."""
        while True:
            if problem := await self.next_problem(_PAUSE_S):
                logger.warning(problem)

    async def next_problem(self, pause_s: float = 0) -> str:
        """Return which documents of the next manifest cannot run, and why; "" if all can."""
        manifest = await self.manifests.get()
        known, self._problems = self._problems, {}
        for text in manifest.values():
            if text not in known:
                await asyncio.sleep(pause_s)
                known[text] = "".join(error.message for error in (await self.errors_of(text))[:1])
            self._problems[text] = known[text]
        failed = [f"{name} ({p})" for name, text in manifest.items() if (p := self._problems[text])]
        if not manifest:
            return "There are no trusted documents"
        shown = ", ".join(failed[:_SHOWN]) + (", …" if len(failed) > _SHOWN else "")
        count = f"{len(failed)} of {len(manifest)} trusted documents cannot run"
        return f"{count}: {shown}" if failed else ""
