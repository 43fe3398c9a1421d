"""Live updates between the demo's two servers."""

import json
import threading

import pytest
from pydantic import SecretStr
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gateway import Settings, create_app
from gateway.commands.demo import demo_upstream
from gateway.demo.users import DEMO_USERS
from gateway.demo.webhooks import Hook
from tests.support import served

pytestmark = pytest.mark.socket

WATCH = """
subscription {
  chatSessionChanges { isInitial changes { kind changedFields session { chatSessionId } } }
}
"""


def test_webhooks_update_the_screens_of_all_users() -> None:
    """Webhooks update the screens of all users, although the polling interval is five minutes."""
    hook = Hook("both sides know this one")
    events: dict[str, list[bool]] = {}

    def watch(address: str, name: str, authorization: str) -> None:
        with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            payload = {"Authorization": authorization}
            socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            socket.recv(timeout=10)
            message = {"id": "1", "type": "subscribe", "payload": {"query": WATCH}}
            socket.send(json.dumps(message))
            for _ in range(2):
                data = json.loads(socket.recv(timeout=10))["payload"]["data"]
                events.setdefault(name, []).append(data["chatSessionChanges"]["isInitial"])

    with demo_upstream(sessions=60, hook=hook) as upstream_url:
        settings = Settings(
            upstream_url=upstream_url,
            live_interval=300,
            cache_ttl=300,
            webhook_secret=SecretStr(hook.secret),
        )
        with served(create_app(settings)) as url:
            hook.url = f"{url}/webhooks/superoffice"
            address = f"{url.replace('http', 'ws')}/graphql"
            threads = [
                threading.Thread(target=watch, args=(address, u.login, u.authorization_basic))
                for u in DEMO_USERS
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert events == {user.login: [True, False] for user in DEMO_USERS}
