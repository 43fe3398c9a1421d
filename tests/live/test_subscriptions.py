"""The answers of subscriptions, and when they are sent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import UnauthenticatedError
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.engine import Operation
from gateway.schema.guard.limits import Limits
from tests.live.desk import Desk, session
from tests.schema.asking import execute
from tests.waiting import until

CHANGES = """
subscription {
  chatSessionChanges%s { isInitial changes { kind changedFields session { %s } } }
}
"""
WAITING = "(filter: { statusGroup: { in: [WAITING] } })"


def changes_of(answer: Any) -> list[tuple[str, int, list[str]]]:
    """Return kinds, keys and fields of the changes in an answer."""
    return [
        (change["kind"], change["session"]["chatSessionId"], change["changedFields"])
        for change in answer["changes"]
    ]


async def test_the_list_is_filtered_ordered_and_limited_as_in_a_query() -> None:
    """The arguments of a subscription mean the same as in a query."""
    desk = Desk([session(1), session(2), session(3, "Closed"), session(4)])
    query = """
    subscription {
      chatSessions(
        filter: { statusGroup: { in: [WAITING] } } orderBy: [{ chatSessionId: DESC }] limit: 2
      ) { chatSessionId }
    }
    """
    async with desk.screen(query) as screen:
        assert await screen.shows(1) == [{"chatSessionId": 4}, {"chatSessionId": 2}]


async def test_the_list_is_sent_when_a_selected_field_changes() -> None:
    """A change of a field that is not selected sends nothing."""
    desk = Desk([session(1, LastMessage="a")])
    async with desk.screen("subscription { chatSessions { status } }") as screen:
        await screen.shows(1)
        desk.sessions = [session(1, LastMessage="b")]
        await desk.wait_for_polls(3)
        assert len(screen.answers) == 1
        desk.sessions = [session(1, "Closed", LastMessage="b")]

        assert await screen.shows(2) == [{"status": "CLOSED"}]


async def test_when_fetched_is_sent_if_it_is_selected() -> None:
    """A new `whenFetched`, from the customer's page, is sent only to screens that select it."""
    desk = Desk([session(1, WhenFetched="2026-01-31T17:46:13")])
    query = "subscription { chatSessions { chatSessionId %s } }"
    async with desk.screen(query % "whenFetched") as screen, desk.screen(query % "") as other:
        await screen.shows(1)
        desk.sessions = [session(1, WhenFetched="2026-01-31T17:46:16")]

        await screen.shows(2)
        await desk.wait_for_polls(2)
        assert len(other.answers) == 1


async def test_the_summary_is_sent_when_a_number_changes() -> None:
    """The summary is sent when one of its numbers changes."""
    desk = Desk([session(1), session(2, "Closed")])
    query = "subscription { chatSessionSummary%s { total } }"
    async with desk.screen(query % "") as screen, desk.screen(query % WAITING) as waiting:
        assert await screen.shows(1) == {"total": 2}
        assert await waiting.shows(1) == {"total": 1}
        desk.sessions = [session(1), session(2, "Closed"), session(3, "Closed")]
        assert await screen.shows(2) == {"total": 3}
        await desk.wait_for_polls(2)

    assert len(waiting.answers) == 1


async def test_changes_start_with_all_sessions() -> None:
    """The first event has all sessions, so a client that reconnects can replace its list."""
    desk = Desk([session(1), session(2, "Closed")])
    async with desk.screen(CHANGES % (WAITING, "chatSessionId")) as screen:
        answer = await screen.shows(1)

    assert answer["isInitial"] is True
    assert changes_of(answer) == [("ADDED", 1, [])]


async def test_changes_start_with_an_empty_event_if_there_are_no_sessions() -> None:
    """The first event is sent also if there are no sessions."""
    desk = Desk([])
    async with desk.screen(CHANGES % ("", "chatSessionId")) as screen:
        assert await screen.shows(1) == {"isInitial": True, "changes": []}


async def test_sessions_are_added_updated_and_removed() -> None:
    """All changes between two polls are in one event."""
    desk = Desk([session(1), session(2)])
    async with desk.screen(CHANGES % ("", "chatSessionId customerName")) as screen:
        await screen.shows(1)
        desk.sessions = [session(2, "Closed", CustomerName="Ada"), session(3)]
        answer = await screen.shows(2)

    assert answer["isInitial"] is False
    assert changes_of(answer) == [
        ("REMOVED", 1, []),
        ("UPDATED", 2, ["customerName", "status"]),
        ("ADDED", 3, []),
    ]
    assert answer["changes"][1]["session"]["customerName"] == "Ada"


async def test_a_session_that_leaves_the_filter_is_removed_and_one_that_enters_it_is_added() -> (
    None
):
    """Changes outside of the filter are not sent."""
    desk = Desk([session(1), session(2, "Closed"), session(3, "Closed")])
    async with desk.screen(CHANGES % (WAITING, "chatSessionId status")) as screen:
        await screen.shows(1)
        desk.sessions = [
            session(1, "Closed"),
            session(2),
            session(3, "Finished"),
            session(4, "Finished"),
        ]
        answer = await screen.shows(2)
        desk.sessions = [session(1, "Closed")]

        assert changes_of(answer) == [("REMOVED", 1, []), ("ADDED", 2, [])]
        assert answer["changes"][0]["session"]["status"] == "CLOSED"
        assert changes_of(await screen.shows(3)) == [("REMOVED", 2, [])]


