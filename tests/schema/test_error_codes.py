"""Every error has a code, and reveals only what its reader may know."""

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError

from gateway.errors import UpstreamError, UpstreamRateLimitedError, UpstreamTimeoutError
from gateway.schema.engine import answer_of
from tests.schema.asking import ask

SESSIONS = "{ chatSessions { topicId } }"
BY_ID = "query ($id: Int!) { chatSession(chatSessionId: $id) { topicId } }"
SECRET = "connection to sa:hunter2@db failed"


class Broken:
    """A request's context that fails with an error of the test's choice."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.selecting = None

    async def snapshot(self) -> object:
        raise self.error


@pytest.mark.parametrize("query", ["{", "#", "{ a() }", "query {{}}", '{ a(b: "', "\0"])
async def test_text_that_is_not_graphql_is_a_parse_error(query: str) -> None:
    """Nothing is executed, so the error has no path."""
    answer = await ask(query)

    assert answer.data is None
    assert answer.codes == ["GRAPHQL_PARSE_FAILED"]
    assert "path" not in answer.errors[0]


async def test_a_query_is_too_complex_if_validating_it_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """graphql-core has a limit of its own, which counts where our limits are raised."""
    rule = "graphql.validation.rules.overlapping_fields_can_be_merged"
    monkeypatch.setattr(f"{rule}.MAX_COMPLEXITY_BUDGET", 0)

    answer = await ask("{ chatSessions { rank } chatSessions { aborted: rank } }")

    assert answer.codes == ["QUERY_TOO_COMPLEX"]
    assert answer.messages == ["The query is too complex to be validated."]


@pytest.mark.parametrize(
    "query",
    [
        "{ nope }",
        "{ chatSessions }",
        "{ chatSessions { topicId { x } } }",
        "{ chatSession { topicId } }",
        '{ chatSession(chatSessionId: "1") { topicId } }',
        "{ chatSession(chatSessionId: 2147483648) { topicId } }",
        "{ chatSessions(nope: 1) { topicId } }",
        "query ($id: Nope) { chatSessions { topicId } }",
        "{ ...Missing }",
    ],
)
async def test_a_query_that_the_schema_does_not_allow_is_a_validation_error(query: str) -> None:
    """An invalid query is found before execution."""
    answer = await ask(query)

    assert answer.data is None
    assert set(answer.codes) == {"GRAPHQL_VALIDATION_FAILED"}
    assert all(error["locations"] for error in answer.errors)


@pytest.mark.parametrize("id_", ["x", None, 1.5, 2**31, True, [], {}])
async def test_a_variable_of_the_wrong_type_is_bad_input(id_: object) -> None:
    """The document is valid, but not the variable."""
    answer = await ask(BY_ID, variables={"id": id_})

    assert answer.data is None
    assert answer.codes == ["BAD_USER_INPUT"]


async def test_a_missing_variable_is_bad_input() -> None:
    """The document declares the variable as required."""
    answer = await ask(BY_ID)

    assert answer.codes == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ chatSessions { " + " ".join(f"nope{n}" for n in range(500)) + " } }", {}),
        (
            "query ($n: [String!]) { chatSessions { fieldProperties(names: $n) { name } } }",
            {"n": [1] * 500},
        ),
    ],
    ids=["document", "variables"],
)
async def test_a_request_has_at_most_five_errors(query: str, variables: dict[str, object]) -> None:
    """A request can have hundreds of faults: the first ones are enough."""
    answer = await ask(query, variables=variables)

    assert len(answer.errors) == 5


async def test_fields_may_have_more_than_five_errors() -> None:
    """Each one explains a null in the answer."""
    answer = await ask(SESSIONS, [{"TopicId": "odd"}] * 50)

    assert len(answer.errors) == 50


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("{ n" + "o" * 90_000 + " }", id="a name"),
        pytest.param('{ chatSession(chatSessionId: "' + "1" * 90_000 + '") { rank } }', id="text"),
        pytest.param("{ chatSessions { rank(" + "x" * 90_000 + ": 1) } }", id="argument"),
    ],
)
async def test_long_quotes_of_a_query_are_cut(query: str) -> None:
    """An error must not send a hundred kilobytes back."""
    answer = await ask(query)

    assert answer.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert len(answer.messages[0]) == 501
    assert answer.messages[0].endswith("…")


async def test_a_short_message_is_not_cut() -> None:
    """A short message is already short enough to read."""
    answer = await ask("{ xyzzy }")

    assert answer.messages == ["Cannot query field 'xyzzy' on type 'Query'."]


async def test_a_bug_is_masked() -> None:
    """The client gets a code and an error id to report, but not the exception's text."""
    answer = await ask(SESSIONS, context=Broken(RuntimeError(SECRET)))

    (error,) = answer.errors
    assert answer.data == {"chatSessions": None}
    assert error["path"] == ["chatSessions"]
    assert error["message"] == "Internal error: the gateway's log has its errorId."
    assert set(error["extensions"]) == {"code", "errorId"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


async def test_the_log_has_the_same_error_id(caplog: pytest.LogCaptureFixture) -> None:
    """Operators find the traceback for a reported id."""
    answer = await ask(SESSIONS, context=Broken(RuntimeError(SECRET)))

    (logged,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert answer.errors[0]["extensions"]["errorId"] in logged.getMessage()
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


async def test_every_bug_has_its_own_error_id() -> None:
    """Two bugs in one answer have different ids."""
    two = "{ a: chatSessions { topicId } b: chatSessions { topicId } }"

    answer = await ask(two, context=Broken(RuntimeError(SECRET)))

    assert len({error["extensions"]["errorId"] for error in answer.errors}) == 2


@pytest.mark.parametrize(
    ("error", "extensions"),
    [
        (UpstreamTimeoutError("Too late."), {"code": "UPSTREAM_TIMEOUT"}),
        (
            UpstreamRateLimitedError("Too fast.", upstream_status=429, retry_after_s=7),
            {"code": "RATE_LIMITED", "upstreamStatus": 429, "retryAfter": 7},
        ),
        (
            UpstreamError("Bad.", upstream_status=418),
            {"code": "UPSTREAM_ERROR", "upstreamStatus": 418},
        ),
    ],
)
async def test_an_error_raised_on_purpose_keeps_its_code(
    error: UpstreamError, extensions: dict[str, object]
) -> None:
    """The message of such an error was written for clients."""
    answer = await ask(SESSIONS, context=Broken(error))

    (shown,) = answer.errors
    assert (shown["message"], shown["extensions"]) == (str(error), extensions)


async def test_an_expected_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A client's mistyped field does not concern the operator."""
    await ask("{ nope }")
    await ask(SESSIONS, b"null")

    assert caplog.records == []


async def test_many_errors_are_made_ready_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session can have several, and formatting takes as long as finding the code."""
    iterations, counts = 0, Counter[int]()
    read = GraphQLError.formatted.fget  # type: ignore[attr-defined]

    def formatted(error: GraphQLError) -> Any:
        counts[iterations] += 1
        return read(error)

    monkeypatch.setattr(GraphQLError, "formatted", property(formatted))
    errors = [GraphQLError("odd", path=["chatSessions", n, "rank"]) for n in range(1_000)]
    answering = asyncio.create_task(answer_of(ExecutionResult({}, errors)))
    while not answering.done():
        iterations += 1
        await asyncio.sleep(0)

    body: Any = answering.result().body
    assert body["errors"][-1]["path"] == ["chatSessions", 999, "rank"]
    assert counts.total() == 1_000
    assert max(counts.values()) <= 200
