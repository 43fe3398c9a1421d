"""Runs queries and returns their errors."""

from gateway.schema.build import Schema
from tests.schema.asking import RestAnswered, execute


async def errors_in(schema: Schema, query: str) -> list[tuple[str, str]]:
    """Run a query for a caller without sessions; return the codes and messages of its errors."""
    result = await execute(schema, query, context=RestAnswered(b"[]"))
    return [((error.extensions or {})["code"], error.message) for error in result.errors or ()]
