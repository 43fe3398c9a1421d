"""Every error has a code, and says no more than its reader may know."""

import logging

import pytest

from gateway.errors import UpstreamError, UpstreamRateLimitedError, UpstreamTimeoutError
from gateway.schema.guard.work import Work
from tests.schema.asking import ask

SESSIONS = "{ chatSessions { topicId } }"
BY_ID = "query ($id: Int!) { chatSession(chatSessionId: $id) { topicId } }"
SECRET = "connection to sa:hunter2@db failed"


class Broken:
    """A request's context that fails with an error of the test's choice."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.work = Work()
        self.columns = None

    async def snapshot(self) -> object:
        raise self.error


@pytest.mark.parametrize("query", ["{", "#", "{ a() }", "query {{}}", '{ a(b: "', "\0"])
async def test_what_is_no_graphql_is_a_parse_error(query: str) -> None:
    """Nothing is executed, so there is no path."""
    answer = await ask(query)

    assert answer.data is None
    assert answer.codes == ["GRAPHQL_PARSE_FAILED"]
    assert "path" not in answer.errors[0]


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
async def test_what_the_schema_does_not_allow_is_a_validation_error(query: str) -> None:
    """Found before anything is executed."""
    answer = await ask(query)

    assert answer.data is None
    assert set(answer.codes) == {"GRAPHQL_VALIDATION_FAILED"}
    assert all(error["locations"] for error in answer.errors)


@pytest.mark.parametrize("id_", ["x", None, 1.5, 2**31, True, [], {}])
async def test_a_variable_of_the_wrong_type_is_bad_input(id_: object) -> None:
    """The document is right, what was sent with it is not."""
    answer = await ask(BY_ID, variables={"id": id_})

    assert answer.data is None
    assert answer.codes == ["BAD_USER_INPUT"]


async def test_a_variable_that_is_missing_is_bad_input() -> None:
    """The document says that it needs one."""
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
    """It can be wrong in hundreds of places: the first ones will do."""
    answer = await ask(query, variables=variables)

    assert len(answer.errors) == 5


async def test_fields_may_have_more_than_five_errors() -> None:
    """Each one tells why a field in the answer is null."""
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
async def test_what_a_client_sent_is_quoted_only_so_far(query: str) -> None:
    """An error is no way to have a hundred kilobytes sent back."""
    answer = await ask(query)

    assert answer.codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert len(answer.messages[0]) == 501
    assert answer.messages[0].endswith("…")


async def test_a_short_message_is_not_cut() -> None:
    """It is a help as it stands."""
    answer = await ask("{ xyzzy }")

    assert answer.messages == ["Cannot query field 'xyzzy' on type 'Query'."]


async def test_a_bug_is_masked() -> None:
    """Whoever asked gets a code and a number to report, and not the exception's text."""
    answer = await ask(SESSIONS, context=Broken(RuntimeError(SECRET)))

    (error,) = answer.errors
    assert answer.data == {"chatSessions": None}
    assert error["path"] == ["chatSessions"]
    assert error["message"] == "The gateway failed here."
    assert set(error["extensions"]) == {"code", "errorId"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


async def test_the_log_tells_a_bug_by_the_same_number(caplog: pytest.LogCaptureFixture) -> None:
    """So that whoever runs the gateway finds the traceback that belongs to a report."""
    answer = await ask(SESSIONS, context=Broken(RuntimeError(SECRET)))

    (logged,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert answer.errors[0]["extensions"]["errorId"] in logged.getMessage()
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


async def test_every_bug_has_its_own_number() -> None:
    """Also within one answer."""
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
    """Its message was written for the client."""
    answer = await ask(SESSIONS, context=Broken(error))

    (shown,) = answer.errors
    assert (shown["message"], shown["extensions"]) == (str(error), extensions)


async def test_an_expected_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A mistyped field is no event in the life of the gateway."""
    await ask("{ nope }")
    await ask(SESSIONS, b"null")

    assert caplog.records == []
