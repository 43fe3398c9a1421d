"""`and`, `or` and `not`: their meaning, their depth, and their cost."""

from typing import Any

import pytest

from tests.schema.selecting.desk import Desk
from tests.support import Gateway, RestSide

TOPICS = [{"ChatSessionId": n, "TopicId": n} for n in (1, 2, 3)]
QUERY = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { chatSessionId } }"
ONE, TWO = ({"topicId": {"in": [n]}} for n in (1, 2))
ALL = [1, 2, 3]
RANGES = ["alertLevel", "waitSeconds", "idleSeconds", "customerAwaySeconds", "rating"]
WAYS = ["and", "or", "not"]


async def ids_matching(condition: Any) -> list[int]:
    """Return the keys of the sessions that match a filter."""
    data = await Desk(TOPICS).ask(QUERY, {"f": condition})
    return [session["chatSessionId"] for session in data["chatSessions"]]


def nested(way: str, depth: int) -> dict[str, Any]:
    """Return a filter at this depth."""
    condition: dict[str, Any] = {}
    for _ in range(depth):
        condition = {way: condition if way == "not" else [condition]}
    return condition


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (None, ALL),
        ({}, ALL),
        ({"or": [ONE, TWO]}, [1, 2]),
        ({"or": [ONE]}, [1]),
        ({"or": [{}]}, ALL),
        ({"or": []}, []),
        ({"or": None}, ALL),
        ({"and": [ONE, TWO]}, []),
        ({"and": [ONE, {}]}, [1]),
        ({"and": []}, ALL),
        ({"and": None}, ALL),
        ({"not": ONE}, [2, 3]),
        ({"not": {}}, []),
        ({"not": None}, ALL),
        ({"not": {"or": []}}, ALL),
        ({"not": {"not": ONE}}, [1]),
        ({"not": {"or": [ONE, TWO]}}, [3]),
        ({"and": [{"not": ONE}, {"not": TWO}]}, [3]),
        ({"or": [ONE, TWO], "not": ONE}, [2]),
        ({"or": [ONE, TWO], **TWO}, [2]),
        ({"or": ONE}, [1]),  # GraphQL coerces a value to a list of one
    ],
    ids=str,
)
async def test_filters_combine(condition: Any, ids: list[int]) -> None:
    """Every given part holds; null means that a part is not given."""
    assert await ids_matching(condition) == ids


@pytest.mark.parametrize(
    "part",
    [
        "status",
        "statusGroup",
        "chatSessionId",
        "topicId",
        "userId",
        "personId",
        "contactId",
        "projectId",
        "saleId",
        "ticketId",
        "assigned",
        "transferPending",
        "chatbotIsActive",
        "customerConsented",
        *RANGES,
        "whenRequested",
        "whenStarted",
        "whenEnded",
        "whenIdle",
        "search",
    ],
)
async def test_a_null_part_is_ignored(part: str) -> None:
    """Clients send null for parts that their user has not chosen."""
    assert await ids_matching({part: None}) == ALL


@pytest.mark.parametrize("part", ["status", "statusGroup", "topicId", "userId", "ticketId"])
async def test_a_null_list_is_ignored(part: str) -> None:
    """Neither `in: null` nor `notIn: null` restricts the sessions."""
    assert await ids_matching({part: {"in": None, "notIn": None}}) == ALL


@pytest.mark.parametrize("part", [*RANGES, "whenRequested"])
async def test_a_range_without_ends_still_requires_a_value(part: str) -> None:
    """A session without the value does not match."""
    ends = {"min": None, "max": None} if part in RANGES else {"from": None, "to": None}

    assert await ids_matching({part: ends}) == []


@pytest.mark.parametrize("way", WAYS)
async def test_ten_levels_are_not_too_deep(way: str) -> None:
    """Ten negations cancel each other, and lists of one are the same as their element."""
    assert await ids_matching(nested(way, 10)) == ALL


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("depth", [11, 50])
async def test_more_levels_are_refused(way: str, depth: int) -> None:
    """Deeper filters are a mistake, or an attack on the stack."""
    error = await Desk(TOPICS).refusal(QUERY, {"f": nested(way, depth)})

    assert error == "The filter is nested deeper than 10 levels."


@pytest.mark.parametrize("depth", [300, 5000])
async def test_no_depth_breaks_the_gateway(gateway: Gateway, depth: int) -> None:
    """Far beyond Python's recursion limit the client still gets an error of its own."""
    condition = '{"not":' * depth + "{}" + "}" * depth
    text = f'{{"query":"{QUERY}","variables":{{"f":{condition}}}}}'

    answer = await gateway.http.post(
        "/graphql",
        content=text,
        headers={"Content-Type": "application/json", "Authorization": "Basic ZGVtbzpkZW1v"},
    )

    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] in {"BAD_USER_INPUT", "BAD_REQUEST"}


async def test_selections_share_one_rest_call(gateway: Gateway, rest: RestSide) -> None:
    """Any number of selections in any number of queries needs one REST call per TTL."""
    query = """{
      a: chatSessions(filter: {topicId: {in: [4]}}, orderBy: [{status: DESC}], limit: 1) { id }
      b: chatSessions(filter: {search: "ada"}, offset: 1) { id }
      c: chatSessionConnection(first: 1, orderBy: {rank: ASC}) { totalCount edges { cursor } }
      d: chatSessionSummary(filter: {statusGroup: {in: [WAITING]}}) { total }
      e: chatSession(chatSessionId: 1) { id waitSeconds }
      f: node(id: "Q2hhdFNlc3Npb246MQ==") { id }
      g: nodes(ids: ["Q2hhdFNlc3Npb246MQ==", "x"]) { id }
    }"""

    first = await gateway.ask(query)
    second = await gateway.ask(query)

    assert rest.calls == 1
    assert first == second
    assert first["f"] == first["a"][0] == {"id": "Q2hhdFNlc3Npb246MQ=="}
