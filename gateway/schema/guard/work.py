"""The limit of one request's work on a caller's sessions: work is charged before it is done.

A query's cost (`limits.py`) counts the values in its answer; work counts the sessions read for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import QueryTooComplexError
from gateway.executor.turns import Turns

T = TypeVar("T")


class Work:
    """The work of one request, or of one event of a subscription."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.lock = asyncio.Lock()
        """Held by one root field at a time: the others can then use its results."""

        self.spent = 0
        self._results: list[tuple[object, object]] = []

    def charge(self, sessions: int, parts: int, most: int) -> None:
        """Charge for work that begins now.

        Raises:
            QueryTooComplexError: the request's work would exceed `most`.
        """
        if self.spent + sessions * parts > most:
            raise QueryTooComplexError(
                f"The request's filters, orders and counts are too much work for {sessions} "
                f"sessions: this field takes {sessions * parts} points (the sessions times the "
                f"parts of its filter, keys of its order and counts), those before it took "
                f"{self.spent}, and {most} are allowed. Use fewer parts, keys or root fields, or "
                "send several requests."
            )
        self.spent += sessions * parts

    async def once(self, key: object, make: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `make`, or that of an earlier call with an equal key."""
        for known, result in self._results:
            if known == key:
                return result  # type: ignore[return-value]  # equal keys have equal types
        result = await make()
        self._results.append((key, result))
        return result
