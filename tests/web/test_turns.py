"""No request blocks the event loop: function calls between two turns of the loop are bounded."""

import asyncio
import base64
import contextlib
import cProfile
import itertools
import json
import string
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest.mock import AsyncMock

import graphql
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Executor

from gateway.executor import prepared, turns
from gateway.executor.plan import Planner
from gateway.web.middleware import representation
from gateway.web.read import request
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import post_body

pytestmark = pytest.mark.slow

T = TypeVar("T")

STREAM = {**CREDENTIALS, "accept": "text/event-stream"}
SESSIONS = 10_000
MOST_CALLS = 250_000
"""Function calls between two turns: validating 2,000 tokens in one piece takes the most."""
MOST_BYTES = 4_096
REQUESTS = 5
"""Equal requests at once."""

STATUSES = ["InQueue", "CustomerLast", "UserLast", "Closed"]
SESSIONS_AS_JSON = json.dumps(
    [
        {
            "ChatSessionId": n,
            "TopicId": n % 7,
            "Status": STATUSES[n % 4],
            "CustomerName": f"Bjørn {n % 100}",
            "WhenRequested": f"2026-11-{n % 28 + 1:02}T12:00:{n % 60:02}Z",
            "User": {"AssociateId": n % 50 + 1},
            "Person": {"PersonId": n},
        }
        for n in range(1, SESSIONS + 1)
    ]
).encode()


@dataclass
class CallCounter:
    """Counts function calls between its own turns of the event loop."""

    calls: list[int] = field(default_factory=list)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and count the calls between turns meanwhile."""
        profile = cProfile.Profile(subcalls=False)
        profile.enable()
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.sleep(0)
            self.calls.append(sum(entry.callcount for entry in profile.getstats()))
            profile.clear()
        profile.disable()
        return task.result()


@pytest.fixture
async def large() -> AsyncIterator[Gateway]:
    """Return a gateway with a cached snapshot of 10,000 sessions."""
    async with with_one_answered(SESSIONS_AS_JSON) as gateway:
        yield gateway


@contextlib.asynccontextmanager
async def with_one_answered(sessions: bytes) -> AsyncIterator[Gateway]:
    """Run a gateway that has these sessions in its cache, without short timeouts."""
    async with gateway_over(RestSide(sessions), cache_ttl=3_600, request_timeout=300) as gateway:
        await gateway.ask("{ chatSession(chatSessionId: 1) { id } }")
        yield gateway


def query_of(count: int, text: str) -> str:
    """Return a query of this many fields; `#` in a field becomes its number."""
    return "{" + " ".join(f"a{n}: {text.replace('#', str(n))}" for n in range(count)) + "}"


PERSON = base64.b64encode(b"Person:5000").decode()
PARTS = [
    *(f'{{whenRequested:{{from:"2030-01-01T00:00:0{n}Z"}}}}' for n in range(9)),
    '{search:"bjorn"}',
    "{statusGroup:{in:[WAITING]}}",
    "{assigned:true}",
    "{not:{topicId:{in:[1]}}}",
]
KEYS = ["status", "whenRequested", "customerName", "topicId"]
SELECTIONS = ["id", "status customerName", "whenRequested waitSeconds user{id} person{id}"]
TEXTS = [*string.ascii_letters, *(a + b for a in string.ascii_letters for b in "abcdef")]
FAN = (
    "{"
    + "".join(f"node(first:{n}){{...A}}" for n in range(1, 34))
    + "}fragment A on Q{"
    + "...{...B}" * 70
    + "}fragment B on Q{"
    + " ".join(TEXTS[:200])
    + "}"
)
DEFAULTS = " ".join(f"query a{n}($b:Int=1){{c}}" for n in range(150))
MERGED = "{" + ("chatSessions{" + ("user{" + "id " * 19 + "}") * 19 + "}") * 2 + "}"


@st.composite
def fields(draw: st.DrawFn) -> str:
    """Draw a root field with `#` in the place of its number."""
    parts = draw(st.lists(st.sampled_from(PARTS), max_size=8))
    keys = ",".join(f"{{{key}:DESC}}" for key in draw(st.lists(st.sampled_from(KEYS), max_size=4)))
    selection = draw(st.sampled_from(SELECTIONS))
    filter_ = f"{{topicId:{{notIn:[#]}},or:[{','.join(parts)}]}}" if parts else "{}"
    size = draw(st.sampled_from([1, 100, 1_000]))
    return str(
        draw(
            st.sampled_from(
                [
                    f"chatSessions(filter:{filter_},orderBy:[{keys}],limit:{size}){{{selection}}}",
                    f"chatSessionConnection(filter:{filter_},orderBy:[{keys}],first:{size})"
                    f"{{totalCount edges{{cursor node{{{selection}}}}}}}",
                    f"chatSessionSummary(filter:{filter_}){{byAgent{{agent{{id}}count}}total}}",
                    f'nodes(ids:["{PERSON}","x#"]){{id}}',
                    "chatSession(chatSessionId:99#){id}",
                ]
            )
        )
    )


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw a request body of at most 4 kB: an operation or a batch."""
    text, count = draw(fields()), draw(st.sampled_from([20, 20, 5, 1]))
    operations = draw(st.sampled_from([1, 1, 1, 8]))
    while True:
        batch = [{"query": query_of(count, text)}] * operations
        body = json.dumps(batch if operations > 1 else batch[0]).encode()
        if len(body) <= MOST_BYTES:
            return body
        count, operations = count - 1, 1


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(body=bodies(), has_credentials=st.sampled_from([True, True, True, False]))
@example(body=json.dumps({"query": FAN}).encode(), has_credentials=False)
@example(body=json.dumps({"query": MERGED}).encode(), has_credentials=False)
@example(body=json.dumps({"query": DEFAULTS}).encode(), has_credentials=False)
async def test_no_request_of_4_kb_blocks_the_event_loop(
    large: Gateway, body: bytes, has_credentials: bool
) -> None:
    """The work between two turns is bounded for any request, with or without credentials."""
    assert len(body) <= MOST_BYTES
    counter = CallCounter()
    headers = CREDENTIALS if has_credentials else {}

    answer = await counter.run(post_body(large, body, **headers))

    assert answer.status_code == 200
    assert max(counter.calls) <= MOST_CALLS


