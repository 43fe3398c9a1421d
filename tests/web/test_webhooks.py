"""SuperOffice's webhooks: who may send them, which of them count, and what they do."""

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
from gateway.store.shared import SharedCache
from gateway.web import webhooks
from gateway.web.webhooks import Webhooks
from tests.observe.logged import logged
from tests.store.fakes import Clock
from tests.store.remote import Remote
from tests.support import Gateway, RestSide, gateway_over
from tests.web.asking import behind_the_door

SECRET = "only SuperOffice and we know it"
PATH = "/webhooks/superoffice"
QUERY = "{ chatSessions { chatSessionId } }"


def ago(seconds: float = 0) -> datetime:
    """Return a time in the past, or in the future."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def event(**more: Any) -> dict[str, Any]:
    """Return what SuperOffice sends of a chat that has just begun."""
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


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Return the headers that a body is sent with."""
    signature = hmac.digest(secret.encode(), body, "sha256")
    return {
        "Content-Type": "application/json",
        "X-SuperOffice-Signature": base64.b64encode(signature).decode(),
    }


async def send(gateway: Gateway, body: Mapping[str, Any] | bytes) -> Any:
    """Send a webhook as SuperOffice does; return its status, and what is said about it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await gateway.http.post(PATH, content=raw, headers=signed(raw))
    return response.status_code, response.json()["status"]


@pytest.fixture
async def gateway(rest: RestSide) -> AsyncIterator[Gateway]:
    """Return a gateway that takes webhooks, and has the sessions in its cache."""
    async with gateway_over(rest, webhook_secret=SECRET, cache_ttl=600) as running:
        await running.ask(QUERY)
        yield running


@pytest.mark.parametrize(
    "name", ["chatsession.created", "chatsession.changed", "chatsession.message"]
)
async def test_after_a_webhook_rest_is_asked_again(
    gateway: Gateway, rest: RestSide, name: str
) -> None:
    """What is in the cache is out of date, however fresh it was."""
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
)
async def test_what_is_no_news_is_taken_and_ignored(
    gateway: Gateway, rest: RestSide, body: Mapping[str, Any] | bytes
) -> None:
    """Any other status would make SuperOffice switch the webhook off in the end."""
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
)
async def test_a_webhook_counts_unless_it_is_known_to_be_old(
    gateway: Gateway, more: dict[str, Any]
) -> None:
    """Forms differ."""
    assert await send(gateway, event(**more)) == (200, "accepted")


@pytest.mark.parametrize("seconds", [590, -1800])
async def test_clocks_may_differ(gateway: Gateway, seconds: float) -> None:
    """As long as it is not by much, or the other way round."""
    sent = ago(seconds).isoformat()
    assert await send(gateway, event(Timestamp=sent)) == (200, "accepted")


async def test_a_webhook_counts_once(gateway: Gateway) -> None:
    """Whoever has caught one cannot make the gateway call REST with it."""
    assert await send(gateway, event()) == (200, "accepted")
    assert await send(gateway, event()) == (200, "ignored")
    assert await send(gateway, event(EventId="another")) == (200, "accepted")


async def test_a_byte_order_mark_is_skipped(gateway: Gateway) -> None:
    """.NET writes one by itself."""
    body = b"\xef\xbb\xbf" + json.dumps(event()).encode()
    assert await send(gateway, body) == (200, "accepted")


async def test_so_many_webhooks_are_remembered(
    rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest is forgotten first, so memory has its bound."""
    monkeypatch.setattr(webhooks, "_MOST_EVENT_IDS", 2)
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
        signed(b"{}", "another secret of some length"),
        signed(b"{ }"),
    ],
)
async def test_a_webhook_that_is_not_signed_is_refused(
    gateway: Gateway, rest: RestSide, headers: dict[str, str]
) -> None:
    """It does nothing, and gets no hint."""
    response = await gateway.http.post(PATH, content=b"{}", headers=headers)
    await gateway.ask(QUERY)

    assert response.status_code == 401
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert rest.calls == 1


async def test_the_log_holds_neither_secrets_nor_bodies(rest: RestSide) -> None:
    """Whether a webhook was taken or not."""
    body = json.dumps(event(FieldValues={"customerName": "hunter2"})).encode()
    with logged("debug") as log:
        async with gateway_over(rest, webhook_secret=SECRET) as gateway:
            await gateway.http.post(PATH, content=body, headers=signed(body))
            await gateway.http.post(PATH, content=body, headers=signed(body, "x" * 16))

    assert "its signature does not match" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert "hunter2" not in log.getvalue()
    assert signed(body)["X-SuperOffice-Signature"] not in log.getvalue()


