"""The summary, compared with simple counts over the REST answer."""

import statistics
from collections import Counter
from typing import Any

import pytest

from gateway.schema.entities.summary import GROUPS
from tests.demo.asking import KARI, NOON, sessions_of
from tests.schema.selecting.desk import OSLO, Desk, Json
from tests.support import RestSide, gateway_over

SUMMARY = """query ($filter: ChatSessionFilter, $me: Int = 0) {
  chatSessionSummary(filter: $filter) {
    fetchedAt total unassigned transfersPending transfersPendingTo(associateId: $me) withBot
    longestWaitSeconds medianWaitSeconds rated averageRating customersAway(seconds: 30)
    byStatus { status count } byStatusGroup { statusGroup count }
    byTopic {
      topicId count waiting live unanswered longestWaitSeconds longestWaiting { chatSessionId }
    }
    byAgent { agent { associateId } count live unanswered }
    longestWaiting { chatSessionId } oldestUnanswered { chatSessionId }
  }
}"""
STATUS = {
    "InQueue": ("IN_QUEUE", "WAITING"),
    "CustomerLast": ("CUSTOMER_LAST", "LIVE"),
    "UserLast": ("USER_LAST", "LIVE"),
    "Finished": ("FINISHED", "OVER"),
    "Closed": ("CLOSED", "OVER"),
    "ClosedFromQueue": ("CLOSED_FROM_QUEUE", "OVER"),
}


async def summary(desk: Desk, **variables: Any) -> Any:
    """Return the summary of a desk."""
    return (await desk.ask(SUMMARY, variables))["chatSessionSummary"]


async def demo_sessions(now: float = NOON) -> list[Json]:
    """Return sessions of the demo, with times in Oslo's zone and no offsets."""
    return await sessions_of(KARI, now=now, sessions=60)


def desk_of(sessions: list[Json], now: float = NOON) -> Desk:
    """Return a desk with these sessions at that time."""
    return Desk(sessions, zone=OSLO, fetched_ns=int(now) * 1_000_000_000)


def counts(rows: list[Json], *keys: str) -> dict[Any, int]:
    """Return the counts of rows by the values of some keys."""
    return {tuple(row[key] for key in keys): row["count"] for row in rows}


def agent_of(session: Json, link: str = "User") -> Any:
    """Return the id of a session's agent, or None."""
    return (session[link] or {}).get("AssociateId") or None


@pytest.mark.parametrize("now", [NOON, NOON + 97, NOON + 1234])
async def test_the_demos_sessions_are_counted(now: float) -> None:
    """Every number equals a count over the REST answer."""
    sessions = await demo_sessions(now)
    waiting = [s for s in sessions if s["Status"] == "InQueue"]
    agents = [agent for s in sessions if (agent := agent_of(s))]
    topics = Counter(s["TopicId"] for s in sessions)

    result = await summary(desk_of(sessions, now))

    assert result["total"] == len(sessions) == 60
    assert counts(result["byStatus"], "status") == Counter(
        (STATUS[s["Status"]][0],) for s in sessions
    )
    assert counts(result["byStatusGroup"], "statusGroup") == Counter(
        (STATUS[s["Status"]][1],) for s in sessions
    )
    assert {(row["topicId"], row["count"], row["waiting"]) for row in result["byTopic"]} == {
        (topic, count, sum(s["TopicId"] == topic for s in waiting))
        for topic, count in topics.items()
    }
    assert {(r["agent"]["associateId"], r["count"], r["live"]) for r in result["byAgent"]} == {
        (
            agent,
            count,
            sum(agent_of(s) == agent and STATUS[s["Status"]][1] == "LIVE" for s in sessions),
        )
        for agent, count in Counter(agents).items()
    }
    assert result["unassigned"] == len(sessions) - len(agents)
    assert result["transfersPending"] == sum(s["TransferTo"] is not None for s in sessions)
    assert result["withBot"] == sum(s["ChatbotIsActive"] for s in sessions)


