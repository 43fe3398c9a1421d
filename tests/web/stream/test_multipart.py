"""Subscriptions as Apollo's clients ask for them over HTTP: as parts of a multipart."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.schema.engine import Answer, Engine
from gateway.web import answer_stream
from tests.support import CREDENTIALS, SESSION, RestSide
from tests.web.stream.test_event_streams import CLOSED, IN_QUEUE, WATCH, gateway_over, streamed

pytestmark = pytest.mark.socket

# What Apollo Client's HttpLink, Apollo iOS and Apollo Kotlin send with a subscription.
APOLLO = (
    'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,'
    "application/graphql-response+json,application/json;q=0.9"
)


def parts(response: httpx.Response) -> Iterator[Any]:
    """Read one part after the other, as Apollo Client does: each up to the next boundary."""
    buffer = ""
    for text in response.iter_text():
        *messages, buffer = (buffer + text).split("\r\n--graphql")
        for message in messages:
            head, _, body = message.partition("\r\n\r\n")
            if body:
                assert head.strip() == "Content-Type: application/json"
                yield json.loads(body)
    assert buffer == "--\r\n"


@pytest.fixture
def url(rest: RestSide) -> Iterator[str]:
    """Return the address of a gateway."""
    with gateway_over(rest) as address:
        yield address


def test_each_answer_is_a_part(url: str, rest: RestSide) -> None:
    """In a payload; the next one comes when something has changed."""
    with streamed(url, accept=APOLLO) as response:
        answers = parts(response)
        first = next(answers)
        rest.body = [{**SESSION, "Status": "Closed"}]
        second = next(answers)

    media_type = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    assert response.headers["content-type"] == media_type
    assert "content-encoding" not in response.headers
    assert (first, second) == ({"payload": IN_QUEUE}, {"payload": CLOSED})


def test_a_heartbeat_is_an_empty_part(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody takes the connection for dead."""
    monkeypatch.setattr(answer_stream, "HEARTBEAT_S", 0.05)
    with streamed(url, accept=APOLLO) as response:
        assert {} in parts(response)


def test_an_end_is_marked(url: str, rest: RestSide) -> None:
    """After the reason, which is the last answer."""
    rest.answer = lambda request: httpx.Response(401)
    with streamed(url, accept=APOLLO) as response:
        (last,) = parts(response)

    assert last["payload"]["data"] == {"chatSessions": None}
    assert last["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_document_that_is_refused_is_an_error_of_the_transport(url: str) -> None:
    """Where the client takes nothing but parts; otherwise it is plain JSON."""
    only = "multipart/mixed;subscriptionSpec=1.0"
    with streamed(url, "subscription { nope }", accept=only) as response:
        (refusal,) = parts(response)
    with streamed(url, "subscription { nope }", accept=APOLLO) as response:
        response.read()

    assert refusal["payload"] is None
    assert refusal["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert response.headers["content-type"] == "application/graphql-response+json"


@pytest.mark.parametrize("accept", [APOLLO, APOLLO.replace("subscriptionSpec", "deferSpec")])
def test_a_query_is_answered_in_one_piece(url: str, accept: str) -> None:
    """These clients send multipart types with everything."""
    answer = httpx.post(
        url, json={"query": "{ __typename }"}, headers={**CREDENTIALS, "Accept": accept}
    )

    assert answer.json() == {"data": {"__typename": "Query"}}


def test_parts_for_something_else_are_not_meant(url: str) -> None:
    """`multipart/mixed` alone, or for `@defer`, is no way to answer a subscription."""
    headers = {**CREDENTIALS, "Accept": "multipart/mixed;deferSpec=20220824, application/json"}
    answer = httpx.post(url, json={"query": WATCH}, headers=headers)

    assert answer.status_code == 406


@pytest.mark.parametrize("accept", [APOLLO, "text/event-stream"])
def test_a_bug_ends_a_stream_with_a_masked_error(
    url: str, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """The client learns of it, and of nothing else."""

    async def broken(self: Engine, *args: Any) -> Any:
        yield Answer({"data": {}})
        raise LookupError("secret")

    monkeypatch.setattr(Engine, "stream", broken)
    with streamed(url, accept=accept) as response:
        text = response.read().decode()

    assert "INTERNAL_SERVER_ERROR" in text
    assert "secret" not in text
