"""Asking a gateway, as the tests of this folder do."""

import asyncio
from collections.abc import Mapping

import httpx

from tests.support import Gateway


async def post(gateway: Gateway, query: str, headers: Mapping[str, str]) -> httpx.Response:
    """Send a query in a task of its own, as a server runs it.

    Python 3.11 no longer traces a coroutine into which a failure was thrown, and coverage of what
    comes after it is lost.
    """
    return await asyncio.create_task(gateway.post(query, headers=headers))
