"""Drop the results of a subscription that equal the one before."""

import hashlib
from contextlib import aclosing

import orjson
from strawberry.schema.schema import StreamResult
from strawberry.types.execution import ExecutionResult


async def without_repeats(results: StreamResult) -> StreamResult:
    """Skip each result whose JSON equals that of the last one sent.

    Only a digest is stored: results are large, and there are thousands of subscriptions.
    """
    last = b""
    async with aclosing(results):
        async for result in results:
            digest = _digest(result) if isinstance(result, ExecutionResult) else b""
            if not digest or digest != last:
                last = digest
                yield result


def _digest(result: ExecutionResult) -> bytes:
    errors = [error.formatted for error in result.errors or ()]
    return hashlib.blake2b(orjson.dumps([result.data, errors]), digest_size=16).digest()
