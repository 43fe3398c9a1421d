"""Global ids: `node` finds every object that has one, and nothing else."""

import base64
import json
from typing import Any

import httpx
import pytest

from gateway.schema.declare.nodes import global_id
from gateway.schema.selecting import columns
from tests.demo.asking import JONAS, KARI, sessions_of
from tests.schema.selecting.desk import Desk, Json, record, records
from tests.support import gateway_over

TYPES = {
    "user": ("User", "Associate", "AssociateId"),
    "transferTo": ("TransferTo", "Associate", "AssociateId"),
    "person": ("Person", "Person", "PersonId"),
    "contact": ("Contact", "Contact", "ContactId"),
    "project": ("Project", "Project", "ProjectId"),
    "sale": ("Sale", "Sale", "SaleId"),
    "ticket": ("Ticket", "Ticket", "TicketId"),
}
EVERYTHING = (
    f"{{ chatSessions {{ id __typename {' '.join(f'{t} {{ id __typename }}' for t in TYPES)} }} }}"
)
NODE = "query ($id: ID!) { node(id: $id) { id __typename } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }"


def encoded(text: str) -> str:
    """Write an id as an attacker would."""
    return base64.b64encode(text.encode()).decode()


async def entities(desk: Desk) -> list[Json]:
    """Return id and type of all objects of a desk, without duplicates."""
    nodes_by_id: dict[str, Json] = {}
    for session in (await desk.ask(EVERYTHING))["chatSessions"]:
        for entity in [session, *(session[link] for link in TYPES)]:
            if entity:
                node = {"id": entity["id"], "__typename": entity["__typename"]}
                assert nodes_by_id.setdefault(entity["id"], node) == node
    return list(nodes_by_id.values())


@pytest.fixture
async def desk() -> Desk:
    """Return the demo's sessions, with every type of record."""
    return Desk(await sessions_of(KARI, sessions=60))


async def test_every_object_is_found_by_its_id(desk: Desk) -> None:
    """All objects of the demo are returned in the order of the ids."""
    known = await entities(desk)

    results: list[Any] = []
    for start in range(0, len(known), 100):
        ids = [entity["id"] for entity in known[start : start + 100]]
        results += (await desk.ask(NODES, {"ids": ids}))["nodes"]

    assert results == known
    assert {entity["__typename"] for entity in known} == {
        "ChatSession",
        *(type_name for _, type_name, _ in TYPES.values()),
    }


async def test_node_and_nodes_return_the_same(desk: Desk) -> None:
    """One object of each type is queried with both."""
    one_each = {entity["__typename"]: entity for entity in await entities(desk)}

    for entity in one_each.values():
        assert (await desk.ask(NODE, {"id": entity["id"]}))["node"] == entity


@pytest.mark.parametrize("link", TYPES)
async def test_a_node_has_all_the_fields_of_its_type(link: str) -> None:
    """Clients refetch an object with a fragment on its type."""
    rest, type_name, key = TYPES[link]
    field = key[0].lower() + key[1:]
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ {field} }} }} }}"

    data = await Desk([{rest: {key: 7}}]).ask(query, {"id": encoded(f"{type_name}:7")})

    assert data == {"node": {field: 7}}


@pytest.mark.parametrize(
    "node_id",
    [
        "",
        "garbage",
        "größer",
        "7",
        "====",
        "/w==",
        encoded(":"),
        encoded("ChatSession"),
        encoded("ChatSession:"),
        encoded("ChatSession:2"),
        encoded("ChatSession:01"),
        encoded("ChatSession: 1"),
        encoded("ChatSession:1:1"),
        encoded("ChatSession:None"),
        encoded("chatsession:1"),
        encoded("Associate:1"),
        encoded("Query:1"),
        encoded("TableRight:1"),
        encoded("__Type:1"),
        encoded("Person:0"),
        encoded("ChatSession:1").rstrip("="),
        encoded("ChatSession:1") + "\n",
        pytest.param("A" * 100_000, id="long"),
    ],
)
async def test_any_other_id_is_null(node_id: str) -> None:
    """Garbage, other types, other keys and other spellings are null without an error."""
    desk = Desk([{"ChatSessionId": 1, "Person": {"PersonId": 0, "Firstname": "Ada"}}])

    assert await desk.ask(NODE, {"id": node_id}) == {"node": None}
    assert await desk.ask(NODES, {"ids": [node_id]}) == {"nodes": [None]}


async def test_an_id_may_be_repeated() -> None:
    """The answer has a place for each id."""
    good, bad = encoded("ChatSession:1"), encoded("ChatSession:2")

    data = await Desk([{"ChatSessionId": 1}]).ask(NODES, {"ids": [good, bad, good]})

    assert [node and node["id"] for node in data["nodes"]] == [good, None, good]


async def test_no_ids_have_an_empty_answer() -> None:
    """An empty list of ids is answered by an empty list."""
    assert await Desk([{}]).ask(NODES, {"ids": []}) == {"nodes": []}


async def test_a_hundred_ids_are_answered() -> None:
    """A hundred is the limit."""
    data = await Desk([{"ChatSessionId": 1}]).ask(NODES, {"ids": [encoded("ChatSession:1")] * 100})

    assert len(data["nodes"]) == 100
    assert None not in data["nodes"]


