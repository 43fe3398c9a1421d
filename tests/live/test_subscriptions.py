"""What subscriptions answer, and when they do again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import UnauthenticatedError
from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.engine import Operation
from gateway.schema.guard.limits import Limits
from tests.live.desk import Desk, session
from tests.waiting import until

CHANGES = """
subscription {
  chatSessionChanges%s { isInitial changes { kind changedFields session { %s } } }
}
"""
WAITING = "(filter: { statusGroup: { in: [WAITING] } })"


def told(answer: Any) -> list[tuple[str, int, list[str]]]:
    """Return what an answer tells: kinds, keys, fields."""
    return [
        (change["kind"], change["session"]["chatSessionId"], change["changedFields"])
        for change in answer["changes"]
    ]


async def test_the_list_is_filtered_ordered_and_cut_as_in_a_query() -> None:
    """The arguments mean what they mean there."""
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


async def test_the_list_comes_again_when_something_selected_has_changed() -> None:
    """And not when something else has."""
    desk = Desk([session(1, LastMessage="a")])
    async with desk.screen("subscription { chatSessions { status } }") as screen:
        await screen.shows(1)
        desk.sessions = [session(1, LastMessage="b")]
        await desk.has_looked(3)
        assert len(screen.answers) == 1
        desk.sessions = [session(1, "Closed", LastMessage="b")]

        assert await screen.shows(2) == [{"status": "CLOSED"}]


async def test_signs_of_life_count_where_they_are_selected() -> None:
    """Each time a customer's page asks for news, for whoever wants to see that."""
    desk = Desk([session(1, WhenFetched="2026-01-31T17:46:13")])
    query = "subscription { chatSessions { chatSessionId %s } }"
    async with desk.screen(query % "whenFetched") as screen, desk.screen(query % "") as other:
        await screen.shows(1)
        desk.sessions = [session(1, WhenFetched="2026-01-31T17:46:16")]

        await screen.shows(2)
        await desk.has_looked(2)
        assert len(other.answers) == 1


async def test_the_summary_comes_again_when_a_number_has_changed() -> None:
    """A wallboard need not ask."""
    desk = Desk([session(1), session(2, "Closed")])
    query = "subscription { chatSessionSummary%s { total } }"
    async with desk.screen(query % "") as screen, desk.screen(query % WAITING) as waiting:
        assert await screen.shows(1) == {"total": 2}
        assert await waiting.shows(1) == {"total": 1}
        desk.sessions = [session(1), session(2, "Closed"), session(3, "Closed")]
        assert await screen.shows(2) == {"total": 3}
        await desk.has_looked(2)

    assert len(waiting.answers) == 1


async def test_changes_begin_with_what_is_there() -> None:
    """So a client that has lost its connection knows all there is, and forgets the rest."""
    desk = Desk([session(1), session(2, "Closed")])
    async with desk.screen(CHANGES % (WAITING, "chatSessionId")) as screen:
        answer = await screen.shows(1)

    assert answer["isInitial"] is True
    assert told(answer) == [("ADDED", 1, [])]


async def test_changes_begin_even_where_nothing_is_there() -> None:
    """That is what there is."""
    desk = Desk([])
    async with desk.screen(CHANGES % ("", "chatSessionId")) as screen:
        assert await screen.shows(1) == {"isInitial": True, "changes": []}


async def test_sessions_are_added_updated_and_removed() -> None:
    """In one event, as they were seen at one time."""
    desk = Desk([session(1), session(2)])
    async with desk.screen(CHANGES % ("", "chatSessionId customerName")) as screen:
        await screen.shows(1)
        desk.sessions = [session(2, "Closed", CustomerName="Ada"), session(3)]
        answer = await screen.shows(2)

    assert answer["isInitial"] is False
    assert told(answer) == [
        ("REMOVED", 1, []),
        ("UPDATED", 2, ["customerName", "status"]),
        ("ADDED", 3, []),
    ]
    assert answer["changes"][1]["session"]["customerName"] == "Ada"


async def test_a_session_that_leaves_the_filter_is_removed_and_one_that_enters_it_is_added() -> (
    None
):
    """What happens outside of it is nobody's business."""
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

        assert told(answer) == [("REMOVED", 1, []), ("ADDED", 2, [])]
        assert answer["changes"][0]["session"]["status"] == "CLOSED"
        assert told(await screen.shows(3)) == [("REMOVED", 2, [])]


async def test_two_equal_changes_are_two_events() -> None:
    """Each is news, though they look the same where little is selected."""
    desk = Desk([session(1, LastMessage="a")])
    async with desk.screen(CHANGES % ("", "chatSessionId")) as screen:
        await screen.shows(1)
        for number, message in enumerate("bc", 2):
            desk.sessions = [session(1, LastMessage=message)]
            assert told(await screen.shows(number)) == [("UPDATED", 1, ["lastMessage"])]
        await desk.has_looked(2)

    assert len(screen.answers) == 3


@pytest.mark.parametrize(
    ("selection", "is_told"),
    [
        ("whenFetched", True),
        ("...on ChatSession { at: whenFetched }", True),
        ("...Signs", True),
        ("whenIdle", False),
    ],
)
async def test_signs_of_life_are_changes_where_they_are_selected(
    selection: str, *, is_told: bool
) -> None:
    """Wherever in the selection that is."""
    desk = Desk([session(1, WhenFetched="2026-01-31T17:46:13")])
    fragment = "fragment Signs on ChatSession { whenFetched }" if "Signs" in selection else ""
    query = CHANGES % ("", f"chatSessionId {selection}") + fragment
    async with desk.screen(query) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, WhenFetched="2026-01-31T17:46:16")]
        await desk.has_looked(3)

    assert [told(answer) for answer in screen.answers[1:]] == (
        [[("UPDATED", 1, ["whenFetched"])]] if is_told else []
    )


