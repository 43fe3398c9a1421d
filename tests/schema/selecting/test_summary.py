"""The summary against plain counting in REST's answer."""

import statistics
from collections import Counter
from typing import Any

import pytest

from gateway.schema.entities import summary as entity
from gateway.schema.entities.chat_computed import StatusGroup
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
    """Return the sessions of a lively desk; its times are in Oslo's zone and do not say so."""
    return await sessions_of(KARI, now=now, sessions=60)


def desk_of(sessions: list[Json], now: float = NOON) -> Desk:
    """Return a desk with these sessions at that time."""
    return Desk(sessions, zone=OSLO, fetched_ns=int(now) * 1_000_000_000)


def counts(rows: list[Json], *keys: str) -> dict[Any, int]:
    """Return what is counted as a map from the values of some keys to the count."""
    return {tuple(row[key] for key in keys): row["count"] for row in rows}


def agent_of(session: Json, link: str = "User") -> Any:
    """Return the id of an agent of a session, or None."""
    return (session[link] or {}).get("AssociateId") or None


@pytest.mark.parametrize("now", [NOON, NOON + 97, NOON + 1234])
async def test_a_lively_desk_is_counted(now: float) -> None:
    """Every number is what one finds by counting in REST's answer."""
    sessions = await demo_sessions(now)
    waiting = [s for s in sessions if s["Status"] == "InQueue"]
    agents = [agent for s in sessions if (agent := agent_of(s))]
    topics = Counter(s["TopicId"] for s in sessions)

    found = await summary(desk_of(sessions, now))

    assert found["total"] == len(sessions) == 60
    assert counts(found["byStatus"], "status") == Counter(
        (STATUS[s["Status"]][0],) for s in sessions
    )
    assert counts(found["byStatusGroup"], "statusGroup") == Counter(
        (STATUS[s["Status"]][1],) for s in sessions
    )
    assert {(row["topicId"], row["count"], row["waiting"]) for row in found["byTopic"]} == {
        (topic, count, sum(s["TopicId"] == topic for s in waiting))
        for topic, count in topics.items()
    }
    assert {(r["agent"]["associateId"], r["count"], r["live"]) for r in found["byAgent"]} == {
        (
            agent,
            count,
            sum(agent_of(s) == agent and STATUS[s["Status"]][1] == "LIVE" for s in sessions),
        )
        for agent, count in Counter(agents).items()
    }
    assert found["unassigned"] == len(sessions) - len(agents)
    assert found["transfersPending"] == sum(s["TransferTo"] is not None for s in sessions)
    assert found["withBot"] == sum(s["ChatbotIsActive"] for s in sessions)


@pytest.mark.parametrize("now", [NOON, NOON + 97, NOON + 1234])
async def test_waits_are_those_of_the_queue(now: float) -> None:
    """Longest, median, and who it is that waits."""
    sessions = await demo_sessions(now)
    waiting = [s for s in sessions if s["Status"] == "InQueue"]
    unanswered = [s for s in sessions if s["Status"] == "CustomerLast"]
    first, oldest = (
        min(group, key=lambda s: (s[time], s["ChatSessionId"]))["ChatSessionId"]
        for group, time in ((waiting, "WhenRequested"), (unanswered, "WhenIdle"))
    )
    desk = desk_of(sessions, now)

    found = await summary(desk)
    waits = await desk.ask(
        "{ chatSessions(filter: {status: {in: [IN_QUEUE]}}) { chatSessionId waitSeconds } }"
    )

    seconds = [session["waitSeconds"] for session in waits["chatSessions"]]
    assert found["longestWaitSeconds"] == max(seconds)
    assert found["medianWaitSeconds"] == statistics.median(seconds)
    assert found["longestWaiting"] == {"chatSessionId": first}
    assert found["oldestUnanswered"] == {"chatSessionId": oldest}


