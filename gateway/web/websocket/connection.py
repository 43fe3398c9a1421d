"""One WebSocket that speaks `graphql-transport-ws`.

A failed operation gets an `error` message with its id; only an error of the connection closes it.
Source of the rules: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, aclosing, suppress
from dataclasses import dataclass, field, replace

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.caller import headers_from_payload
from gateway.errors import (
    BadRequestError,
    RequestError,
    TooManyOpenError,
    UnauthenticatedError,
    UpstreamRejectionError,
)
from gateway.executor.turns import Turns
from gateway.observe.clients import client_of
from gateway.schema.context import Access, Context
from gateway.schema.engine import Answer, refusal
from gateway.schema.error_codes import masked
from gateway.store.single_flight import cancel_all
from gateway.web.access_record import AccessRecord
from gateway.web.edge import Edge
from gateway.web.graphql import GraphQL
from gateway.web.inbound import inbound_of
from gateway.web.read.body import BYTES_PER_STEP
from gateway.web.read.request import from_json, needed

PROTOCOL = "graphql-transport-ws"

_LONGEST_REREAD = 2**18
_LONGEST_REASON = 123  # bytes; RFC 6455, section 5.5
_MOST_OPERATIONS = 50
_LONGEST_ID = 1_000
_STRANGER_S = 10.0
_IDLE_S = 300.0

# Clients reconnect after these; https://www.iana.org/assignments/websocket. After 4403 they read
# their credentials again.
_GOING_AWAY = 1001
_TRY_AGAIN_LATER = 1013
_FORBIDDEN = 4403


class _CloseError(Exception):
    """Closes the connection, with a close code and a reason."""


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

    Before `connection_init` is acknowledged, SuperOffice is called, or its cached answer used. A
    socket whose credentials have not been accepted ten seconds after the handshake is closed.

    Raises:
        GatewayFullError: too many sockets are open.
    """

    def __init__(self, socket: WebSocket, graphql: GraphQL, edge: Edge, held: ExitStack) -> None:
        self._socket, self._inbound = socket, inbound_of(socket.scope)
        self._graphql, self._edge = graphql, edge
        self._held = held
        self._place = held.enter_context(graphql.sockets.count(self._evict))
        self._access: Access | RequestError | None = None
        """The caller; None before `connection_init`."""

        self._client = self._inbound.head.client
        self._is_accepted = False
        self._on_timeout = 4408, "Connection initialisation timeout"
        """The close code and the reason if the deadline passes now."""

        self._operations: dict[str, asyncio.Task[None]] = {}
        self._deadline: asyncio.Timeout | None = None
        """None before and after `serve`."""

    async def serve(self) -> None:
        """Serve until either side closes."""
        try:
            async with asyncio.timeout(_STRANGER_S) as self._deadline:
                await self._receive()
        except _CloseError as exc:
            await self._close(*exc.args)
        except TimeoutError:
            await self._close(*self._on_timeout)
        finally:
            self._deadline = None
            await cancel_all(self._operations.values())
            self._operations.clear()  # cancelled tasks hold frames, which hold the connection

    def _evict(self) -> None:
        """Close the connection: another socket needs its place."""
        self._on_timeout = _TRY_AGAIN_LATER, "Too many unauthenticated sockets are open."
        self._end_after(0)

    async def _receive(self) -> None:
        while (received := await self._socket.receive())["type"] != "websocket.disconnect":
            text = received.get("text")
            if text is None:
                raise _CloseError(4400, "WebSocket message type must be text")
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
                await self._log_in(more.get("payload"))
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
                raise _CloseError(
                    4400,
                    f"`id` has to be a string of at most {_LONGEST_ID} characters, and a "
                    "subscribe needs a `payload`.",
                )
            case {"type": str(kind)}:
                raise _CloseError(4400, f"Unknown message type: {kind}")
            case _:
                raise _CloseError(4400, "A message has to be an object with a `type`.")

    async def _log_in(self, payload: object) -> None:
        """Take the credentials, unless the caller has too many sockets already."""
        if not isinstance(payload, dict | None):
            raise _CloseError(4400, "Invalid connection init payload")
        if self._access is not None:
            raise _CloseError(4429, "Too many initialisation requests")
        self._access = self._access_from(payload)
        (payload or {}).clear()  # it would be held while SuperOffice is called
        if isinstance(self._access, Access):
            try:
                self._held.enter_context(self._graphql.sockets.count_for(self._access.owner))
            except TooManyOpenError as exc:
                raise _CloseError(_TRY_AGAIN_LATER, str(exc)) from exc
            self._place.has_login = True
        await self._check()
        await self._send({"type": "connection_ack"})

    async def _check(self) -> None:
        """Have SuperOffice check the credentials, unless it has done so within the TTL."""
        self._on_timeout = _TRY_AGAIN_LATER, "SuperOffice has not answered in time."
        try:
            await self._context().snapshot()
            self._accept()
        except (RequestError, UpstreamRejectionError) as exc:
            exc.with_traceback(None)  # its frames would keep this connection alive
            self._on_timeout = _FORBIDDEN, "SuperOffice has not accepted the credentials."
        except Exception as exc:  # noqa: BLE001  operations report it, or succeed
            masked(exc)

    def _accept(self) -> None:
        """Treat the client as authenticated from now on."""
        self._is_accepted = True
        if isinstance(self._access, Access):
            self._inbound.head = replace(self._inbound.head, access=self._access)
        self._on_timeout = _GOING_AWAY, "No operation for five minutes."
        self._place.accept()
        self._inbound.on_accepted()
        self._limit_idle_time()

    def _reject(self) -> None:
        """Close soon: a socket's credentials never change, so its client has to connect again."""
        self._is_accepted = False
        self._on_timeout = _FORBIDDEN, "SuperOffice no longer accepts the credentials."
        self._end_after(_STRANGER_S)

    def _access_from(self, payload: Mapping[str, object] | None) -> Access | RequestError:
        if not payload:
            return self._inbound.head.access
        scope = self._socket.scope
        try:
            headers = headers_from_payload(payload, handshake=scope["headers"])
        except RequestError as exc:
            return exc
        self._client = client_of(headers)
        return self._edge.door.access(scope["path"], headers)

    async def _subscribe(self, id_: str, payload: object) -> None:
        if self._access is None:
            raise _CloseError(4401, "Unauthorized")
        if id_ in self._operations:
            raise _CloseError(4409, f"Subscriber for {id_} already exists")
        running = _Running(id_, self._context())
        if len(self._operations) >= _MOST_OPERATIONS:
            error = TooManyOpenError(
                f"{_MOST_OPERATIONS} operations may run on one socket at the same time."
            )
            await self._answer(running, refusal(error))
            return
        self._operations[id_] = asyncio.create_task(self._run(running, needed(payload)))
        self._limit_idle_time()

    def _context(self) -> Context:
        """Return the context of an operation."""
        context = self._graphql.context(self._inbound, self._access)
        # Browsers send no-cache with every handshake, and it would hold as long as the socket.
        context.max_age_s = None
        return context

    def _limit_idle_time(self) -> None:
        """Limit the time of an authenticated client without a running operation."""
        if self._is_accepted:
            self._end_after(None if self._operations else _IDLE_S)

    def _end_after(self, delay_s: float | None) -> None:
        if self._deadline is not None and not self._deadline.expired():
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(None if delay_s is None else now + delay_s)

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
            caller = self._access.owner if isinstance(self._access, Access) else ""
            with self._graphql.sockets.count_operation(caller, operation):
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
        if self._is_accepted and is_alone and record.outcome == UnauthenticatedError.code:
            self._reject()
        if answer.is_refusal:
            self._end(id_)  # before the message: the client may use the id again at once
            await self._send({"id": id_, "type": "error", "payload": answer.body["errors"]})
        else:
            if not self._is_accepted and record.is_answered:
                self._accept()
            await self._send({"id": id_, "type": "next", "payload": answer.content})
        if running.started is not None:
            self._edge.access_log.operation(running.started, record, self._client)
            running.started = None

    def _end(self, id_: str) -> "asyncio.Task[None] | None":
        """Forget an operation, and return its task."""
        if task := self._operations.pop(id_, None):
            self._limit_idle_time()
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
        raise _CloseError(4400, str(error)) from exc
    return {"type": kind, "id": id_, "payload": error}