async def test_a_body_larger_than_any_webhook_is_not_read(gateway: Gateway) -> None:
    """Not to its end, and it is not signed then."""
    response = await gateway.http.post(PATH, content=b"x" * 2**17, headers=signed(b"x" * 2**17))

    assert response.status_code == 413


async def test_a_webhook_is_a_post(gateway: Gateway) -> None:
    """Nothing else is."""
    response = await gateway.http.get(PATH)

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_without_a_secret_there_are_no_webhooks(rest: RestSide) -> None:
    """As nobody could tell who sends them."""
    async with gateway_over(rest) as gateway:
        response = await gateway.http.post(PATH, content=b"{}", headers=signed(b"{}", ""))

    assert response.status_code == 404


async def test_a_webhook_that_could_not_be_handled_counts_when_it_comes_again() -> None:
    """SuperOffice sends it once more a second later."""
    outcomes = [ConnectionError("the others cannot be told"), None]

    async def tell(news: News) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    receive = Webhooks({None: [SECRET.encode()]}, tell, concerns=bool).receive
    app = behind_the_door(Route(PATH, receive, methods=["POST"]))
    body = json.dumps(event()).encode()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http:
        first = await http.post(PATH, content=body, headers=signed(body))
        second = await http.post(PATH, content=body, headers=signed(body))

    assert (first.status_code, second.status_code) == (500, 200)
    assert second.json() == {"status": "accepted"}


async def test_what_one_process_knows_another_ignores() -> None:
    """A replay costs nobody a REST call; without an id nothing can be told apart."""
    told: list[News] = []

    async def tell(news: News) -> None:
        told.append(news)

    remote, results = Remote(Clock()), []
    for body in [event(), event(), event(EventId=None), event(EventId=None)]:
        shared = SharedCache(remote, max_bytes=1_000, answer_s=1, turn_s=1, clock=remote.clock)
        receive = Webhooks({None: [SECRET.encode()]}, tell, concerns=bool, shared=shared).receive
        app = behind_the_door(Route(PATH, receive, methods=["POST"]))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway.invalid"
        ) as http:
            results.append(await send(Gateway(http, app), body))

    assert [result for _, result in results] == ["accepted", "ignored", "accepted", "accepted"]
    assert len(told) == 3
    assert event()["EventId"] not in repr(remote.kept)


@pytest.mark.parametrize(("level", "statuses"), [("info", [401]), ("debug", [200, 200, 401])])
async def test_webhooks_that_are_taken_are_told_to_those_who_debug(
    rest: RestSide, level: str, statuses: list[int]
) -> None:
    """They come all the time, and the metrics count them; one that is refused is always told."""
    async with gateway_over(rest, webhook_secret=SECRET) as gateway:
        with logged(level) as log:
            await send(gateway, event())
            await send(gateway, event(Event="contact.created"))
            await gateway.http.post(PATH, content=b"{}")

    told = [told for told in log.events if told["event"] == "request"]
    assert [request["status"] for request in told] == statuses
    assert [told["level"] for told in log.events if told["event"] != "request"] == ["warning"]


async def test_webhooks_are_counted_by_what_was_done_with_them(gateway: Gateway) -> None:
    """So that somebody sees when they no longer come."""
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


async def test_a_webhook_is_for_its_tenant() -> None:
    """What is kept of another's chats is as fresh as before."""
    told = []

    async def tell(news: News) -> None:
        told.append(news.tenant)

    receive = Webhooks({None: [SECRET.encode()]}, tell, concerns=bool).receive
    app = behind_the_door(Route(PATH, receive, methods=["POST"]))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.invalid") as http:
        for number in range(2):
            body = json.dumps(event(EventId=None, ContextIdentifier=f"Cust{number}")).encode()
            await http.post(PATH, content=body, headers=signed(body))

    assert told == ["Cust0", "Cust1"]


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
)
async def test_each_tenant_has_secrets_of_its_own(
    rest: RestSide, setting: str, secret: str, more: dict[str, Any], outcome: tuple[int, str | None]
) -> None:
    """Two while one is replaced; a test, which names no tenant, is signed with any of them."""
    body = json.dumps(event(**{"ContextIdentifier": "Cust1", **more})).encode()

    async with gateway_over(rest, webhook_secret=setting) as gateway:
        response = await gateway.http.post(PATH, content=body, headers=signed(body, secret))

    assert (response.status_code, response.json().get("status")) == outcome
