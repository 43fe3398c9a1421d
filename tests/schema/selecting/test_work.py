"""The limit of work for a request's filters, orders and counts, and the sharing of equal work."""

from typing import Any

import pytest

from gateway.schema.build import SchemaOptions, build_schema
from gateway.schema.guard.limits import Limits
from gateway.schema.selecting import columns, matching
from tests.schema.asking import RestAnswered, execute
from tests.schema.selecting.desk import Desk, records
from tests.sessions.snapshots import snapshot_of

DESK = [{"ChatSessionId": n} for n in range(1, 11)]


async def answer_within(query: str, work: int) -> Any:
    """Run a query over ten sessions, with a limit of work."""
    return await Desk(DESK, schema=build_schema(SchemaOptions(limits=Limits(work=work)))).answer(
        query
    )


@pytest.mark.parametrize(
    ("field", "cost"),
    [
        ("chatSessions { id }", 0),
        ("chatSessions(filter: {}) { id }", 0),
        ("chatSessions(filter: {assigned: true, topicId: {in: [1]}}) { id }", 20),
        ("chatSessions(filter: {or: [{assigned: true}, {assigned: false}]}) { id }", 30),
        ("chatSessions(orderBy: {status: ASC}, limit: 1) { id }", 20),
        ("chatSessionConnection(first: 1) { totalCount }", 10),
        ("chatSessionSummary { total }", 180),
        ("chatSessionSummary(filter: {assigned: true}) { total }", 190),
        ("chatSession(chatSessionId: 1) { id }", 10),
        ('nodes(ids: ["UGVyc29uOjE="]) { id }', 10),
        ('node(id: "QXNzb2NpYXRlOjE=") { id }', 20),
        ('node(id: "x") { id }', 0),
    ],
)
async def test_a_field_is_charged_before_it_is_computed(field: str, cost: int) -> None:
    """Cost is sessions times parts, keys and counts; over the limit nothing is computed."""
    assert (await answer_within(f"{{ {field} }}", cost)).errors is None
    if cost:
        (error,) = (await answer_within(f"{{ {field} }}", cost - 1)).errors
        assert error.extensions["code"] == "QUERY_TOO_COMPLEX"
        assert "for 10 sessions: this field takes" in error.message
        assert f"{cost - 1} are allowed. Use fewer" in error.message


async def test_the_fields_of_a_request_share_one_limit() -> None:
    """The field that exceeds it is refused, and earlier fields are answered."""
    query = "{ a: chatSession(chatSessionId: 1) { id } b: chatSession(chatSessionId: 2) { id } }"

    result = await answer_within(query, 15)

    assert result.data["a"] is not None
    assert [error.path for error in result.errors] == [["b"]]


async def test_equal_arguments_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty equal fields cost as much as one, and all pages of a list share its cost."""
    field = "chatSessions(filter: {assigned: false}, orderBy: {topicId: ASC}, limit: %d) { id }"
    query = " ".join(f"a{n}: {field % n}" for n in range(20))
    filters: list[object] = []
    make = matching.Filter.__init__

    def counted(self: Any, *arguments: Any) -> None:
        filters.append(arguments)
        make(self, *arguments)

    monkeypatch.setattr(matching.Filter, "__init__", counted)
    result = await answer_within(f"{{ {query} }}", 30)

    assert result.errors is None
    assert [len(result.data[f"a{n}"]) for n in (0, 3, 19)] == [0, 3, 10]
    assert len(filters) == 1


async def test_a_value_is_read_once_per_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns are stored on the snapshot, and count as its memory."""
    names_read: list[str] = []
    make = columns.reader

    def counted(name: str) -> Any:
        names_read.append(name)
        return make(name)

    monkeypatch.setattr(columns, "reader", counted)
    sessions = records({"TopicId": 1}, {"TopicId": 2})
    snapshot = snapshot_of(sessions, sessions[0].as_of, max_attached=10_000)
    before = snapshot.size_bytes
    for number in (1, 2):

        class Context(RestAnswered):
            async def snapshot(self) -> Any:
                return snapshot

        query = f"{{ chatSessions(filter: {{topicId: {{in: [{number}]}}}}) {{ topicId }} }}"
        result = await execute(build_schema(), query, context=Context(b""))
        assert result.data == {"chatSessions": [{"topicId": number}]}

    assert names_read == ["topic_id"]
    assert snapshot.size_bytes > before + 2 * 8
