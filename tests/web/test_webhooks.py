"""SuperOffice's webhooks: which are accepted, ignored or refused, and their effect."""

import base64
import hmac
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from gateway.live.bus import News
from gateway.store import shared_times
from gateway.store.shared import SharedCache
from gateway.store.shared_times import SharedTimes
from gateway.web.webhooks import Webhooks
from tests.clock import FakeClock
from tests.observe.logged import logged
from tests.store.remote import Remote
from tests.support import Gateway, RestSide, gateway_over
from tests.web.asking import behind_the_door

SECRET = "only SuperOffice and we know it"
PATH = "/webhooks/superoffice"
QUERY = "{ chatSessions { chatSessionId } }"


def ago(seconds: float = 0) -> datetime:
    """Return the time so many seconds ago; negative seconds are in the future."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def event(**more: Any) -> dict[str, Any]:
    """Return SuperOffice's webhook of a new chat."""
    return {
        "EventId": "00000000-0000-0000-0000-000000000001",
        "Timestamp": ago().isoformat().replace("+00:00", "Z"),
        "Event": "chatsession.created",
        "Entity": "chatsession",
        "PrimaryKey": 1,
        "Changes": ["status"],
        "ContextIdentifier": "Cust12345",
        "ChangedByAssociateId": 5,
        "WebhookName": "gateway",
        **more,
    }


