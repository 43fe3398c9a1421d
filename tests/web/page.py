"""A request to the gateway for the tests of the pages."""

import asyncio
from collections.abc import Mapping

import httpx

from tests.support import Gateway


async def post(gateway: Gateway, query: str, headers: Mapping[str, str]) -> httpx.Response:
    """Send a query in a new task, as a server runs it.

    Python 3.11 stops tracing a coroutine into which an exception was thrown, and coverage of its
    remaining lines would be lost.
    """
    return await asyncio.create_task(gateway.post(query, headers=headers))