async def test_two_equal_changes_are_two_events() -> None:
    """Two changes are two events, although they look equal in the selected fields."""
    desk = Desk([session(1, LastMessage="a")])
    async with desk.screen(CHANGES % ("", "chatSessionId")) as screen:
        await screen.shows(1)
        for number, message in enumerate("bc", 2):
            desk.sessions = [session(1, LastMessage=message)]
            assert changes_of(await screen.shows(number)) == [("UPDATED", 1, ["lastMessage"])]
        await desk.wait_for_polls(2)

    assert len(screen.answers) == 3


@pytest.mark.parametrize(
    ("selection", "is_sent"),
    [
        ("whenFetched", True),
        ("...on ChatSession { at: whenFetched }", True),
        ("...Signs", True),
        ("whenFetched @include(if: true) @skip(if: false)", True),
        ("whenFetched @include(if: false)", False),
        ("...on ChatSession @skip(if: true) { whenFetched }", False),
        ("whenIdle", False),
    ],
)
async def test_when_fetched_is_a_change_if_it_is_selected(selection: str, *, is_sent: bool) -> None:
    """A new `whenFetched` is a change only if it is selected, also by alias or in a fragment."""
    desk = Desk([session(1, WhenFetched="2026-01-31T17:46:13")])
    fragment = "fragment Signs on ChatSession { whenFetched }" if "Signs" in selection else ""
    query = CHANGES % ("", f"chatSessionId {selection}") + fragment
    async with desk.screen(query) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, WhenFetched="2026-01-31T17:46:16")]
        await desk.wait_for_polls(3)

    assert [changes_of(answer) for answer in screen.answers[1:]] == (
        [[("UPDATED", 1, ["whenFetched"])]] if is_sent else []
    )


async def test_a_slow_screen_gets_all_changes_in_one_event() -> None:
    """A slow screen gets the changes since its last event in one event."""
    desk = Desk([session(1), session(2)])
    async with desk.screen(CHANGES % ("", "chatSessionId"), is_stuck=True) as screen:
        await screen.shows(1)
        for sessions in (
            [session(1, "CustomerLast"), session(2), session(3)],
            [session(1, "UserLast"), session(3)],
            [session(1), session(3, "Closed"), session(4)],
        ):
            desk.sessions = sessions
            await desk.wait_for_polls(2)
        screen.is_reading.set()
        answer = await screen.shows(2)
        await desk.wait_for_polls(2)

    assert changes_of(answer) == [("REMOVED", 2, []), ("ADDED", 3, []), ("ADDED", 4, [])]
    assert len(screen.answers) == 2


async def test_the_clock_moves_sessions_in_and_out_of_a_filter() -> None:
    """The clock moves a session into a filter on seconds and out of it."""
    waiting = session(1, WhenRequested=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    desk = Desk([waiting])
    filter_ = "(filter: { waitSeconds: { min: 60, max: 600 } })"
    async with desk.screen(CHANGES % (filter_, "chatSessionId")) as screen:
        assert changes_of(await screen.shows(1)) == []
        desk.ahead_s = 120
        assert changes_of(await screen.shows(2)) == [("ADDED", 1, [])]
        desk.sessions = [{**waiting, "LastMessage": "?"}]
        assert changes_of(await screen.shows(3)) == [("UPDATED", 1, ["lastMessage"])]
        desk.ahead_s = 1_200
        assert changes_of(await screen.shows(4)) == [("REMOVED", 1, [])]


async def test_a_hidden_field_is_not_named() -> None:
    """A hidden field is not named in a change, as it does not exist for clients."""
    options = SchemaOptions(hidden=frozenset({"ChatSession.lastMessage"}))
    desk = Desk([session(1, LastMessage="a")], schema=build_schema(options))
    async with desk.screen(CHANGES % ("", "chatSessionId")) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, LastMessage="b")]
        await desk.wait_for_polls(2)
        desk.sessions = [session(1, "Closed", LastMessage="c")]

        assert changes_of(await screen.shows(2)) == [("UPDATED", 1, ["status"])]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { chatSessions(limit: -1) { status } }", "BAD_USER_INPUT"),
        (
            "subscription { chatSessionChanges(filter: { whenIdle: "
            '{ from: "2026-01-31T17:46:13Z", to: "2026-01-30T17:46:13Z" } }) { isInitial } }',
            "BAD_USER_INPUT",
        ),
    ],
    ids=["a negative limit", "an inverted range"],
)
async def test_an_invalid_argument_ends_the_subscription(query: str, code: str) -> None:
    """An invalid argument ends the subscription with the error that a query gets."""
    desk = Desk()
    async with desk.screen(query) as screen:
        await until(lambda: screen.is_over)

    assert screen.answers == [None]
    assert screen.codes == [code]
    assert len(screen.errors[0]["path"]) == 1