def headers_of(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a signed body."""
    signature = hmac.digest(secret.encode(), body, "sha256")
    return {
        "Content-Type": "application/json",
        "X-SuperOffice-Signature": base64.b64encode(signature).decode(),
    }


async def send(gateway: Gateway, body: Mapping[str, Any] | bytes) -> Any:
    """Send a webhook as SuperOffice does; return the HTTP status and the status in the answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await gateway.http.post(PATH, content=raw, headers=headers_of(raw))
    return response.status_code, response.json()["status"]


@pytest.fixture
async def gateway(rest: RestSide) -> AsyncIterator[Gateway]:
    """Return a gateway that accepts webhooks, with a cached snapshot."""
    async with gateway_over(rest, webhook_secret=SECRET, cache_ttl=600) as running:
        await running.ask(QUERY)
        yield running


@pytest.mark.parametrize(
    "name", ["chatsession.created", "chatsession.changed", "chatsession.message"]
)
async def test_a_webhook_invalidates_the_cache(gateway: Gateway, rest: RestSide, name: str) -> None:
    """A webhook invalidates the cached snapshot, however fresh."""
    await gateway.ask(QUERY)
    assert rest.calls == 1

    assert await send(gateway, event(Event=name)) == (200, "accepted")
    await gateway.ask(QUERY)
    await gateway.ask(QUERY)

    assert rest.calls == 2


@pytest.mark.parametrize(
    "body",
    [
        event(Event="contact.created"),
        event(Event="chatsession.deleted"),
        event(Event=["chatsession.created"]),
        event(EventId=1),
        event(Timestamp=ago(660).isoformat()),
        event(Timestamp=ago(660).replace(tzinfo=None).isoformat()),
        {},
        b"[]",
        b"null",
        b"{",
        b"",
        b"\xff",
    ],
    ids=[
        "a contact",
        "an unknown event",
        "a list as event",
        "a number as id",
        "an old time",
        "an old time without a zone",
        "no properties",
        "a list",
        "null",
        "incomplete JSON",
        "empty",
        "not UTF-8",
    ],
)
async def test_an_irrelevant_webhook_is_ignored_with_200(
    gateway: Gateway, rest: RestSide, body: Mapping[str, Any] | bytes
) -> None:
    """An irrelevant webhook gets 200: after other statuses SuperOffice disables the webhook."""
    assert await send(gateway, body) == (200, "ignored")
    await gateway.ask(QUERY)

    assert rest.calls == 1


@pytest.mark.parametrize(
    "more",
    [
        {"Timestamp": "2017-12-12T09:14:50.1234567890Zulu"},
        {"Timestamp": None},
        {"EventId": None},
    ],
    ids=["an unknown format", "no time", "no id"],
)
async def test_a_webhook_with_an_unknown_time_or_id_is_accepted(
    gateway: Gateway, more: dict[str, Any]
) -> None:
    """A webhook is accepted when its time or id is missing or in an unknown format."""
    assert await send(gateway, event(**more)) == (200, "accepted")


@pytest.mark.parametrize("seconds", [590, -1800])
async def test_a_webhook_is_accepted_when_clocks_differ(gateway: Gateway, seconds: float) -> None:
    """A webhook is accepted from up to ten minutes ago, and from the future."""
    sent = ago(seconds).isoformat()
    assert await send(gateway, event(Timestamp=sent)) == (200, "accepted")


async def test_a_replayed_webhook_is_ignored(gateway: Gateway) -> None:
    """A replayed webhook is ignored, so an eavesdropper cannot cause REST calls."""
    assert await send(gateway, event()) == (200, "accepted")
    assert await send(gateway, event()) == (200, "ignored")
    assert await send(gateway, event(EventId="another")) == (200, "accepted")


async def test_a_byte_order_mark_is_accepted(gateway: Gateway) -> None:
    """A webhook may start with a byte order mark, as .NET writes one."""
    body = b"\xef\xbb\xbf" + json.dumps(event()).encode()
    assert await send(gateway, body) == (200, "accepted")


async def test_the_ids_of_past_webhooks_are_limited_in_number(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids of past webhooks are limited in number; the oldest is forgotten first."""
    monkeypatch.setattr(shared_times, "_MOST", 2)
    async with gateway_over(rest, webhook_secret=SECRET) as gateway:
        for name in "abc":
            await send(gateway, event(EventId=name))

        assert await send(gateway, event(EventId="b")) == (200, "ignored")
        assert await send(gateway, event(EventId="a")) == (200, "accepted")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-SuperOffice-Signature": ""},
        {"X-SuperOffice-Signature": "not base64"},
        {"X-SuperOffice-Signature": "ÄÖÜ".encode()},
        {"X-SuperOffice-Signature": base64.b64encode(b"x" * 32).decode()},
        {"X-SuperOffice-Signature": hmac.new(SECRET.encode(), b"{}", "sha256").hexdigest()},
        headers_of(b"{}", "another secret of some length"),
        headers_of(b"{ }"),
    ],
    ids=[
        "no signature",
        "empty",
        "not base64",
        "not ASCII",
        "another signature",
        "hexadecimal",
        "another secret",
        "another body",
    ],
)
async def test_a_webhook_without_a_valid_signature_is_refused(
    gateway: Gateway, rest: RestSide, headers: dict[str, str]
) -> None:
    """A webhook without a valid signature has no effect, and its 401 gives no hint."""
    response = await gateway.http.post(PATH, content=b"{}", headers=headers)
    await gateway.ask(QUERY)

    assert response.status_code == 401
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert rest.calls == 1


async def test_the_log_contains_neither_secrets_nor_bodies(rest: RestSide) -> None:
    """The log contains no secret, signature or body of a webhook, accepted or refused."""
    body = json.dumps(event(FieldValues={"customerName": "hunter2"})).encode()
    with logged("debug") as log:
        async with gateway_over(rest, webhook_secret=SECRET) as gateway:
            await gateway.http.post(PATH, content=body, headers=headers_of(body))
            await gateway.http.post(PATH, content=body, headers=headers_of(body, "x" * 16))

    assert "its signature does not match" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert "hunter2" not in log.getvalue()
    assert headers_of(body)["X-SuperOffice-Signature"] not in log.getvalue()


async def test_a_body_larger_than_any_webhook_gets_413(gateway: Gateway) -> None:
    """A body that is larger than any webhook gets 413, whatever its signature."""
    response = await gateway.http.post(PATH, content=b"x" * 2**17, headers=headers_of(b"x" * 2**17))

    assert response.status_code == 413


async def test_any_method_other_than_post_gets_405(gateway: Gateway) -> None:
    """`Allow` names POST (RFC 9110, section 15.5.6)."""
    response = await gateway.http.get(PATH)

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_without_a_secret_the_path_answers_404(rest: RestSide) -> None:
    """Without a secret no signature can be checked, so the path answers 404."""
    async with gateway_over(rest) as gateway:
        response = await gateway.http.post(PATH, content=b"{}", headers=headers_of(b"{}", ""))

    assert response.status_code == 404


async def test_a_failed_webhook_is_accepted_when_it_is_retried() -> None:
    """A webhook that failed is accepted when SuperOffice retries it."""
    outcomes = [ConnectionError("other processes are unreachable"), None]

    async def publish(news: News) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    receive = Webhooks({None: [SECRET.encode()]}, publish, concerns=bool).receive
    app = behind_the_door(Route(PATH, receive, methods=["POST"]))
    body = json.dumps(event()).encode()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http:
        first = await http.post(PATH, content=body, headers=headers_of(body))
        second = await http.post(PATH, content=body, headers=headers_of(body))

    assert (first.status_code, second.status_code) == (500, 200)
    assert second.json() == {"status": "accepted"}


async def test_a_replay_at_another_process_is_ignored() -> None:
    """A replay at another process is ignored; webhooks without an id cannot be recognized."""
    published: list[News] = []

    async def publish(news: News) -> None:
        published.append(news)

    remote, results = Remote(FakeClock()), []
    for body in [event(), event(), event(EventId=None), event(EventId=None)]:
        shared = SharedCache(
            remote, max_bytes=1_000, answer_s=1, lease_wait_s=1, clock=remote.clock
        )
        known = SharedTimes(shared)
        receive = Webhooks({None: [SECRET.encode()]}, publish, concerns=bool, known=known).receive
        app = behind_the_door(Route(PATH, receive, methods=["POST"]))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway.invalid"
        ) as http:
            results.append(await send(Gateway(http, app), body))

    assert [result for _, result in results] == ["accepted", "ignored", "accepted", "accepted"]
    assert len(published) == 3
    assert event()["EventId"] not in repr(remote.entries)


@pytest.mark.parametrize(("level", "statuses"), [("info", [401]), ("debug", [200, 200, 401])])
async def test_accepted_webhooks_are_logged_at_debug_level(
    rest: RestSide, level: str, statuses: list[int]
) -> None:
    """Accepted and ignored webhooks are logged at debug level, refused ones always."""
    async with gateway_over(rest, webhook_secret=SECRET) as gateway:
        with logged(level) as log:
            await send(gateway, event())
            await send(gateway, event(Event="contact.created"))
            await gateway.http.post(PATH, content=b"{}")

    requests = [event for event in log.events if event["event"] == "request"]
    assert [request["status"] for request in requests] == statuses
    assert [e["level"] for e in log.events if e["event"] != "request"] == ["warning"]


async def test_webhooks_are_counted_by_result(gateway: Gateway) -> None:
    """A metric counts accepted, ignored and refused webhooks."""
    await send(gateway, event())
    await send(gateway, event())
    await send(gateway, event(Event="contact.created"))
    await gateway.http.post(PATH, content=b"{}")
    text = (await gateway.http.get("/metrics")).text

    assert re.findall(r'gateway_webhooks_total\{result="(\w+)"\} (\d)', text) == [
        ("accepted", "1"),
        ("ignored", "2"),
        ("refused", "1"),
    ]


async def test_a_webhook_concerns_its_own_tenant_only() -> None:
    """A webhook invalidates the snapshots of its own tenant only."""
    tenants = []

    async def publish(news: News) -> None:
        tenants.append(news.tenant)

    receive = Webhooks({None: [SECRET.encode()]}, publish, concerns=bool).receive
    app = behind_the_door(Route(PATH, receive, methods=["POST"]))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http:
        for number in range(2):
            body = json.dumps(event(EventId=None, ContextIdentifier=f"Cust{number}")).encode()
            await http.post(PATH, content=body, headers=headers_of(body))

    assert tenants == ["Cust0", "Cust1"]


OLD, NEW, OTHER = ("a secret that ends in ==", "Cust1's new secret =", "that of another tenant")
TEST = {"Event": "test", "Entity": "test", "ContextIdentifier": "Default", "Changes": []}


@pytest.mark.parametrize(
    ("setting", "secret", "more", "outcome"),
    [
        (f"{OLD},{NEW}", OLD, {}, (200, "accepted")),
        (f"{OLD},{NEW}", NEW, {}, (200, "accepted")),
        (f"{OLD},{NEW}", OTHER, {}, (401, None)),
        (f"Cust1={OLD},cust1={NEW},Cust2={OTHER}", OLD, {}, (200, "accepted")),
        (f"Cust1={OLD}, cust1={NEW}, Cust2={OTHER}", NEW, {}, (200, "accepted")),
        (f"Cust1={OLD},Cust2={OTHER}", OTHER, {}, (401, None)),
        (f"Cust1={OLD},Cust2={OTHER}", OTHER, {"ContextIdentifier": "Cust3"}, (401, None)),
        (f"Cust1={OLD},Cust2={OTHER}", OTHER, {"ContextIdentifier": 7}, (401, None)),
        (f"Cust1={OLD},{OTHER}", OTHER, {}, (200, "accepted")),
        (f"Cust1={OLD},{OTHER}", OTHER, {"ContextIdentifier": "Cust2"}, (200, "accepted")),
        (f"Cust1={OLD}", f"Cust1={OLD}", {}, (401, None)),
        (f"Cust1={OLD},Cust2={OTHER}", OTHER, TEST, (200, "ignored")),
        (f"Cust1={OLD},Cust2={OTHER}", NEW, TEST, (401, None)),
        (f"Cust1={OLD},Cust2={OTHER}", OTHER, {**TEST, "WebhookName": "x" * 2**12}, (401, None)),
    ],
    ids=[
        "old secret",
        "new secret",
        "unknown secret",
        "old secret of the tenant",
        "new secret of the tenant",
        "secret of another tenant",
        "unknown tenant",
        "invalid tenant",
        "shared secret",
        "shared secret of another tenant",
        "setting as secret",
        "test event",
        "test event with an unknown secret",
        "large test event",
    ],
)
async def test_each_tenant_has_secrets_of_its_own(
    rest: RestSide, setting: str, secret: str, more: dict[str, Any], outcome: tuple[int, str | None]
) -> None:
    """Each tenant has its own secrets, two during a rotation; any of them may sign a test event."""
    body = json.dumps(event(**{"ContextIdentifier": "Cust1", **more})).encode()

    async with gateway_over(rest, webhook_secret=setting) as gateway:
        response = await gateway.http.post(PATH, content=body, headers=headers_of(body, secret))

    assert (response.status_code, response.json().get("status")) == outcome