async def test_a_slow_screen_learns_of_all_that_has_changed_meanwhile() -> None:
    """In one event, from what it saw last to what there is now."""
    desk = Desk([session(1), session(2)])
    async with desk.screen(CHANGES % ("", "chatSessionId"), is_stuck=True) as screen:
        await screen.shows(1)
        for sessions in (
            [session(1, "CustomerLast"), session(2), session(3)],
            [session(1, "UserLast"), session(3)],
            [session(1), session(3, "Closed"), session(4)],
        ):
            desk.sessions = sessions
            await desk.has_looked(2)
        screen.is_reading.set()
        answer = await screen.shows(2)
        await desk.has_looked(2)

    assert told(answer) == [("REMOVED", 2, []), ("ADDED", 3, []), ("ADDED", 4, [])]
    assert len(screen.answers) == 2


async def test_the_clock_moves_sessions_in_and_out_of_a_filter() -> None:
    """Though SuperOffice reports no change: what is sent later fits what was sent before."""
    waiting = session(1, WhenRequested=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    desk = Desk([waiting])
    wanted = "(filter: { waitSeconds: { min: 60, max: 600 } })"
    async with desk.screen(CHANGES % (wanted, "chatSessionId")) as screen:
        assert told(await screen.shows(1)) == []
        desk.ahead_s = 120
        assert told(await screen.shows(2)) == [("ADDED", 1, [])]
        desk.sessions = [{**waiting, "LastMessage": "?"}]
        assert told(await screen.shows(3)) == [("UPDATED", 1, ["lastMessage"])]
        desk.ahead_s = 1_200
        assert told(await screen.shows(4)) == [("REMOVED", 1, [])]


async def test_a_hidden_field_is_not_named() -> None:
    """It does not exist for clients."""
    options = SchemaOptions(hidden=frozenset({"ChatSession.lastMessage"}))
    desk = Desk([session(1, LastMessage="a")], schema=build_schema(options))
    async with desk.screen(CHANGES % ("", "chatSessionId")) as screen:
        await screen.shows(1)
        desk.sessions = [session(1, LastMessage="b")]
        await desk.has_looked(2)
        desk.sessions = [session(1, "Closed", LastMessage="c")]

        assert told(await screen.shows(2)) == [("UPDATED", 1, ["status"])]


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
)
async def test_an_argument_that_cannot_be_used_ends_the_subscription(query: str, code: str) -> None:
    """With the error of a query, at the field."""
    desk = Desk()
    async with desk.screen(query) as screen:
        await until(lambda: screen.is_over)

    assert screen.answers == [None]
    assert screen.codes == [code]
    assert len(screen.errors[0]["path"]) == 1


@pytest.mark.parametrize("value", ["x", 99_999_999_999, True])
async def test_a_variable_that_cannot_be_used_has_the_code_of_a_query(value: object) -> None:
    """The document is valid, and clients may correct the value."""
    desk, query = Desk(), "%s ($limit: Int) { chatSessions(limit: $limit) { status } }"
    variables = {"limit": value}
    async with desk.screen(query % "subscription", variables=variables) as screen:
        await until(lambda: screen.is_over)
    result: Any = await desk.schema.execute(query % "query", variables)

    assert result.errors
    assert result.errors[0].extensions == {"code": "BAD_USER_INPUT"}
    assert screen.codes == ["BAD_USER_INPUT"]


async def test_a_field_that_cannot_be_read_is_null_and_the_rest_stands() -> None:
    """Odd values cost themselves; the same ones are no news either."""
    desk = Desk([session(1, TopicId="odd"), session(2, TopicId=4)])
    async with desk.screen("subscription { chatSessions { topicId } }") as screen:
        assert await screen.shows(1) == [{"topicId": None}, {"topicId": 4}]
        await desk.has_looked(2)

    assert len(screen.answers) == 1
    assert screen.codes == ["UPSTREAM_BAD_RESPONSE"]


async def test_a_subscription_without_credentials_ends_at_once() -> None:
    """REST is not called."""
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
async def test_repeats_are_left_out_however_the_field_is_selected(query: str) -> None:
    """In fragments, and beside other operations."""
    desk = Desk()
    other = "chatSessionChanges { isInitial }"
    name = "A" if " A " in query else None
    text = query.replace("%s", other)
    async with desk.screen(text, operation_name=name) as screen:
        await screen.shows(1)
        await desk.has_looked(3)

    assert len(screen.answers) == 1


@pytest.mark.parametrize(
    ("query", "name", "is_one"),
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
)
def test_only_what_can_be_run_as_a_subscription_is_one(
    query: str, name: str | None, *, is_one: bool
) -> None:
    """Whatever else it is gets the answer that is due to it."""
    operation = Operation(build_schema().documents.find(query), operation_name=name)

    assert (operation.subscription is not None) is is_one


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
async def test_each_event_is_charged_by_itself(field: str, cost: int) -> None:
    """A subscription goes on for ever within its limit; beyond it, it ends with the reason."""
    sessions = [session(number) for number in (1, 2, 3)]

    def desk_of(work: int) -> Desk:
        schema = build_schema(SchemaOptions(limits=Limits(work=work)))
        return Desk(list(sessions), schema=schema, ttl_s=0)

    desk = desk_of(cost)
    async with desk.screen(f"subscription {{ {field} }}") as screen:
        await screen.shows(1)
        for number in (4, 5):
            desk.sessions = [*sessions[1:], session(number)]
            await desk.has_looked(2)
        assert screen.codes == []
    async with desk_of(cost - 1).screen(f"subscription {{ {field} }}") as screen:
        await until(lambda: screen.is_over)
        assert screen.codes == ["QUERY_TOO_COMPLEX"]
