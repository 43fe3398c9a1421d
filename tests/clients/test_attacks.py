"""Attacks: each ends in a clear error, in bounded time, without a REST call."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest

from tests.clients.running import AUTHORIZATION, Running

pytestmark = pytest.mark.socket

HEADERS = {"Authorization": AUTHORIZATION, "Content-Type": "application/json"}
BOUND_S = 20  # more is a hang, even on a busy machine
LARGEST_ANSWER = 20_000
MOST_ERRORS = 5


def nested(levels: int) -> str:
    """Return a query with this many levels."""
    return "{ " + "a { " * levels + "b" + " }" * levels + " }"


def fragments(count: int, inner: str, last: str = "__typename") -> str:
    """Return a query of fragments; `inner` may spread the next one as `F{0}`."""
    parts = [f"fragment F{i} on Query {{ {inner.format(i + 1)} }}" for i in range(count)]
    return f"{{ ...F0 }} {' '.join(parts)} fragment F{count} on Query {{ {last} }}"


def numbered(count: int, text: str) -> str:
    """Repeat a text, with its number in it."""
    return " ".join(text.format(i) for i in range(count))


LONG = "x" * 90_000
FIELDS = "fields { type { " * 4 + "name" + " } }" * 4

TOO_COMPLEX = {
    "10 000 repeated fields": "{ " + "__typename " * 10_000 + "}",
    "1 900 repeated fields": "{ chatSessions { " + "id " * 1_900 + "} }",
    "repeated fields in a fragment that nothing spreads": "{ __typename } fragment A on Query { "
    + "__typename " * 1_900
    + "}",
    "10 000 aliases": "{ " + numbered(10_000, "a{0}: __typename") + " }",
    "600 aliases": "{ " + numbered(600, "a{0}: __typename") + " }",
    "16 levels": nested(16),
    "200 levels": nested(200),
    "15 000 levels": nested(15_000),
    "levels without an end": "{ a " * 900,
    "levels through fragments": fragments(40, "node(id: 1) {{ ...F{0} }}"),
    "a chain of 240 fragments": fragments(240, "...F{0}"),
    "fields doubled by 30 fragments": fragments(30, "...F{0} ...F{0}"),
    "fields doubled by 100 fragments": fragments(100, "...F{0} ...F{0}"),
    "aliases doubled by fragments": fragments(20, "a: __typename ...F{0} b: __typename ...F{0}"),
    "a list 900 levels deep": "{ nodes(ids: " + "[" * 900 + "]" * 900 + ") { id } }",
    "a filter 400 levels deep": "{ chatSessions(filter: "
    + "{not: " * 400
    + "{}"
    + "}" * 400
    + ") { id } }",
    "5 000 directives": "{ __typename " + "@include(if: true) " * 5_000 + "}",
    "200 directives": "{ __typename " + "@include(if: true) " * 200 + "}",
    "900 directives that do not exist": "{ __typename " + "@x " * 900 + "}",
    "directives on the operation": "query Q " + "@x " * 900 + "{ __typename }",
    "a string of 200 000 letters": '{ node(id: "' + "x" * 200_000 + '") { id } }',
    "a name of 500 000 letters": "{ " + "x" * 500_000 + " }",
    "a comment of 500 000 letters": "# " + "x" * 500_000 + "\n{ __typename }",
    "1 000 operations": numbered(1_000, "query Q{0} {{ __typename }}"),
    "lists of lists at full size": "{ chatSessions(limit: 10000) { "
    + numbered(9, "a{0}: user {{ fieldProperties {{ fieldRight {{ mask }} }} }}")
    + " } }",
}
INVALID = {
    "a fragment in itself": "{ ...A } fragment A on Query { __typename ...A }",
    "two fragments in each other": fragments(1, "...F{0}", last="...F0"),
    "a circle of 100 fragments": fragments(99, "...F{0}", last="...F0"),
    "a circle that nothing spreads": "{ __typename } fragment A on Query { ...A }",
    "introspection in a circle": "{ __schema { types { " + FIELDS + " } } }",
    "introspection in a circle of one type": '{ __type(name: "Query") { ' + FIELDS + " } }",
    "introspection in a circle of fragments": "{ __schema { types { ...A } } } "
    "fragment A on __Type { fields { type { ...A } } }",
    "250 fragments that nothing spreads": "{ __typename } "
    + numbered(250, "fragment F{0} on Query {{ __typename }}"),
    "900 unknown fields": "{ chatSession(chatSessionId: 1) { "
    + numbered(900, "customerNames{0}")
    + " } }",
    "300 variables that nothing uses": f"query Q({numbered(300, '$v{0}: Int')}) {{ __typename }}",
    "one argument 300 times": "{ chatSessions(" + "limit: 1 " * 300 + ") { id } }",
    "one key of an input 300 times": "{ chatSessions(filter: {"
    + 'search: "a" ' * 300
    + "}) { id } }",
    "an integer of 5 000 digits": "{ chatSessions(limit: " + "9" * 5_000 + ") { id } }",
    "an integer of 90 000 digits": "{ chatSessions(limit: " + "9" * 90_000 + ") { id } }",
    "a float with a huge exponent": "{ chatSessions(limit: 1e" + "9" * 5_000 + ") { id } }",
    "a field of 90 000 letters": "{ " + LONG + " }",
    "a type of 90 000 letters": "{ ... on " + LONG + " { id } }",
}
MALFORMED = {
    "a blank": " ",
    "a comment alone": "# " + LONG,
    "a byte order mark and more": "\ufeff{ __typename } \ufeff x",
    "a zero-width space": "{ __type\u200bname }",
    "a letter that looks like another": "{ \u0441hatSessions { id } }",
    "a right-to-left mark": "{ \u202e__typename }",
    "a zero byte": "{ __typename \u0000 }",
    "an emoji": "{ \U0001f4a3 }",
    "half an emoji": '{ node(id: "\\ud83d") { id } }',
    "a string without an end": '{ node(id: "' + LONG,
    "a block string without an end": '{ node(id: """' + LONG,
}