@pytest.mark.parametrize("now", [NOON, NOON + 97, NOON + 1234])
async def test_waits_are_those_of_the_queue(now: float) -> None:
    """Longest and median wait, and the longest waiting session, are those of the queue."""
    sessions = await demo_sessions(now)
    waiting = [s for s in sessions if s["Status"] == "InQueue"]
    unanswered = [s for s in sessions if s["Status"] == "CustomerLast"]
    first, oldest = (
        min(group, key=lambda s: (s[time], s["ChatSessionId"]))["ChatSessionId"]
        for group, time in ((waiting, "WhenRequested"), (unanswered, "WhenIdle"))
    )
    desk = desk_of(sessions, now)

    result = await summary(desk)
    waits = await desk.ask(
        "{ chatSessions(filter: {status: {in: [IN_QUEUE]}}) { chatSessionId waitSeconds } }"
    )

    seconds = [session["waitSeconds"] for session in waits["chatSessions"]]
    assert result["longestWaitSeconds"] == max(seconds)
    assert result["medianWaitSeconds"] == statistics.median(seconds)
    assert result["longestWaiting"] == {"chatSessionId": first}
    assert result["oldestUnanswered"] == {"chatSessionId": oldest}


@pytest.mark.parametrize("now", [NOON, NOON + 97, NOON + 1234])
async def test_channels_and_agents_have_numbers_of_their_own(now: float) -> None:
    """Each row equals the summary of that channel or agent alone."""
    sessions = await demo_sessions(now)
    result = await summary(desk_of(sessions, now))

    for row in result["byTopic"]:
        here = [s for s in sessions if s["TopicId"] == row["topicId"]]
        alone = await summary(desk_of(here, now))
        assert row["longestWaitSeconds"] == alone["longestWaitSeconds"]
        assert row["longestWaiting"] == alone["longestWaiting"]
        assert row["live"] == counts(alone["byStatusGroup"], "statusGroup").get(("LIVE",), 0)
        assert row["unanswered"] == sum(s["Status"] == "CustomerLast" for s in here)
    for row in result["byAgent"]:
        theirs = [s for s in sessions if agent_of(s) == row["agent"]["associateId"]]
        assert row["unanswered"] == sum(s["Status"] == "CustomerLast" for s in theirs)


async def test_only_given_ratings_are_averaged() -> None:
    """Zero and malformed values are no ratings."""
    result = await summary(Desk([{"Rating": rating} for rating in (0, 5, 4, None, "x", 0, 2)]))

    assert (result["rated"], result["averageRating"]) == (3, pytest.approx(11 / 3))


async def test_customers_away_are_counted_from_a_threshold_on() -> None:
    """The threshold is inclusive, and only open sessions count."""
    desk = Desk(
        [
            {"ChatSessionId": 1, "Status": status, "WhenFetched": f"2026-11-23T11:59:{second}Z"}
            for status, second in (
                ("InQueue", 30),
                ("UserLast", 31),
                ("UserLast", 10),
                ("Closed", 10),
            )
        ]
    )

    assert (await summary(desk))["customersAway"] == 2


async def test_each_agents_pending_transfers_are_counted() -> None:
    """Transfers of a whole minute are compared, so that there are some."""
    pending = 0
    for now in range(NOON, NOON + 60, 20):
        sessions = await demo_sessions(now)
        by_agent = Counter(a for s in sessions if (a := agent_of(s, "TransferTo")))
        for agent, count in by_agent.items():
            result = await summary(desk_of(sessions, now), me=agent)

            assert result["transfersPendingTo"] == count
        pending += sum(by_agent.values())

    assert pending > 0


async def test_unknown_agents_have_no_pending_transfers() -> None:
    """An unknown associate and 0 have none, and a malformed transfer does not count."""
    desk = Desk([{"TransferTo": None}, {"TransferTo": {}}, {"TransferTo": {"AssociateId": "x"}}])

    assert (await summary(desk, me=0))["transfersPendingTo"] == 0
    assert (await summary(desk, me=77))["transfersPendingTo"] == 0


