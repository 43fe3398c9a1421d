"""Webhooks as SuperOffice sends them: one for each thing that happens to a chat, signed.

Source: https://docs.superoffice.com/en/automation/webhook/.
"""

import asyncio
import base64
import hmac
import logging
import math
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from gateway.demo.desk import Desk
from gateway.demo.sessions import Moment
from gateway.demo.users import DEMO_USERS

logger = logging.getLogger(__name__)

ONLY_TENANT = "Cust00000"
"""The tenant's name in an installation that has just one."""

_WAITS_S = (0.0, 1.0, 4.0)


@dataclass(slots=True)
class Hook:
    """Where webhooks go; without an address none are sent."""

    secret: str = field(repr=False)
    url: str | None = None
    tenants: Collection[str] = (ONLY_TENANT,)
    """The tenants whose chats it reports."""


def signature(secret: str, body: bytes) -> str:
    """Return the value of `X-SuperOffice-Signature`."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


@dataclass(slots=True)
class Webhooks:
    """Compares the desk with itself every second, and reports what has changed."""

    desk: Desk
    hook: Hook
    _: KW_ONLY
    tenant: str
    clock: Callable[[], float]
    transport: httpx.AsyncBaseTransport | None = None

    async def run(self) -> None:
        """Send until cancelled."""
        before = math.floor(self.clock())
        async with (
            httpx.AsyncClient(transport=self.transport, trust_env=False, timeout=5) as client,
            asyncio.TaskGroup() as sending,
        ):
            while True:
                await asyncio.sleep(1 - self.clock() % 1)
                now = math.floor(self.clock())
                for event in self.events(before, now) if self.hook.url else ():
                    sending.create_task(self._send(client, self.hook.url or "", event))
                before = now

    def events(self, before: int, now: int) -> Iterator[dict[str, Any]]:
        """Return the changes between two seconds; the end of a chat is not one."""
        known = self._sessions(before)
        for key, moment in self._sessions(now).items():
            was, beat = known.get(key), moment.beat
            if was is None:
                yield self._event("created", moment, ["status"])
                continue
            if was.beat.status != beat.status:
                yield self._event("changed", moment, ["status"])
            if was.beat.message_at != beat.message_at:
                yield self._event("message", moment, ["lastMessage"])

    def _sessions(self, now: int) -> dict[int, Moment]:
        moments = (moment for user in DEMO_USERS for moment in self.desk.moments(user, now))
        return {moment.session_id: moment for moment in moments}

    def _event(self, what: str, moment: Moment, changes: list[str]) -> dict[str, Any]:
        agent = moment.beat.agent
        return {
            "EventId": str(uuid.uuid4()),
            "Timestamp": datetime.fromtimestamp(moment.now, UTC).isoformat(),
            "Event": f"chatsession.{what}",
            "Entity": "chatsession",
            "PrimaryKey": moment.session_id,
            "Changes": changes,
            "ContextIdentifier": self.tenant,
            "ChangedByAssociateId": agent.associate_id if agent else 0,
            "WebhookName": "demo",
        }

    async def _send(self, client: httpx.AsyncClient, url: str, event: dict[str, Any]) -> None:
        body = orjson.dumps(event)
        headers = {
            "Content-Type": "application/json",
            "X-SuperOffice-Signature": signature(self.hook.secret, body),
        }
        for wait_s in _WAITS_S:
            await asyncio.sleep(wait_s)
            try:
                answer = await client.post(url, content=body, headers=headers)
            except httpx.TransportError:
                continue
            if answer.is_success:
                return
        logger.warning("A webhook was not accepted: %s", event["Event"])