FILTERED = "query ($f: ChatSessionFilter) { chatSessions(filter: $f) { id } }"
WRONG_NAMES: dict[str, object] = {f"customerAwaySecond{n}": 1 for n in range(1_900)}
WRONG_VALUES: dict[str, object] = {"status": {"in": [f"CLOSED_FROM_QUEU{n}" for n in range(1_900)]}}


@pytest.mark.parametrize("wrong", [WRONG_NAMES, WRONG_VALUES], ids=["names", "values"])
async def test_wrong_variables_do_not_block_the_event_loop(
    large: Gateway, wrong: dict[str, object]
) -> None:
    """Only the first errors are searched for suggestions, however many there are."""
    counter = CallCounter()
    body = json.dumps({"query": FILTERED, "variables": {"f": wrong}}).encode()

    answer = await counter.run(post_body(large, body))

    assert len(answer.json()["errors"]) <= 6
    assert max(counter.calls) <= MOST_CALLS


TWENTY = f"query ($f: ChatSessionFilter) {query_of(20, 'chatSessions(filter: $f) { id }')}"
LONG_VARIABLES = {"query": TWENTY, "variables": {"f": {"or": [{"topicId": {"in": 1}}] * 80}}}
FILTER = f"{{or: [{'{} ' * 900} {{topicId: {{in: $t}}}}]}}"
LONG_LITERAL = {
    "query": f"query ($t: [Int!]) {{ chatSessions(filter: {FILTER}) {{ id }} }}",
    "variables": {"t": [1]},
}
SENT_FILTERS = {
    "query": TWENTY,
    "variables": {"f": {"or": [{"topicId": {"in": [-n]}} for n in range(1, 49)]}},
}
INTROSPECTION = {"query": "{ __schema { types { fields { args { name } } } } }"}


