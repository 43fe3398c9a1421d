"""Subscriptions of Apollo's clients over HTTP: parts of a multipart answer."""

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

# The Accept header of Apollo Client's HttpLink, Apollo iOS and Apollo Kotlin for a subscription.
APOLLO = (
    'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,'
    "application/graphql-response+json,application/json;q=0.9"
)


def parts(response: httpx.Response) -> Iterator[Any]:
    """Yield the parts as Apollo Client reads them, each up to the next boundary."""
    buffer = ""
    for text in response.iter_text():
        *messages, buffer = (buffer + text).split("\r\n--graphql")
        for message in messages:
            head, _, body = message.partition("\r\n\r\n")
            if body:
                assert head.strip() == "content-type: application/json"
                yield json.loads(body)
    assert buffer == "--\r\n"


@pytest.fixture
def url(rest: RestSide) -> Iterator[str]:
    """Return the URL of a gateway."""
    with gateway_over(rest) as address:
        yield address


def test_each_answer_is_a_part(url: str, rest: RestSide) -> None:
    """Each answer of a subscription is a part with a payload."""
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
    """A heartbeat is an empty part, which keeps the connection open."""
    monkeypatch.setattr(answer_stream, "HEARTBEAT_S", 0.05)
    with streamed(url, accept=APOLLO) as response:
        assert {} in parts(response)


def test_a_stream_ends_with_the_last_boundary(url: str, rest: RestSide) -> None:
    """A stream ends with its error in the last part, then the closing boundary."""
    rest.answer = lambda request: httpx.Response(401)
    with streamed(url, accept=APOLLO) as response:
        (last,) = parts(response)

    assert last["payload"]["data"] == {"chatSessions": None}
    assert last["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_a_refused_document_is_a_transport_error(url: str) -> None:
    """A refused document is a transport error in a part, or JSON if the client accepts it."""
    only = "multipart/mixed;subscriptionSpec=1.0"
    with streamed(url, "subscription { nope }", accept=only) as response:
        (part,) = parts(response)
    with streamed(url, "subscription { nope }", accept=APOLLO) as response:
        response.read()

    assert part["payload"] is None
    assert part["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert response.headers["content-type"] == "application/graphql-response+json"


@pytest.mark.parametrize(
    "accept",
    [APOLLO, APOLLO.replace("subscriptionSpec", "deferSpec")],
    ids=["subscriptionSpec", "deferSpec"],
)
def test_a_query_is_answered_with_json(url: str, accept: str) -> None:
    """A query is answered with JSON, although these clients always accept multipart."""
    answer = httpx.post(
        url, json={"query": "{ __typename }"}, headers={**CREDENTIALS, "Accept": accept}
    )

    assert answer.json() == {"data": {"__typename": "Query"}}


def test_other_multipart_types_get_406(url: str) -> None:
    """A subscription whose client accepts other multipart types only gets 406."""
    headers = {**CREDENTIALS, "Accept": "multipart/mixed;deferSpec=20220824, application/json"}
    answer = httpx.post(url, json={"query": WATCH}, headers=headers)

    assert answer.status_code == 406


@pytest.mark.parametrize("accept", [APOLLO, "text/event-stream"], ids=["multipart", "events"])
def test_a_bug_ends_a_stream_with_a_masked_error(
    url: str, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    """The text of an exception may hold customers' data."""

    async def broken(self: Engine, *args: Any) -> Any:
        yield Answer({"data": {}})
        raise LookupError("secret")

    monkeypatch.setattr(Engine, "stream", broken)
    with streamed(url, accept=accept) as response:
        text = response.read().decode()

    assert "INTERNAL_SERVER_ERROR" in text
    assert "secret" not in text
