"""The root fields and the schema that holds everything together."""

from typing import Any

import strawberry
from strawberry.extensions import DisableIntrospection, ParserCache, ValidationCache
from strawberry.schema.config import StrawberryConfig

from gateway.schema.chat import ChatSession
from gateway.schema.context import Context
from gateway.schema.error_codes import CodedErrors
from gateway.schema.records import read
from gateway.schema.scalars import SCALARS

__all__ = ["Query", "Schema", "build_schema", "sdl"]

Info = strawberry.Info[Context, None]


async def list_chat_sessions(info: Info) -> Any:
    """Give every session of the caller."""
    return (await info.context.snapshot()).sessions


async def find_chat_session(info: Info, chat_session_id: int) -> Any:
    """Give one session of the caller, or nothing."""
    sessions = (await info.context.snapshot()).sessions
    return next((s for s in sessions if s.chat_session_id == chat_session_id), None)


@strawberry.type
class Query:
    chat_sessions: list[ChatSession] | None = strawberry.field(
        resolver=list_chat_sessions,
        description="Every chat session the caller can see, in REST's order, finished ones too.",
    )
    chat_session: ChatSession | None = strawberry.field(
        resolver=find_chat_session,
        description="One chat session by its key; null when the caller has no such session.",
    )


class Schema(CodedErrors, strawberry.Schema):
    """Strawberry's schema with our error codes."""


def build_schema(*, introspection: bool = True) -> Schema:
    """Build the GraphQL schema. Parsing and validation are cached by the text of the document."""
    return Schema(
        query=Query,
        config=StrawberryConfig(default_resolver=read, scalar_map=SCALARS),
        extensions=[
            ParserCache,
            ValidationCache,
            *([] if introspection else [DisableIntrospection]),
        ],
    )


def sdl(schema: Schema | None = None) -> str:
    """Print a schema, or the default one, as text in the schema definition language."""
    return f"{(schema or build_schema()).as_str()}\n"
