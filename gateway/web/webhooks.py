"""`POST /webhooks/superoffice`: SuperOffice reports a new chat, a change, or a message.

A webhook is a hint, not a source: each caller reads the change from the REST API.
Source: https://docs.superoffice.com/en/automation/webhook/.
"""

import base64
import hmac
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import BadRequestError, GatewayError
from gateway.live.bus import News
from gateway.settings import Settings
from gateway.settings.parse import webhook_secrets
from gateway.settings.tenant_names import canonical_tenant
from gateway.store.shared import SharedKey
from gateway.store.shared_times import SharedTimes
from gateway.web.inbound import inbound_of
from gateway.web.read.body import read_body
from gateway.web.read.request import from_json
from gateway.web.respond.errors import error_response

logger = logging.getLogger(__name__)

Result = Literal["accepted", "ignored", "refused"]
RESULTS: tuple[Result, ...] = get_args(Result)

_EVENTS = ("chatsession.created", "chatsession.changed", "chatsession.message")
_LARGEST_BODY = 64 * 2**10
_LARGEST_TEST = 4 * 2**10
# An older change has been polled already: no poll interval is longer.
_OLDEST_S = 600.0


@dataclass(repr=False)
class Webhooks:
    """Accepts signed events, each once, and publishes those of tenants served here.

    `secrets` has those of each tenant, and under None those that sign for any tenant; several while
    one is replaced. `concerns` returns whether a tenant is served here.
    """

    secrets: Mapping[str | None, Sequence[bytes]]
    publish: Callable[[News], Awaitable[None]]
    concerns: Callable[[str], bool]
    known: SharedTimes = field(default_factory=SharedTimes)
    """The events that were published."""

    clock: Callable[[], float] = time.time
    results: Counter[str] = field(default_factory=Counter)

    def reload(self, settings: Settings) -> None:
        """Replace the secrets by those of new settings."""
        if settings.webhook_secret is not None:
            self.secrets = webhook_secrets(settings.webhook_secret)

    async def receive(self, request: Request) -> Response:
        """Answer 200 to every signed event: SuperOffice stops sending to a URL that refuses.

        That includes the `test` event, which SuperOffice sends when a webhook is saved. A refusal
        is never a 410, which would end the webhook at once.
        """
        try:
            body = await read_body(request, max_bytes=_LARGEST_BODY)
        except GatewayError as exc:
            return self._refuse(exc, exc.http_status)
        event = _json_object(body)
        secret = self._secret_of(body, event, request.headers.get("x-superoffice-signature", ""))
        if secret is None:
            logger.warning(
                "A webhook was refused: its signature does not match GATEWAY_WEBHOOK_SECRET"
            )
            return self._refuse(BadRequestError("The signature does not match the body."), 401)
        tenant, event_id = str(event.get("ContextIdentifier")), event.get("EventId")
        if not isinstance(event_id, str | None) or event.get("Event") not in _EVENTS:
            return self._take(request, "ignored")
        key = _key(secret, event_id) if event_id is not None else None
        is_news = self.concerns(tenant) and not self._is_old(event)
        now_ns = int(self.clock() * 1e9)
        if not is_news or (key is not None and await self.known.is_noted(key, now_ns)):
            return self._take(request, "ignored")
        await self.publish(News(tenant, now_ns))
        if key is not None:  # only now: SuperOffice sends a failed event again
            await self.known.note(key, now_ns, shared_s=_OLDEST_S)
        return self._take(request, "accepted")

    def _take(self, request: Request, result: Result) -> Response:
        self.results[result] += 1
        inbound_of(request.scope).record.is_routine = True
        return JSONResponse({"status": result})

    def _refuse(self, error: GatewayError, status: int) -> Response:
        self.results["refused"] += 1
        return error_response(error, status=status)

    def _secret_of(self, body: bytes, event: Mapping[str, object], signature: str) -> bytes | None:
        """Return the secret that a body is signed with: its tenant's, or one for any tenant.

        A test names no tenant, so all secrets are tried; it has to be small to limit that work.
        """
        try:
            given = base64.b64decode(signature, validate=True)
        except ValueError:
            return None
        tenant = canonical_tenant(str(event.get("ContextIdentifier")))
        is_test = event.get("Event") == "test" and len(body) <= _LARGEST_TEST
        tenants = self.secrets if is_test else dict.fromkeys([tenant, None])
        for secret in chain.from_iterable(self.secrets.get(name, ()) for name in tenants):
            if hmac.compare_digest(given, hmac.digest(secret, body, "sha256")):
                return secret
        return None

    def _is_old(self, event: Mapping[str, Any]) -> bool:
        try:
            sent = datetime.fromisoformat(event["Timestamp"])
        except (KeyError, TypeError, ValueError):
            return False  # a needless poll is better than a missed change
        return self.clock() - sent.replace(tzinfo=sent.tzinfo or UTC).timestamp() > _OLDEST_S


def _key(secret: bytes, event_id: str) -> SharedKey:
    """Return the key of the entry that marks an event as known in the shared cache."""
    digest = hmac.digest(secret, event_id.encode(), "sha256")
    return SharedKey(f"event:{digest.hex()}", hmac.digest(secret, digest, "sha256"))


def _json_object(body: bytes) -> Mapping[str, object]:
    """Parse a body; return an empty object unless it is a JSON object."""
    try:
        event = from_json(body, "The body")
    except BadRequestError:
        return {}
    return event if isinstance(event, dict) else {}