@pytest.fixture(autouse=True)
def bounded(shared: Running) -> Iterator[None]:
    """Fail a test that takes too long, or whose request causes a REST call."""
    started, calls = time.perf_counter(), shared.calls
    yield
    assert time.perf_counter() - started < BOUND_S
    assert shared.calls == calls


def send(live: Running, body: bytes | Iterable[bytes]) -> httpx.Response:
    """Send a body, and check that the answer is short."""
    answer = httpx.post(live.url, content=body, headers=HEADERS)
    assert len(answer.content) < LARGEST_ANSWER
    return answer


def code(answer: Any) -> str:
    """Return the one code of all errors of an answer without data."""
    assert "data" not in answer
    assert len(answer["errors"]) <= MOST_ERRORS
    [code_found] = {error["extensions"]["code"] for error in answer["errors"]}
    return str(code_found)


def code_of(live: Running, query: str, variables: Any = None) -> str:
    """Send a query and return the code of its refusal."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    return code(send(live, body).json())


@pytest.mark.parametrize("query", TOO_COMPLEX.values(), ids=TOO_COMPLEX)
def test_a_query_beyond_a_limit_is_too_complex(shared: Running, query: str) -> None:
    """A query is measured before validation, and a fragment counts each time it is spread."""
    assert code_of(shared, query) == "QUERY_TOO_COMPLEX"


@pytest.mark.parametrize("query", INVALID.values(), ids=INVALID)
def test_a_cyclic_query_or_one_with_many_errors_is_refused(shared: Running, query: str) -> None:
    """Such a query is either invalid, or needs too many comparisons to validate."""
    assert code_of(shared, query) in {"GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"}


@pytest.mark.parametrize("query", MALFORMED.values(), ids=MALFORMED)
def test_a_text_that_is_not_graphql_is_malformed(shared: Running, query: str) -> None:
    """Unicode is allowed in strings and comments only; similar letters are not confused."""
    assert code_of(shared, query) == "GRAPHQL_PARSE_FAILED"


def test_many_operations_of_one_name_are_refused(shared: Running) -> None:
    """Without an operation name it is ambiguous which one to run."""
    assert code_of(shared, "query Q { __typename } " * 300) == "OPERATION_RESOLUTION_FAILURE"


LIMIT = "query Q($v: Int) { chatSessions(limit: $v) { id } }"


@pytest.mark.parametrize("digits", [pytest.param("9" * n, id=f"{n} digits") for n in (10, 20, 300)])
def test_a_large_integer_in_a_variable_is_bad_input(shared: Running, digits: str) -> None:
    """JSON allows it, but an Int has 32 bits."""
    body = json.dumps({"query": LIMIT, "variables": {"v": 1}}).replace('"v": 1', f'"v": {digits}')

    assert code(send(shared, body.encode()).json()) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("9" * 5_000, id="an integer of 5 000 digits"),
        pytest.param("1e999", id="a float with a huge exponent"),
        pytest.param("NaN", id="not a number"),
        pytest.param("-Infinity", id="infinity"),
        pytest.param('"\\ud83d"', id="half an emoji"),
        pytest.param('"\\u0000" \\u0000', id="a zero byte"),
        pytest.param('"' + "x" * 70_000 + '"', id="a string of 70 000 letters"),
        pytest.param("[" + "1," * 40_000 + "1]", id="a list of 40 000"),
        pytest.param("[" * 30 + "]" * 30, id="30 levels"),
        pytest.param('{"v":' * 500 + "1" + "}" * 500, id="500 levels"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="100 000 levels"),
    ],
)
def test_a_malformed_or_oversized_variable_is_a_bad_request(shared: Running, value: str) -> None:
    """Variables that are not JSON or exceed a limit are refused before the query is parsed."""
    answer = send(shared, f'{{"query": "{LIMIT}", "variables": {{"v": {value}}}}}'.encode())

    assert (answer.status_code, code(answer.json())) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"query": "{ \xff }"}', id="not UTF-8"),
        pytest.param(b'{"query": "{ \xc0\xaf }"}', id="UTF-8 that is too long"),
        pytest.param(b'{"query": "{ \xed\xa0\xbd }"}', id="half an emoji in UTF-8"),
        pytest.param('{"query": "{ __typename }"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"query": "{ __typename }"}\x00', id="a zero byte at the end"),
        pytest.param(b"[" * 500_000, id="500 000 open brackets"),
        pytest.param(b'{"a":' * 100_000, id="100 000 open braces"),
        pytest.param(b"[]", id="an empty batch"),
        pytest.param(
            b"[" + b'{"query": "{ __typename }"},' * 8 + b"{}]",
            id="a batch with one item more than allowed",
        ),
        pytest.param(b"[" + b"{}," * 300_000 + b"{}]", id="a batch of 300 000"),
    ],
)
def test_a_malformed_or_oversized_body_is_a_bad_request(shared: Running, body: bytes) -> None:
    """The body is refused before any query is parsed."""
    answer = send(shared, body)

    assert (answer.status_code, code(answer.json())) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'[[{"query": "{ __typename }"}]]', id="a batch in a batch"),
        pytest.param(b"[" + b"null," * 7 + b"null]", id="a batch of nulls"),
    ],
)
def test_an_invalid_item_of_a_batch_is_its_own_bad_request(shared: Running, body: bytes) -> None:
    """Each item of a batch has its own answer."""
    answers = send(shared, body).json()

    assert {code(answer) for answer in answers} == {"BAD_REQUEST"}


def test_in_a_batch_each_attack_has_its_own_error(shared: Running) -> None:
    """A batch multiplies the work of one request; the limits apply to each operation."""
    queries = [TOO_COMPLEX[name] for name in ("200 levels", "600 aliases", "200 directives")]
    queries += [INVALID["900 unknown fields"]]
    queries += [MALFORMED["an emoji"], "{ __typename }"]
    body = json.dumps([{"query": query} for query in queries]).encode()

    *refused, harmless = send(shared, body).json()

    assert [code(answer) for answer in refused] == [
        *["QUERY_TOO_COMPLEX"] * 3,
        "GRAPHQL_VALIDATION_FAILED",
        "GRAPHQL_PARSE_FAILED",
    ]
    assert harmless == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"x" * 20_000_000, id="20 MB, as declared"),
        pytest.param([b"x" * 50_000] * 400, id="20 MB in chunks, undeclared"),
        pytest.param([b"x" * 1_000] * 1_100, id="1.1 MB in small chunks"),
    ],
)
def test_a_body_that_is_too_large_is_not_read_to_its_end(
    shared: Running, body: bytes | list[bytes]
) -> None:
    """A body is refused by its declared length, or as soon as it exceeds the limit."""
    answer = send(shared, body if isinstance(body, bytes) else iter(body))

    assert (answer.status_code, code(answer.json())) == (413, "BAD_REQUEST")
