"""One WebSocket that speaks `graphql-transport-ws`.

A failed operation gets an `error` message with its id; only an error of the connection closes it.
Source of the rules: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.errors import BadRequestError, TooManyOpenError, UnauthenticatedError
from gateway.executor.turns import Turns
from gateway.schema.context import Context
from gateway.schema.engine import Answer, refusal
from gateway.schema.error_codes import masked
from gateway.store.single_flight import cancel_all
from gateway.web.access_record import AccessRecord
from gateway.web.edge import Edge
from gateway.web.graphql import GraphQL
from gateway.web.inbound import inbound_of
from gateway.web.read.body import BYTES_PER_STEP
from gateway.web.read.request import from_json, needed
from gateway.web.websocket.login import CloseError, Login

PROTOCOL = "graphql-transport-ws"

_LONGEST_REREAD = 2**18
_LONGEST_REASON = 123  # bytes; RFC 6455, section 5.5
_MOST_OPERATIONS = 50
_LONGEST_ID = 1_000


@dataclass(slots=True)
class _Running:
    """A running operation, and its access record."""

    id: str
    context: Context
    name: str = ""
    record: AccessRecord = field(default_factory=AccessRecord)
    started: float | None = field(default_factory=time.perf_counter)
    """None once it is logged."""


class Connection:
    """Serves one accepted WebSocket; `held` is released when it closes.

    Before `connection_init` is acknowledged, SuperOffice is called, or its cached answer used.

    Raises:
        GatewayFullError: too many sockets are open.
    """

    def __init__(self, socket: WebSocket, graphql: GraphQL, edge: Edge, held: ExitStack) -> None:
        self._socket, self._inbound = socket, inbound_of(socket.scope)
        self._graphql, self._access_log = graphql, edge.access_log
        self._login = Login(socket.scope, graphql, edge.door, held)
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Serve until either side closes."""
        try:
            async with self._login.limited_time():
                await self._receive()
        except CloseError as exc:
            await self._close(*exc.args)
        finally:
            await cancel_all(self._operations.values())
            self._operations.clear()  # cancelled tasks hold frames, which hold the connection

    async def _receive(self) -> None:
        while (received := await self._socket.receive())["type"] != "websocket.disconnect":
            text = received.get("text")
            if text is None:
                raise CloseError(4400, "WebSocket message type must be text")
            await Turns().spend(len(text) // BYTES_PER_STEP)
            try:
                message = from_json(text, "The message")
            except BadRequestError as exc:
                message = _with_error_as_payload(text, exc)
            del received, text
            await self._handle(message)
            del message  # the next one may take minutes
            await asyncio.sleep(0)  # yield to others, however many messages came at once

    async def _handle(self, message: object) -> None:
        match message:
            case {"type": "connection_init", **more}:
                await self._login.take(more.get("payload"))
                await self._send({"type": "connection_ack"})
            case {"type": "ping"}:
                await self._send({"type": "pong"})
            case {"type": "pong"}:
                return
            case {"type": "subscribe", "id": str(id_), "payload": sent} if len(id_) <= _LONGEST_ID:
                await self._subscribe(id_, sent)
            case {"type": "complete", "id": str(id_)}:
                if task := self._end(id_):
                    task.cancel()
            case {"type": "subscribe" | "complete"}:
                raise CloseError(
                    4400,
                    f"`id` has to be a string of at most {_LONGEST_ID} characters, and a "
                    "subscribe needs a `payload`.",
                )
            case {"type": str(kind)}:
                raise CloseError(4400, f"Unknown message type: {kind}")
            case _:
                raise CloseError(4400, "A message has to be an object with a `type`.")

    async def _subscribe(self, id_: str, payload: object) -> None:
        if not self._login.is_sent:
            raise CloseError(4401, "Unauthorized")
        if id_ in self._operations:
            raise CloseError(4409, f"Subscriber for {id_} already exists")
        running = _Running(id_, self._graphql.context(self._inbound))
        if len(self._operations) >= _MOST_OPERATIONS:
            error = TooManyOpenError(
                f"{_MOST_OPERATIONS} operations may run on one socket at the same time."
            )
            await self._answer(running, refusal(error))
            return
        self._operations[id_] = asyncio.create_task(self._run(running, needed(payload)))
        self._login.set_idle(not self._operations)

    async def _run(self, running: _Running, payload: object) -> None:
        """Execute an operation, and send its answers."""
        id_ = running.id
        running.context.work_for_caller()
        try:
            if isinstance(payload, BadRequestError):
                raise payload
            operation = await self._graphql.reader.operation(payload)
            del payload  # it has its own copy of the text
            running.name, running.record.deprecated = operation.name, operation.document.deprecated
            answers = self._graphql.engine.stream(operation, running.context)
            with self._graphql.sockets.count_operation(self._inbound.owner, operation):
                async with aclosing(answers):
                    async for answer in answers:
                        await self._answer(running, answer)
                        if answer.is_refusal:
                            return
                        del answer  # it is large, and the next one may take long
            self._end(id_)
            await self._send({"id": id_, "type": "complete"})
        except Exception as exc:  # noqa: BLE001  whatever it is, it ends this operation alone
            error = masked(exc)
            if self._operations.get(id_) is asyncio.current_task():  # not cancelled meanwhile
                await self._answer(running, refusal(error))

    async def _answer(self, running: _Running, answer: Answer) -> None:
        """Send an answer; the operation is logged with its first one."""
        id_, record = running.id, running.record
        self._graphql.complete(record, running.name, running.context, [answer.body])
        is_alone = self._operations.keys() <= {id_}  # others may go on after a passing 401
        if self._login.is_accepted and is_alone and record.outcome == UnauthenticatedError.code:
            self._login.reject()
        if answer.is_refusal:
            self._end(id_)  # before the message: the client may use the id again at once
            await self._send({"id": id_, "type": "error", "payload": answer.body["errors"]})
        else:
            if not self._login.is_accepted and record.is_answered:
                self._login.accept()
            await self._send({"id": id_, "type": "next", "payload": answer.content})
        if running.started is not None:
            self._access_log.operation(running.started, record, self._inbound.head.client)
            running.started = None

    def _end(self, id_: str) -> "asyncio.Task[None] | None":
        """Forget an operation, and return its task."""
        if task := self._operations.pop(id_, None):
            self._login.set_idle(not self._operations)
        return task

    async def _send(self, message: Mapping[str, object]) -> None:
        """Send a message as text: browsers read binary frames asynchronously."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect):
                await self._socket.send_text(orjson.dumps(message).decode())

    async def _close(self, code: int, reason: str) -> None:
        """Close; a reason that quotes the client may be too long, and is cut."""
        cut = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        with suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.close(code, cut)


def _with_error_as_payload(text: str, error: BadRequestError) -> dict[str, object]:
    """Return a message that orjson refuses and `json` reads, with the error as its payload.

    Half an emoji that a client has cut off is such a message: it ends one operation, not all.
    """
    try:
        message = json.loads(text) if len(text) <= _LONGEST_REREAD else {}
        kind, id_ = message["type"], message["id"]
        orjson.dumps(id_)
    except (ValueError, RecursionError, LookupError, TypeError) as exc:
        raise CloseError(4400, str(error)) from exc
    return {"type": kind, "id": id_, "payload": error}
