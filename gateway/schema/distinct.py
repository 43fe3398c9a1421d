"""A subscription's answers without those that say the same as the one before."""

import hashlib
from contextlib import aclosing
from typing import Any

import orjson
from strawberry.schema.schema import StreamResult


async def without_repeats(results: StreamResult) -> StreamResult:
    """Leave out each answer that is the same, byte for byte, as the one that went out last.

    Only its digest is kept: answers are large, and there are thousands of subscriptions.
    """
    last = b""
    async with aclosing(results):
        async for result in results:
            digest = _digest(result)
            if digest != last:
                last = digest
                yield result


def _digest(result: Any) -> bytes:
    errors = [error.formatted for error in result.errors or ()]
    return hashlib.blake2b(orjson.dumps([result.data, errors]), digest_size=16).digest()