@pytest.mark.parametrize(
    ("body", "headers", "owner", "name", "most"),
    [
        (INTROSPECTION, {}, graphql, "execute", 1),
        (INTROSPECTION, {"accept": "text/event-stream"}, graphql, "execute", 1),
        (LONG_VARIABLES, {}, prepared, "get_variable_values", 4),
        (LONG_VARIABLES, {}, Executor, "execute_field", 3),
        (LONG_LITERAL, {}, prepared, "get_argument_values", 1),
        (SENT_FILTERS, STREAM, prepared, "convert_arguments", 1),
        ([[]] * 15_000, CREDENTIALS, request, "from_json", 1),
        ([[]] * 100_000, {}, request, "from_json", 1),
        ({"query": "{ chatSessions(limit: 9) { id } }"}, STREAM, prepared, "_rows", 1),
        ({"query": "{ chatSessions { id } }"}, CREDENTIALS, representation, "store", 1),
        ({"query": "{ chatSessions(limit: 700) { id } }"}, CREDENTIALS, representation, "store", 3),
    ],
    ids=[
        "introspections",
        "streams",
        "variables",
        "root fields",
        "literals",
        "filters in variables",
        "bodies",
        "bodies in parts",
        "queries as streams",
        "long lists",
        "short lists",
    ],
)
async def test_equal_requests_at_once_take_turns(
    large: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    body: Any,
    headers: dict[str, str],
    owner: Any,
    name: str,
    most: int,
) -> None:
    """However many connections send the same at once, little of it is done in one iteration."""
    iterations = await calls_in_iterations(large, monkeypatch, body, headers, owner, name)

    assert iterations.total() in {REQUESTS, 20 * REQUESTS}
    assert max(iterations.values()) <= most


async def test_equal_large_answers_are_encoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few long texts, whose rows are cached, are as much work as many short ones."""
    body = {"query": "{ chatSessions { customerName } }"}
    headers = {**CREDENTIALS, "accept-encoding": "identity"}
    sessions = [{"ChatSessionId": n, "CustomerName": "x" * 10**5} for n in range(20)]
    async with gateway_over(RestSide(sessions), cache_ttl=3_600) as gateway:
        iterations = await calls_in_iterations(
            gateway, monkeypatch, body, headers, representation, "store"
        )

    assert (iterations.total(), max(iterations.values())) == (REQUESTS, 1)


async def calls_in_iterations(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    body: Any,
    headers: dict[str, str],
    owner: Any,
    name: str,
) -> Counter[int]:
    """Send equal requests at once; return how often each iteration called a function."""
    content, function = json.dumps(body).encode(), getattr(owner, name)
    iteration, calls, numbers = 0, Counter[int](), itertools.count()

    def count(*args: Any, **more: Any) -> Any:
        calls[iteration] += 1
        return function(*args, **more)

    async def post(times: int) -> None:
        contents = [content + b" " * next(numbers) for _ in range(times)]  # none is cached
        await asyncio.gather(*(post_body(gateway, each, **headers) for each in contents))

    for _ in range(3):
        await post(1)  # the document and the rows are cached from now on
    monkeypatch.setattr(owner, name, count)
    monkeypatch.setattr(turns.Turns, "steps_of_all", 0)

    posting = asyncio.ensure_future(post(REQUESTS))
    while not posting.done():
        await asyncio.sleep(0)
        iteration += 1
    await posting
    return calls


async def test_a_list_whose_rows_are_cached_is_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait among long work, however many fields its rows have."""
    query = "{ chatSessions(limit: 1000) { id status statusGroup customerName whenRequested } }"
    sessions = json.loads(SESSIONS_AS_JSON)[:1_000]
    async with gateway_over(RestSide(sessions), cache_ttl=3_600) as gateway:
        for number in range(3):
            await gateway.ask(query, {"n": number})
        long_turn = AsyncMock()
        monkeypatch.setattr(turns, "next_turn", long_turn)
        await gateway.ask(query, {"n": 3})

    assert not long_turn.await_count


