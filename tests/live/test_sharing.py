"""Subscriptions at one gateway and webhooks at another, over a real Redis."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.demo.webhooks import signature
from tests.store.redis_server import redis_server
from tests.support import CREDENTIALS, SESSION, Gateway, RestSide, gateway_over
from tests.waiting import until
from tests.web.asking import Socket, connected

pytestmark = pytest.mark.socket

SECRET = "only SuperOffice and we know it"
WATCH = "subscription { chatSessions { status } }"


async def send_webhook(gateway: Gateway) -> None:
    """Send a webhook."""
    body = json.dumps({"Event": "chatsession.changed", "ContextIdentifier": "Cust1"}).encode()
    headers = {"X-SuperOffice-Signature": signature(SECRET, body)}
    await gateway.http.post("/webhooks/superoffice", content=body, headers=headers)


async def status(socket: Socket) -> Any:
    """Return the status of the one session in the next answer."""
    message = await socket.next_message()
    return message["payload"]["data"]["chatSessions"][0]["status"]


async def test_screens_stay_correct_during_a_restart_of_redis(
    rest: RestSide, tmp_path: Path
) -> None:
    """Changes arrive by webhooks through Redis and by polls without it, each once."""
    statuses = []

    def change(to: str) -> None:
        rest.body = [{**SESSION, "Status": to}]

    with redis_server(tmp_path) as server:
        shared: Any = {
            "cache_url": server.url,
            "cache_secret": "s" * 32,
            "webhook_secret": SECRET,
            "cache_ttl": 0.2,
        }

        def both_listen() -> bool:
            with redis.Redis.from_url(server.url) as client:
                return bool(client.pubsub_numsub("superoffice-chat-gateway:changed")[0][1] == 2)

        async with (
            gateway_over(rest, **shared) as other,
            connected(rest, CREDENTIALS, **shared) as socket,
        ):
            await socket.sent.get()
            socket.send_json({"type": "connection_init"})
            await socket.next_message()
            await until(both_listen)
            socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": WATCH}})
            statuses.append(await status(socket))
            change("UserLast")
            await send_webhook(other)
            statuses.append(await status(socket))
            server.kill()
            change("CustomerLast")
            statuses.append(await status(socket))
            server.start()
            await until(both_listen)
            change("Closed")
            await send_webhook(other)
            statuses.append(await status(socket))

            assert socket.sent.empty()

    assert statuses == ["IN_QUEUE", "USER_LAST", "CUSTOMER_LAST", "CLOSED"]