@pytest.mark.parametrize("now", [NOON, NOON + 97, NOON + 1234])
async def test_channels_and_agents_have_numbers_of_their_own(now: float) -> None:
    """Each row is what the summary of that channel, or of that agent, alone would say."""
    sessions = await demo_sessions(now)
    found = await summary(desk_of(sessions, now))

    for row in found["byTopic"]:
        here = [s for s in sessions if s["TopicId"] == row["topicId"]]
        alone = await summary(desk_of(here, now))
        assert row["longestWaitSeconds"] == alone["longestWaitSeconds"]
        assert row["longestWaiting"] == alone["longestWaiting"]
        assert row["live"] == counts(alone["byStatusGroup"], "statusGroup").get(("LIVE",), 0)
        assert row["unanswered"] == sum(s["Status"] == "CustomerLast" for s in here)
    for row in found["byAgent"]:
        theirs = [s for s in sessions if agent_of(s) == row["agent"]["associateId"]]
        assert row["unanswered"] == sum(s["Status"] == "CustomerLast" for s in theirs)


async def test_ratings_are_averaged_over_those_that_have_one() -> None:
    """Zero is no rating, and so is what is malformed."""
    found = await summary(Desk([{"Rating": rating} for rating in (0, 5, 4, None, "x", 0, 2)]))

    assert (found["rated"], found["averageRating"]) == (3, pytest.approx(11 / 3))


async def test_customers_away_are_counted_from_a_threshold_on() -> None:
    """Inclusive, and only while the session is open."""
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
    """They add up to all of them, over a minute in which there are some."""
    pending = 0
    for now in range(NOON, NOON + 60, 20):
        sessions = await demo_sessions(now)
        by_agent = Counter(a for s in sessions if (a := agent_of(s, "TransferTo")))
        for agent, count in by_agent.items():
            found = await summary(desk_of(sessions, now), me=agent)

            assert found["transfersPendingTo"] == count
        pending += sum(by_agent.values())

    assert pending > 0


async def test_nobody_is_handed_what_nobody_is_handed() -> None:
    """An unknown associate, and 0, have no transfers; nor does a malformed one count."""
    desk = Desk([{"TransferTo": None}, {"TransferTo": {}}, {"TransferTo": {"AssociateId": "x"}}])

    assert (await summary(desk, me=0))["transfersPendingTo"] == 0
    assert (await summary(desk, me=77))["transfersPendingTo"] == 0


async def test_a_filter_leaves_some_out() -> None:
    """The numbers are those of the sessions that match."""
    sessions = await demo_sessions()
    topic = next(s["TopicId"] for s in sessions if s["Status"] == "InQueue")
    here = [s for s in sessions if s["TopicId"] == topic and s["Status"] == "InQueue"]
    wanted = {"topicId": {"in": [topic]}, "statusGroup": {"in": ["WAITING"]}}

    found = await summary(desk_of(sessions), filter=wanted)

    assert found["total"] == len(here)
    (row,) = found["byTopic"]
    assert (row["topicId"], row["count"], row["waiting"]) == (topic, len(here), len(here))
    assert found["byStatus"] == [{"status": "IN_QUEUE", "count": len(here)}]
    assert found["oldestUnanswered"] is None


