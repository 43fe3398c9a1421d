"""The gateway as it is ordinarily written with Strawberry and httpx.

`REST_URL` names the REST server; `CACHES` caches the sessions of a caller.
"""

import os
from typing import Any

import httpx
import strawberry
from aiocache import SimpleMemoryCache
from chat_types import ChatSession, DateTime  # type: ignore[import-not-found]  # see `prepare`
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

__all__ = ["app"]

_TTL_S = 3600

_rest = httpx.AsyncClient(base_url=os.environ["REST_URL"])
_cache = SimpleMemoryCache(ttl=_TTL_S) if os.environ.get("CACHES") else None


async def _fetch(authorization: str) -> list[ChatSession]:
    response = await _rest.get(
        "/api/v1/ChatSession/ForCurrentUser", headers={"Authorization": authorization}
    )
    response.raise_for_status()
    return [ChatSession.from_rest(session) for session in response.json()]


@strawberry.type
class Query:
    """The root type."""

    @strawberry.field
    async def chat_sessions(self, info: strawberry.Info[Any, Any]) -> list[ChatSession] | None:
        """Return the caller's sessions."""
        authorization = info.context["request"].headers["Authorization"]
        if _cache is None:
            return await _fetch(authorization)
        sessions: list[ChatSession] | None = await _cache.get(authorization)
        if sessions is None:
            sessions = await _fetch(authorization)
            await _cache.set(authorization, sessions)
        return sessions


_schema = strawberry.Schema(
    query=Query,
    config=StrawberryConfig(scalar_map={DateTime: strawberry.scalar(name="DateTime")}),
)
app: GraphQL[Any, Any] = GraphQL(_schema)