async def test_more_ids_are_refused_before_a_rest_call() -> None:
    """The message has the limit."""
    desk = Desk([{}])

    error = await desk.refusal(NODES, {"ids": ["x"] * 101})

    assert error == "`ids` may have 100 entries at most, not 101."
    assert desk.calls == 0


async def test_any_number_of_ids_needs_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions are visited once for all ids and all fields."""
    desk = Desk([{"Person": {"PersonId": 5}}, {"Person": {"PersonId": 6}}])
    ids = [encoded(f"Person:{key}") for key in (6, 5, 6)]
    names_read: list[Any] = []
    make = columns.reader

    def counted(name: str) -> Any:
        def reader(session: Any) -> object:
            names_read.append(name)
            return make(name)(session)

        return reader

    monkeypatch.setattr(columns, "reader", counted)
    query = NODES.replace("nodes(", "again: nodes(ids: $ids) { id } nodes(", 1)

    data = await desk.ask(query, {"ids": ids})

    assert [node["id"] for node in data["nodes"]] == ids
    assert names_read == ["person.node"] * 2


async def test_another_callers_session_is_not_found() -> None:
    """An id gives no access: only the caller's own snapshot is searched."""
    answers = {
        user.authorization_basic: await sessions_of(user, sessions=20) for user in (KARI, JONAS)
    }

    def rest(request: httpx.Request) -> httpx.Response:
        body = answers[request.headers["authorization"]]
        return httpx.Response(200, json=body)

    mine = {session["ChatSessionId"] for session in answers[KARI.authorization_basic]}
    theirs = {session["ChatSessionId"] for session in answers[JONAS.authorization_basic]} - mine
    ids = [encoded(f"ChatSession:{key}") for key in theirs]
    nodes_by_user = {}

    async with gateway_over(rest) as gateway:
        for user in (JONAS, KARI):
            headers = {"Authorization": user.authorization_basic}
            answer = await gateway.post(NODES, {"ids": ids}, headers)
            nodes_by_user[user.login] = answer.json()["data"]["nodes"]

    assert [node["id"] for node in nodes_by_user[JONAS.login]] == ids
    assert nodes_by_user[KARI.login] == [None] * len(ids)


def test_an_id_is_its_type_and_key() -> None:
    """An id stays the same in all answers, even when the object changes."""
    early = record(ChatSessionId=7, Status="InQueue")
    late = record(ChatSessionId=7, Status="Closed")

    assert global_id(early) == global_id(late) == encoded("ChatSession:7")


def test_a_negative_key_is_valid() -> None:
    """SuperOffice Service has negative keys."""
    assert global_id(record(Ticket={"TicketId": -1}).ticket) == encoded("Ticket:-1")


NO_KEY: list[Json] = [{"PersonId": 0}, {"PersonId": None}, {}, {"PersonId": "odd"}]


@pytest.mark.parametrize("key", NO_KEY, ids=["0", "null", "missing", "malformed"])
def test_records_without_a_key_have_different_ids(key: Json) -> None:
    """A client's cache must not confuse two persons."""
    ada, grace = records(
        {"Person": {**key, "Firstname": "Ada"}}, {"Person": {**key, "Firstname": "Grace"}}
    )

    assert global_id(ada.person) != global_id(grace.person)


def test_sessions_without_a_key_have_different_ids() -> None:
    """The content of the sessions makes the difference."""
    one, other = records(
        {"ChatSessionId": None, "CustomerName": "Ada"}, {"ChatSessionId": "x", "TopicId": 2}
    )

    assert global_id(one) != global_id(other)


async def test_a_record_without_a_key_is_found_too() -> None:
    """The record is found by the id in the answer."""
    desk = Desk([{"Person": {"PersonId": 0, "Firstname": "Ada"}}])
    person = (await desk.ask(EVERYTHING))["chatSessions"][0]["person"]

    assert (await desk.ask(NODE, {"id": person["id"]}))["node"] == person


RIGHTS = {"Fax": {"FieldType": "System.String"}, "Email": {"FieldType": "System.String"}}
ADDRESS = {"LocalizedAddress": [[{"Name": "City", "FieldProperties": RIGHTS}]], "Formatted": "x"}


@pytest.mark.parametrize(
    ("link", "linked"),
    [
        ("Person", {"PersonId": 0, "Firstname": "Ada", "FieldProperties": RIGHTS}),
        (
            "Contact",
            {"ContactId": 0, "Name": "X", "Address": {**ADDRESS, "FieldProperties": RIGHTS}},
        ),
    ],
)
async def test_the_id_of_a_record_without_a_key_is_stable(link: str, linked: Json) -> None:
    """Neither earlier reads of the snapshot nor the order of properties change it."""
    field = link.lower()
    properties = "fieldProperties { name }"
    inner = f"address {{ {properties} localizedAddress {{ {properties} }} }}"
    query = f"""{{
      before: chatSessions {{ {field} {{ id }} }}
      reading: chatSessions {{ {field} {{ {properties} {inner if link == "Contact" else ""} }} }}
      after: chatSessions {{ {field} {{ id }} }}
    }}"""

    data = await Desk([{link: linked}]).ask(query)
    text = json.dumps([{link: dict(reversed(linked.items()))}])
    again = await Desk(json.loads(text)).ask(f"{{ chatSessions {{ {field} {{ id }} }} }}")

    assert data["before"] == data["after"] == again["chatSessions"]