async def test_an_empty_desk_is_all_zeros() -> None:
    """Nothing to count, nobody who waits."""
    found = await summary(Desk([]))

    assert found == {
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


async def test_lists_come_largest_count_first() -> None:
    """A wallboard shows the busiest on top."""
    desk = Desk(
        [{"TopicId": topic, "User": {"AssociateId": topic}} for topic in (1, 2, 2, 3, 3, 3)]
    )

    found = await summary(desk)

    assert [row["topicId"] for row in found["byTopic"]] == [3, 2, 1]
    assert [row["agent"]["associateId"] for row in found["byAgent"]] == [3, 2, 1]


async def test_equal_counts_stay_in_their_places() -> None:
    """By what they count, whichever session REST gives first; null comes last."""
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

    found, turned = [await summary(Desk(order)) for order in (sessions, sessions[::-1])]

    assert found == turned
    assert [row["topicId"] for row in found["byTopic"]] == [9, 10, 11, None]
    assert [row["agent"]["associateId"] for row in found["byAgent"]] == [0, 9, 10, 101]
    assert [row["status"] for row in found["byStatus"]] == ["CLOSED", "IN_QUEUE", "USER_LAST", None]
    groups = [row["statusGroup"] for row in found["byStatusGroup"]]
    assert groups == ["LIVE", "OVER", "WAITING", None]


async def test_what_rest_did_not_say_is_counted_as_null() -> None:
    """Missing, null and malformed values are one row; a status that is not known is another."""
    desk = Desk(
        [
            {},
            {"Status": None, "TopicId": None},
            {"Status": True, "TopicId": "x"},
            {"Status": "Revived", "TopicId": 4},
            {"Status": "Invalid", "TopicId": 4},
        ]
    )

    found = await summary(desk)

    assert counts(found["byStatus"], "status") == {
        (None,): 3,
        ("UNRECOGNIZED",): 1,
        ("INVALID",): 1,
    }
    assert found["byStatusGroup"] == [{"statusGroup": None, "count": 5}]
    assert counts(found["byTopic"], "topicId") == {(None,): 3, (4,): 2}


async def test_a_blank_agent_is_no_agent() -> None:
    """Each session is either an agent's or unassigned, and each row has an agent."""
    blank = {"AssociateId": 0, "Name": ""}
    desk = Desk([{"User": user} for user in (None, {}, blank, "odd", {"AssociateId": 7})])

    found = await summary(desk)

    assert found["unassigned"] == 4
    (row,) = found["byAgent"]
    assert (row["agent"]["associateId"], row["count"], row["live"]) == (7, 1, 0)


@pytest.mark.parametrize(
    ("query", "made"),
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
async def test_long_lists_are_made_once_and_only_where_they_are_selected(
    query: str, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There can be as many agents as sessions, for each of many filters."""
    calls = []

    for name, make in GROUPS.items():

        async def counted(*arguments: Any, name: str = name, make: Any = make) -> Any:
            calls.append(name)
            return await make(*arguments)

        monkeypatch.setitem(GROUPS, name, counted)

    await Desk([{"User": {"AssociateId": 7}}]).ask(query)

    assert calls == made


async def test_who_is_live_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lists of the summary count them."""
    found: list[object] = []
    where = entity._where

    async def counted(columns: Any, rows: Any, name: str, value: object) -> Any:
        found.append(value)
        return await where(columns, rows, name, value)

    monkeypatch.setattr(entity, "_where", counted)
    await Desk([{"User": {"AssociateId": 7}}]).ask(
        "{ chatSessionSummary { byAgent { live } byTopic { live } } }"
    )

    assert found.count(StatusGroup.LIVE) == 1


async def test_agents_without_a_key_are_told_apart() -> None:
    """By what they hold; REST should not send such agents."""
    named = [{"AssociateId": 0, "Name": name} for name in ("EXT", "BOT", "EXT")]

    found = await summary(Desk([{"User": user} for user in named]))

    assert [row["count"] for row in found["byAgent"]] == [2, 1]


async def test_waits_that_nobody_can_tell_are_null() -> None:
    """Without a zone the first in the queue is still known, how long it has waited is not."""
    minutes = {1: 30, 2: 10, 3: 20}
    desk = Desk(
        [
            {"ChatSessionId": n, "Status": "InQueue", "WhenRequested": f"2026-11-23T11:{m}:00"}
            for n, m in minutes.items()
        ]
    )

    found = await summary(desk)

    assert (found["longestWaitSeconds"], found["medianWaitSeconds"]) == (None, None)
    assert found["longestWaiting"] == {"chatSessionId": 2}


async def test_the_median_lies_between_two() -> None:
    """Of an even number of waits it is the mean of the middle ones."""
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

    found = await summary(desk)

    assert (found["longestWaitSeconds"], found["medianWaitSeconds"]) == (50, 29.5)


async def test_a_request_without_a_time_does_not_wait_longest() -> None:
    """What is not known comes last."""
    desk = Desk(
        [
            {"ChatSessionId": 1, "Status": "InQueue"},
            {"ChatSessionId": 2, "Status": "InQueue", "WhenRequested": "2026-11-23T11:00:00Z"},
        ]
    )

    assert (await summary(desk))["longestWaiting"] == {"chatSessionId": 2}


async def test_a_summary_costs_one_rest_call(rest: RestSide) -> None:
    """With and without a filter, however often, within the TTL."""
    async with gateway_over(rest) as gateway:
        await gateway.ask(SUMMARY)
        await gateway.ask(SUMMARY, {"filter": {"search": "ada"}})
        await gateway.ask(SUMMARY, {"filter": {"statusGroup": {"in": []}}})

    assert rest.calls == 1
