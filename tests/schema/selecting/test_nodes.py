"""Global ids: whatever has one is found again by it, and nothing else is."""

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
    """Return the id and type of everything in a desk, each once."""
    found: dict[str, Json] = {}
    for session in (await desk.ask(EVERYTHING))["chatSessions"]:
        for entity in [session, *(session[link] for link in TYPES)]:
            if entity:
                node = {"id": entity["id"], "__typename": entity["__typename"]}
                assert found.setdefault(entity["id"], node) == node
    return list(found.values())


@pytest.fixture
async def desk() -> Desk:
    """Return the demo's desk, where every type of record occurs."""
    return Desk(await sessions_of(KARI, sessions=60))


async def test_everything_is_found_again_as_what_it_is(desk: Desk) -> None:
    """All entities of a lively desk, in the order asked for."""
    known = await entities(desk)

    found: list[Any] = []
    for start in range(0, len(known), 100):
        ids = [entity["id"] for entity in known[start : start + 100]]
        found += (await desk.ask(NODES, {"ids": ids}))["nodes"]

    assert found == known
    assert {entity["__typename"] for entity in known} == {
        "ChatSession",
        *(type_name for _, type_name, _ in TYPES.values()),
    }


async def test_one_of_each_type_is_found_by_itself(desk: Desk) -> None:
    """`node` gives what `nodes` gives."""
    one_each = {entity["__typename"]: entity for entity in await entities(desk)}

    for entity in one_each.values():
        assert (await desk.ask(NODE, {"id": entity["id"]}))["node"] == entity


@pytest.mark.parametrize("link", TYPES)
async def test_a_node_has_all_the_fields_of_its_type(link: str) -> None:
    """A client refetches what it has, by a fragment on its type."""
    rest, type_name, key = TYPES[link]
    field = key[0].lower() + key[1:]
    query = f"query ($id: ID!) {{ node(id: $id) {{ ... on {type_name} {{ {field} }} }} }}"

    found = await Desk([{rest: {key: 7}}]).ask(query, {"id": encoded(f"{type_name}:7")})

    assert found == {"node": {field: 7}}


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
async def test_any_other_id_finds_nothing(node_id: str) -> None:
    """Garbage, other types, other keys and other spellings: null, and no error."""
    desk = Desk([{"ChatSessionId": 1, "Person": {"PersonId": 0, "Firstname": "Ada"}}])

    assert await desk.ask(NODE, {"id": node_id}) == {"node": None}
    assert await desk.ask(NODES, {"ids": [node_id]}) == {"nodes": [None]}


async def test_an_id_may_be_asked_for_twice_and_beside_others() -> None:
    """The answer has a place for each."""
    good, bad = encoded("ChatSession:1"), encoded("ChatSession:2")

    found = await Desk([{"ChatSessionId": 1}]).ask(NODES, {"ids": [good, bad, good]})

    assert [node and node["id"] for node in found["nodes"]] == [good, None, good]


async def test_no_ids_find_nothing() -> None:
    """An empty list is answered by an empty list."""
    assert await Desk([{}]).ask(NODES, {"ids": []}) == {"nodes": []}


async def test_a_hundred_ids_are_answered() -> None:
    """The most that may be asked for."""
    found = await Desk([{"ChatSessionId": 1}]).ask(NODES, {"ids": [encoded("ChatSession:1")] * 100})

    assert len(found["nodes"]) == 100
    assert None not in found["nodes"]


async def test_more_ids_are_refused_before_rest_is_called() -> None:
    """The message says how many there may be."""
    desk = Desk([{}])

    told = await desk.refusal(NODES, {"ids": ["x"] * 101})

    assert told == "`ids` may have 100 entries at most, not 101."
    assert desk.calls == 0