async def test_the_summary_of_a_filter() -> None:
    """All numbers are those of the matching sessions."""
    sessions = await demo_sessions()
    topic = next(s["TopicId"] for s in sessions if s["Status"] == "InQueue")
    here = [s for s in sessions if s["TopicId"] == topic and s["Status"] == "InQueue"]
    condition = {"topicId": {"in": [topic]}, "statusGroup": {"in": ["WAITING"]}}

    result = await summary(desk_of(sessions), filter=condition)

    assert result["total"] == len(here)
    (row,) = result["byTopic"]
    assert (row["topicId"], row["count"], row["waiting"]) == (topic, len(here), len(here))
    assert result["byStatus"] == [{"status": "IN_QUEUE", "count": len(here)}]
    assert result["oldestUnanswered"] is None


async def test_the_summary_of_no_sessions_is_all_zeros() -> None:
    """Lists are empty, and times and sessions are null."""
    result = await summary(Desk([]))

    assert result == {
        "fetchedAt": "2026-11-23T12:00:00.000Z",
        **dict.fromkeys(
            [
                *("total", "unassigned", "transfersPending", "transfersPendingTo", "withBot"),
                *("rated", "customersAway"),
            ],
            0,
        ),
        **{name: [] for name in ["byStatus", "byStatusGroup", "byTopic", "byAgent"]},
        **dict.fromkeys(
            [
                *("longestWaitSeconds", "medianWaitSeconds", "averageRating"),
                *("longestWaiting", "oldestUnanswered"),
            ]
        ),
    }


async def test_lists_are_sorted_by_descending_count() -> None:
    """A wallboard shows the busiest on top."""
    desk = Desk(
        [{"TopicId": topic, "User": {"AssociateId": topic}} for topic in (1, 2, 2, 3, 3, 3)]
    )

    result = await summary(desk)

    assert [row["topicId"] for row in result["byTopic"]] == [3, 2, 1]
    assert [row["agent"]["associateId"] for row in result["byAgent"]] == [3, 2, 1]


async def test_rows_of_equal_count_have_a_fixed_order() -> None:
    """Such rows are sorted by value, whatever the REST API's order is; null comes last."""
    sessions: list[Json] = [
        {
            "ChatSessionId": 1,
            "TopicId": 10,
            "Status": "InQueue",
            "User": {"AssociateId": 10},
        },
        {"TopicId": 9, "Status": "Closed", "User": {"AssociateId": 9}},
        {"User": {"AssociateId": 101}},
        {"TopicId": 11, "Status": "UserLast", "User": {"AssociateId": 0, "Name": "EXT"}},
    ]

    result, reversed_result = [await summary(Desk(order)) for order in (sessions, sessions[::-1])]

    assert result == reversed_result
    assert [row["topicId"] for row in result["byTopic"]] == [9, 10, 11, None]
    assert [row["agent"]["associateId"] for row in result["byAgent"]] == [0, 9, 10, 101]
    assert [row["status"] for row in result["byStatus"]] == [
        "CLOSED",
        "IN_QUEUE",
        "USER_LAST",
        None,
    ]
    groups = [row["statusGroup"] for row in result["byStatusGroup"]]
    assert groups == ["LIVE", "OVER", "WAITING", None]


async def test_missing_values_are_counted_as_null() -> None:
    """Missing, null and malformed values share one row; an unknown status has another."""
    desk = Desk(
        [
            {},
            {"Status": None, "TopicId": None},
            {"Status": True, "TopicId": "x"},
            {"Status": "Revived", "TopicId": 4},
            {"Status": "Invalid", "TopicId": 4},
        ]
    )

    result = await summary(desk)

    assert counts(result["byStatus"], "status") == {
        (None,): 3,
        ("UNRECOGNIZED",): 1,
        ("INVALID",): 1,
    }
    assert result["byStatusGroup"] == [{"statusGroup": None, "count": 5}]
    assert counts(result["byTopic"], "topicId") == {(None,): 3, (4,): 2}


