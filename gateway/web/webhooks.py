"""`POST /webhooks/superoffice`: SuperOffice reports a new chat, a change, or a message.

A webhook is a hint, not a source: each caller reads the change from the REST API.
Source: https://docs.superoffice.com/en/automation/webhook/.
"""

import base64
import binascii
import hmac
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson
from cachetools import LRUCache
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import BadRequestError, GatewayError
from gateway.live.bus import News
from gateway.settings import Settings
from gateway.store.shared import Place, SharedCache
from gateway.web.inbound import inbound_of
from gateway.web.read.body import read_body
from gateway.web.respond.errors import error_response

logger = logging.getLogger(__name__)

Result = Literal["accepted", "ignored", "refused"]
RESULTS: tuple[Result, ...] = get_args(Result)

_EVENTS = ("chatsession.created", "chatsession.changed", "chatsession.message")
_LARGEST_BODY = 64 * 2**10
_MOST_EVENT_IDS = 10_000
# An older change has been polled already: no interval is longer.
_OLDEST_S = 600.0


class Webhooks:
    """Accepts events signed with the secret, each once, and publishes those of tenants served here.

    `concerns` says whether a tenant is.
    """

    def __init__(
        self,
        secret: bytes,
        publish: Callable[[News], Awaitable[None]],
        *,
        concerns: Callable[[str], bool],
        shared: SharedCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._publish = publish
        self._concerns = concerns
        self._shared = shared
        self._clock = clock
        self._event_ids: LRUCache[str, None] = LRUCache(_MOST_EVENT_IDS)
        self.results = Counter[str]()

    def reload(self, settings: Settings) -> None:
        """Check signatures with the secret as it is now."""
        if settings.webhook_secret is not None:
            self._secret = settings.webhook_secret.get_secret_value().encode()

    async def receive(self, request: Request) -> Response:
        """Answer 200 to every signed event: SuperOffice stops sending to a URL that refuses."""
        try:
            body = await read_body(request, max_bytes=_LARGEST_BODY)
        except GatewayError as exc:
            return self._refuse(exc, exc.http_status)
        if not self._is_signed(body, request.headers.get("x-superoffice-signature", "")):
            logger.warning(
                "A webhook was refused: its signature does not match GATEWAY_WEBHOOK_SECRET"
            )
            return self._refuse(BadRequestError("The signature is not that of the body."), 401)
        event = _event(body)
        if event is None or self._is_old(event):
            return self._take(request, "ignored")
        tenant, event_id = str(event.get("ContextIdentifier")), event.get("EventId")
        if not self._concerns(tenant) or await self._is_known(event_id):
            return self._take(request, "ignored")
        await self._publish(News(tenant, int(self._clock() * 1e9)))
        await self._remember(event_id)  # not before: SuperOffice sends a failed one again
        return self._take(request, "accepted")

    def _take(self, request: Request, result: Result) -> Response:
        self.results[result] += 1
        inbound_of(request.scope).record.is_routine = True
        return JSONResponse({"status": result})

    def _refuse(self, error: GatewayError, status: int) -> Response:
        self.results["refused"] += 1
        return error_response(error, status=status)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        try:
            given = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, hmac.digest(self._secret, body, "sha256"))

    def _is_old(self, event: Mapping[str, Any]) -> bool:
        try:
            sent = datetime.fromisoformat(event["Timestamp"])
        except (KeyError, TypeError, ValueError):
            return False  # rather once too often than not at all
        return self._clock() - sent.replace(tzinfo=sent.tzinfo or UTC).timestamp() > _OLDEST_S

    async def _is_known(self, event_id: str | None) -> bool:
        if event_id is None:
            return False
        if event_id in self._event_ids:
            return True
        return (
            self._shared is not None and await self._shared.get(self._place(event_id)) is not None
        )

    async def _remember(self, event_id: str | None) -> None:
        if event_id is None:
            return
        self._event_ids[event_id] = None
        if self._shared is not None:
            await self._shared.put(self._place(event_id), b"known", ttl_s=_OLDEST_S)

    def _place(self, event_id: str) -> Place:
        """Return where the processes that share a cache note which events they know."""
        digest = hmac.digest(self._secret, event_id.encode(), "sha256")
        return Place(f"event:{digest.hex()}", hmac.digest(self._secret, digest, "sha256"))


def _event(body: bytes) -> Mapping[str, Any] | None:
    """Return the event, if it is about a chat."""
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    is_event = isinstance(event, dict) and isinstance(event.get("EventId"), str | None)
    return event if is_event and event.get("Event") in _EVENTS else None
