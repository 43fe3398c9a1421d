"""Runs queries over answers of the REST API, without HTTP on either side."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import graphql
import orjson

from gateway.records.dates import AsOf
from gateway.schema.build import Schema, build_schema
from gateway.schema.engine import Engine, Operation, answer_of
from gateway.schema.entities.chat_decoder import decode
from gateway.schema.selecting.select import Selecting
from gateway.sessions.snapshot import Snapshot
from tests.sessions import snapshots

__all__ = ["SCHEMA", "Answer", "Json", "ask", "decode", "execute", "read", "snapshot_of"]

Json = dict[str, Any]

SCHEMA = build_schema()


@dataclass(frozen=True)
class Answer:
    """A client's answer, with `errors` in their JSON form."""

    data: Any
    errors: list[Json]

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]

    @property
    def paths(self) -> list[list[str | int]]:
        return [error["path"] for error in self.errors]

    @property
    def messages(self) -> list[str]:
        return [error["message"] for error in self.errors]


def snapshot_of(sessions: Sequence[Any]) -> Snapshot:
    """Make a snapshot as a source does, taken at the beginning of 1970."""
    as_of = AsOf(0)
    for session in sessions:
        session.as_of = as_of
    return snapshots.snapshot_of(sessions, as_of)


@dataclass
class RestAnswered:
    """The context of a request for which SuperOffice has sent a body."""

    body: bytes
    selecting: Selecting | None = None

    async def snapshot(self) -> Snapshot:
        return snapshot_of(decode(self.body))


async def execute(
    schema: Schema,
    query: str,
    variables: Mapping[str, Any] | None = None,
    context: object = None,
    operation_name: str | None = None,
) -> graphql.ExecutionResult:
    """Run a query as an engine does, but never by a prepared query; return all of its result."""
    operation = Operation(schema.documents.find(query), dict(variables or {}), operation_name)
    if operation.errors:
        return graphql.ExecutionResult(None, [*operation.errors])
    result = await Engine(schema).run(graphql.execute, operation, context)
    errors = [*(result.errors or ())]
    await answer_of(result)  # gives the errors their codes, and drops some
    del errors[len(result.errors or ()) :]
    data = orjson.loads(orjson.dumps(result.data))  # the items of long lists are JSON already
    return graphql.ExecutionResult(data, errors or None)


async def ask(
    query: str,
    body: bytes | Sequence[object] = b"[]",
    variables: Mapping[str, Any] | None = None,
    context: object = None,
) -> Answer:
    """Run a query over a body of the REST API, or with the test's own context."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    result = await execute(SCHEMA, query, variables, context or RestAnswered(raw))
    return Answer(result.data, [dict(error.formatted) for error in result.errors or ()])


async def read(selection: str, session: str | Json) -> tuple[Json, Answer]:
    """Read fields of one session, given as JSON or an object; return them and the whole answer."""
    text = session if isinstance(session, str) else json.dumps(session)
    answer = await ask(f"{{ chatSessions {{ {selection} }} }}", f"[{text}]".encode())
    (fields,) = answer.data["chatSessions"]
    return fields, answer