async def test_any_number_of_ids_costs_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions are gone through once, whatever is looked for and how often."""
    desk = Desk([{"Person": {"PersonId": 5}}, {"Person": {"PersonId": 6}}])
    ids = [encoded(f"Person:{key}") for key in (6, 5, 6)]
    read: list[Any] = []
    make = columns.reader

    def counted(name: str) -> Any:
        def reader(session: Any) -> object:
            read.append(name)
            return make(name)(session)

        return reader

    monkeypatch.setattr(columns, "reader", counted)
    query = NODES.replace("nodes(", "again: nodes(ids: $ids) { id } nodes(", 1)

    found = await desk.ask(query, {"ids": ids})

    assert [node["id"] for node in found["nodes"]] == ids
    assert read == ["person.node"] * 2


async def test_another_callers_session_is_not_found() -> None:
    """An id is no key to anything: the caller's own snapshot is all there is to find."""
    answers = {
        user.authorization_basic: await sessions_of(user, sessions=20) for user in (KARI, JONAS)
    }

    def rest(request: httpx.Request) -> httpx.Response:
        body = answers[request.headers["authorization"]]
        return httpx.Response(200, json=body)

    mine = {session["ChatSessionId"] for session in answers[KARI.authorization_basic]}
    theirs = {session["ChatSessionId"] for session in answers[JONAS.authorization_basic]} - mine
    ids = [encoded(f"ChatSession:{key}") for key in theirs]
    found = {}

    async with gateway_over(rest) as gateway:
        for user in (JONAS, KARI):
            headers = {"Authorization": user.authorization_basic}
            answer = await gateway.post(NODES, {"ids": ids}, headers)
            found[user.login] = answer.json()["data"]["nodes"]

    assert [node["id"] for node in found[JONAS.login]] == ids
    assert found[KARI.login] == [None] * len(ids)


def test_an_id_is_its_type_and_key() -> None:
    """So it stays the same from answer to answer, whatever else changes."""
    early = record(ChatSessionId=7, Status="InQueue")
    late = record(ChatSessionId=7, Status="Closed")

    assert global_id(early) == global_id(late) == encoded("ChatSession:7")


def test_a_negative_key_is_a_key() -> None:
    """Service has them."""
    assert global_id(record(Ticket={"TicketId": -1}).ticket) == encoded("Ticket:-1")


NO_KEY: list[Json] = [{"PersonId": 0}, {"PersonId": None}, {}, {"PersonId": "odd"}]


@pytest.mark.parametrize("key", NO_KEY, ids=["0", "null", "missing", "malformed"])
def test_records_without_a_key_are_told_apart(key: Json) -> None:
    """A client's cache must not take one person for another."""
    ada, grace = records(
        {"Person": {**key, "Firstname": "Ada"}}, {"Person": {**key, "Firstname": "Grace"}}
    )

    assert global_id(ada.person) != global_id(grace.person)


def test_sessions_without_a_key_are_told_apart() -> None:
    """Even sessions."""
    one, other = records(
        {"ChatSessionId": None, "CustomerName": "Ada"}, {"ChatSessionId": "x", "TopicId": 2}
    )

    assert global_id(one) != global_id(other)


async def test_a_record_without_a_key_is_found_too() -> None:
    """By the id it was given."""
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
async def test_the_id_of_a_record_without_a_key_stays_what_it_is(link: str, linked: Json) -> None:
    """Whatever else was read of the same snapshot before, and in whichever order REST wrote it."""
    field = link.lower()
    properties = "fieldProperties { name }"
    inner = f"address {{ {properties} localizedAddress {{ {properties} }} }}"
    query = f"""{{
      before: chatSessions {{ {field} {{ id }} }}
      reading: chatSessions {{ {field} {{ {properties} {inner if link == "Contact" else ""} }} }}
      after: chatSessions {{ {field} {{ id }} }}
    }}"""

    told = await Desk([{link: linked}]).ask(query)
    text = json.dumps([{link: dict(reversed(linked.items()))}])
    again = await Desk(json.loads(text)).ask(f"{{ chatSessions {{ {field} {{ id }} }} }}")

    assert told["before"] == told["after"] == again["chatSessions"]