async def test_a_blank_agent_is_no_agent() -> None:
    """Each session has an agent or is unassigned, and each row has an agent."""
    blank = {"AssociateId": 0, "Name": ""}
    desk = Desk([{"User": user} for user in (None, {}, blank, "odd", {"AssociateId": 7})])

    result = await summary(desk)

    assert result["unassigned"] == 4
    (row,) = result["byAgent"]
    assert (row["agent"]["associateId"], row["count"], row["live"]) == (7, 1, 0)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{ chatSessionSummary { total unassigned } }", []),
        (
            "{ chatSessionSummary { ...Topics } } "
            "fragment Topics on ChatSessionSummary { ... { byTopic { count } } }",
            ["by_topic"],
        ),
        (
            "{ chatSessionSummary { a: byAgent { count } b: byAgent { live } } "
            "c: chatSessionSummary { byAgent { count } } }",
            ["by_agent"],
        ),
    ],
)
async def test_long_lists_are_built_once_and_only_if_selected(
    query: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There can be as many agents as sessions, for each of many filters."""
    calls = []

    for name, make in GROUPS.items():

        async def counted(*arguments: Any, name: str = name, make: Any = make) -> Any:
            calls.append(name)
            return await make(*arguments)

        monkeypatch.setitem(GROUPS, name, counted)

    await Desk([{"User": {"AssociateId": 7}}]).ask(query)

    assert calls == names


async def test_agents_without_a_key_are_counted_by_content() -> None:
    """SuperOffice should not send such agents."""
    named = [{"AssociateId": 0, "Name": name} for name in ("EXT", "BOT", "EXT")]

    result = await summary(Desk([{"User": user} for user in named]))

    assert [row["count"] for row in result["byAgent"]] == [2, 1]


async def test_waits_without_a_zone_are_null() -> None:
    """The first session in the queue is still known, but not its wait."""
    minutes = {1: 30, 2: 10, 3: 20}
    desk = Desk(
        [
            {"ChatSessionId": n, "Status": "InQueue", "WhenRequested": f"2026-11-23T11:{m}:00"}
            for n, m in minutes.items()
        ]
    )

    result = await summary(desk)

    assert (result["longestWaitSeconds"], result["medianWaitSeconds"]) == (None, None)
    assert result["longestWaiting"] == {"chatSessionId": 2}


async def test_the_median_of_an_even_number_of_waits() -> None:
    """The median is the mean of the two middle waits."""
    desk = Desk(
        [
            {
                "ChatSessionId": 1,
                "Status": "InQueue",
                "WhenRequested": f"2026-11-23T11:59:{second}Z",
            }
            for second in (10, 20, 41, 50)
        ]
    )

    result = await summary(desk)

    assert (result["longestWaitSeconds"], result["medianWaitSeconds"]) == (50, 29.5)


async def test_a_session_without_a_time_of_request_does_not_wait_longest() -> None:
    """Unknown times come last."""
    desk = Desk(
        [
            {"ChatSessionId": 1, "Status": "InQueue"},
            {"ChatSessionId": 2, "Status": "InQueue", "WhenRequested": "2026-11-23T11:00:00Z"},
        ]
    )

    assert (await summary(desk))["longestWaiting"] == {"chatSessionId": 2}


async def test_summaries_share_one_rest_call(rest: RestSide) -> None:
    """Summaries with and without filters within the TTL need one call."""
    async with gateway_over(rest) as gateway:
        await gateway.ask(SUMMARY)
        await gateway.ask(SUMMARY, {"filter": {"search": "ada"}})
        await gateway.ask(SUMMARY, {"filter": {"statusGroup": {"in": []}}})

    assert rest.calls == 1