@pytest.mark.parametrize("value", ["x", 99_999_999_999, True])
async def test_an_invalid_variable_has_the_code_of_a_query(value: object) -> None:
    """An invalid variable gets the code that it gets in a query."""
    desk, query = Desk(), "%s ($limit: Int) { chatSessions(limit: $limit) { status } }"
    variables = {"limit": value}
    async with desk.screen(query % "subscription", variables=variables) as screen:
        await until(lambda: screen.is_over)
    result = await execute(desk.schema, query % "query", variables)

    assert result.errors
    assert result.errors[0].extensions == {"code": "BAD_USER_INPUT"}
    assert screen.codes == ["BAD_USER_INPUT"]


async def test_an_unreadable_field_is_null() -> None:
    """An unreadable field is null, the others are answered, and the error is sent once."""
    desk = Desk([session(1, TopicId="odd"), session(2, TopicId=4)])
    async with desk.screen("subscription { chatSessions { topicId } }") as screen:
        assert await screen.shows(1) == [{"topicId": None}, {"topicId": 4}]
        await desk.wait_for_polls(2)

    assert len(screen.answers) == 1
    assert screen.codes == ["UPSTREAM_BAD_RESPONSE"]


async def test_a_subscription_without_credentials_ends_at_once() -> None:
    """A subscription without credentials ends with an error, and REST is not called."""
    desk = Desk()
    query = "subscription { chatSessions { status } }"
    async with desk.screen(query, access=UnauthenticatedError("none")) as screen:
        await until(lambda: screen.is_over)

    assert screen.codes == ["UNAUTHENTICATED"]
    assert not desk.calls


@pytest.mark.parametrize(
    "query",
    [
        "subscription { ...S } fragment S on Subscription { chatSessions { status } }",
        "subscription { ... on Subscription { chatSessions { status } } }",
        "subscription A { chatSessions { status } } subscription B { %s }",
    ],
)
async def test_repeated_answers_are_not_sent(query: str) -> None:
    """An unchanged answer is not sent again, also if the field is in a fragment."""
    desk = Desk()
    other = "chatSessionChanges { isInitial }"
    name = "A" if " A " in query else None
    text = query.replace("%s", other)
    async with desk.screen(text, operation_name=name) as screen:
        await screen.shows(1)
        await desk.wait_for_polls(3)

    assert len(screen.answers) == 1


@pytest.mark.parametrize(
    ("query", "name", "is_subscription"),
    [
        ("subscription { chatSessions { status } }", None, True),
        ("query A { __typename } subscription B { chatSessions { status } }", "B", True),
        ("query A { __typename } subscription B { chatSessions { status } }", "A", False),
        ("query A { __typename } subscription B { chatSessions { status } }", None, False),
        ('{ chatSessions(filter: { search: "subscription" }) { status } }', None, False),
        ("subscription { nope }", None, False),
        ("subscription { chatSessions { status } chatSessionSummary { total } }", None, False),
        ("subscription { ...A } fragment A on Subscription { ...A }", None, False),
        ("subscription { ...A }", None, False),
        ("subscription {", None, False),
        ("subscription { chatSessions { status } }" + " " * 100_000, None, False),
    ],
    ids=lambda value: f"{value!r:.60}",
)
def test_only_a_valid_subscription_counts_as_one(
    query: str, name: str | None, *, is_subscription: bool
) -> None:
    """Only a valid subscription within the limits counts as one."""
    operation = Operation(build_schema().documents.find(query), operation_name=name)

    assert (operation.subscription is not None) is is_subscription


FILTERED = "(filter: {assigned: false, topicId: {notIn: [9]}})"


@pytest.mark.parametrize(
    ("field", "cost"),
    [
        (f"chatSessions{FILTERED} {{ id }}", 6),
        ("chatSessions(filter: {waitSeconds: {min: 5, max: 6}}) { id }", 12),
        (f"chatSessionSummary{FILTERED} {{ total }}", 60),
        (f"chatSessionChanges{FILTERED} {{ isInitial }}", 6),
    ],
)
async def test_each_event_has_the_limit_of_work(field: str, cost: int) -> None:
    """Each event may cost the limit of work; past it, the subscription ends with an error."""
    sessions = [session(number) for number in (1, 2, 3)]

    def desk_of(work: int) -> Desk:
        schema = build_schema(SchemaOptions(limits=Limits(work=work)))
        return Desk(list(sessions), schema=schema, ttl_s=0)

    desk = desk_of(cost)
    async with desk.screen(f"subscription {{ {field} }}") as screen:
        await screen.shows(1)
        for number in (4, 5):
            desk.sessions = [*sessions[1:], session(number)]
            await desk.wait_for_polls(2)
        assert screen.codes == []
    async with desk_of(cost - 1).screen(f"subscription {{ {field} }}") as screen:
        await until(lambda: screen.is_over)
        assert screen.codes == ["QUERY_TOO_COMPLEX"]