@pytest.mark.parametrize("headers", [{}, CREDENTIALS], ids=["no credentials", "credentials"])
async def test_a_selection_is_planned_for_an_authenticated_client_alone(
    large: Gateway, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan takes time and memory: strangers cannot have any made."""
    planned = Counter[str]()

    def plan(planner: Planner, kind: Any, nodes: Any) -> Any:
        planned[kind.name] += 1
        return make_plan(planner, kind, nodes)

    make_plan = Planner.plan
    monkeypatch.setattr(Planner, "plan", plan)
    query = "query ($n: [String!]) { chatSessions { user { customFields(names: $n) { name } } } }"

    for name in ("a", "b"):
        await large.post(query, {"n": [name]}, headers)

    assert planned == (Counter(ChatSession=2) if headers else {})


async def test_line_ends_do_not_make_errors_slow(large: Gateway) -> None:
    """The place of each error is found without a search for every line end before it."""
    body = json.dumps({"query": "\n" * 9_000 + query_of(20, "chatSessions { id }")}).encode()
    counter = CallCounter()

    answer = await counter.run(post_body(large, body))

    assert answer.json()["errors"][0]["locations"] == [{"line": 9_001, "column": 2}]
    assert sum(counter.calls) < 60_000


async def test_the_languages_of_a_user_take_turns_as_one(large: Gateway) -> None:
    """Long work is counted as the user's, in whatever language."""
    known = set(turns._KNOWN)
    for language in ("en", "nb", "de"):
        headers = {"Authorization": "Bearer polyglot", "Accept-Language": language}
        await large.post("{ chatSession(chatSessionId: 1) { id } }", headers=headers)

    assert len(set(turns._KNOWN) - known) == 1


WALLBOARD = """{
  all: chatSessionSummary { total byStatus { status count } byAgent { agent { id } count live } }
  live: chatSessionSummary(filter: {statusGroup: {in: [LIVE]}}) { total byTopic { count waiting } }
  some: chatSessionSummary(filter: {topicId: {in: [1, 2]}}) { longestWaitSeconds }
  queue: chatSessions(filter: {status: {in: [IN_QUEUE]}}, orderBy: {whenRequested: ASC}, limit: 50)
    { id customerName waitSeconds }
  open: chatSessions(filter: {statusGroup: {in: [LIVE]}, assigned: true}, limit: 50) { id }
  found: chatSessions(filter: {search: "bjorn 7"}, orderBy: {customerName: DESC}) { id }
  handed: chatSessions(filter: {transferPending: true}) { id transferTo { id } }
  newest: chatSessionConnection(first: 50, orderBy: {whenRequested: DESC}) { edges { cursor } }
  since: chatSessionConnection(first: 50, filter: {whenRequested: {from: "2026-11-10T00:00:00Z"}})
    { totalCount edges { node { id } } }
  alarmed: chatSessionConnection(filter: {alertLevel: {min: 1}}, orderBy: {alertLevel: DESC})
    { totalCount }
}"""


async def test_a_wallboard_over_10_000_sessions_lets_other_requests_run(
    large: Gateway,
) -> None:
    """A wallboard of ten widgets is answered, in more than a hundred turns of the event loop."""
    counter = CallCounter()

    data = await counter.run(large.ask(WALLBOARD))

    assert data["all"]["total"] == SESSIONS
    assert len(data["found"]) == 1_100
    assert max(counter.calls) <= MOST_CALLS
    assert len(counter.calls) > 100


async def test_nine_thousand_errors_let_other_requests_run() -> None:
    """Each field error of a long answer gets its code in a turn."""
    session = {"Rank": "odd", "TopicId": "odd", "AlertLevel": "odd"}
    sessions = [{"ChatSessionId": n, **session} for n in range(1, 3_001)]
    async with with_one_answered(json.dumps(sessions).encode()) as gateway:
        counter = CallCounter()

        answer = await counter.run(gateway.post("{ chatSessions { rank topicId alertLevel } }"))

    assert len(answer.json()["errors"]) == 9_000
    assert max(counter.calls) <= 25_000  # the codes of all errors take 190,000


async def test_a_deadline_stops_a_long_query(large: Gateway) -> None:
    """A deadline stops a long query, and frees what the next request needs."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await large.http.post("/graphql", json={"query": WALLBOARD}, headers=CREDENTIALS)

    assert (await large.ask("{ chatSession(chatSessionId: 5) { topicId } }")) == {
        "chatSession": {"topicId": 5}
    }
