"""Fields that the operator hides are not there, wherever one looks."""

from typing import Any

import pytest
from graphql import GraphQLObjectType

from gateway.errors import SettingsError
from gateway.schema.build import Schema, SchemaOptions, build_schema, sdl
from gateway.settings import Settings
from tests.schema.selecting.desk import Desk, Json
from tests.support import RestSide, gateway_over

SESSION = {
    "ChatSessionId": 1,
    "CustomerName": "Ada",
    "CustomerEmail": "ada@example.com",
    "SessionKey": "secret",
    "Contact": {"ContactId": 5, "Name": "Engines Ltd"},
    "User": {"AssociateId": 7, "FullName": "Kari"},
}
TYPE = "query ($name: String!) { __type(name: $name) { fields { name } inputFields { name } } }"


def schema_without(*hidden: str) -> Schema:
    """Build a schema without some fields."""
    return build_schema(SchemaOptions(hidden=frozenset(hidden)))


def desk_without(*hidden: str) -> Desk:
    """Return a desk whose schema lacks some fields."""
    return Desk([SESSION], schema=schema_without(*hidden))


async def names_in(desk: Desk, type_name: str) -> set[str]:
    """Return the names of a type's fields, as introspection gives them."""
    found = (await desk.ask(TYPE, {"name": type_name}))["__type"]
    return {field["name"] for field in found["fields"] or found["inputFields"]}


def fields_by_type() -> dict[str, list[str]]:
    """Return the fields that may be hidden, such as `Sale.amount`, by the name of their type."""
    kinds = build_schema()._schema.type_map.items()
    return {
        name: [f"{name}.{field}" for field in kind.fields if field != "id"]
        for name, kind in kinds
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__")
    }


FIELDS = fields_by_type()


async def test_a_hidden_field_is_unknown_to_introspection() -> None:
    """Tools that read the schema do not see it."""
    shown, hidden = Desk([]), desk_without("ChatSession.sessionKey", "ChatSession.customerHost")

    gone = await names_in(shown, "ChatSession") - await names_in(hidden, "ChatSession")

    assert gone == {"sessionKey", "customerHost"}


async def test_a_hidden_field_is_unknown_to_validation() -> None:
    """And the error does not suggest it."""
    desk = desk_without("ChatSession.sessionKey")

    for asked in ("sessionKey", "sessionKei"):
        (error,) = (await desk.answer(f"{{ chatSessions {{ {asked} }} }}")).errors

        assert error.extensions["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert error.message == f"Cannot query field '{asked}' on type 'ChatSession'."


def test_a_hidden_field_is_not_in_the_schemas_text() -> None:
    """Whoever generates code from it cannot ask for the field."""
    text = sdl(schema_without("ChatSession.sessionKey"))

    assert "sessionKey" in sdl()
    assert "sessionKey" not in text


async def test_the_gateway_serves_the_schema_without_hidden_fields(rest: RestSide) -> None:
    """At `/schema.graphql`, over HTTP and to queries."""
    hidden = " ChatSession.sessionKey , ChatSession.customerHost, "

    async with gateway_over(rest, hidden_fields=hidden) as gateway:
        text = (await gateway.http.get("/schema.graphql")).text
        answer = (await gateway.post("{ chatSessions { sessionKey } }")).json()

    assert not {"sessionKey", "customerHost"} & set(text.replace(":", " ").split())
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert rest.calls == 0


# Of each type the first field, but no field that alone leads to another type.
ONE_OF_EACH = {
    **{type_name: fields[0] for type_name, fields in FIELDS.items()},
    "ChatSessionConnection": "ChatSessionConnection.totalCount",
}


@pytest.fixture(scope="module")
def without_one_of_each() -> Schema:
    """Return a schema in which each type lacks one field."""
    return schema_without(*ONE_OF_EACH.values())


@pytest.mark.parametrize("type_name", FIELDS)
def test_every_field_can_be_hidden(type_name: str, without_one_of_each: Schema) -> None:
    """Of each type, connections and page infos too, as long as one is left."""
    kept = ONE_OF_EACH[type_name]
    hidden = [name for name in FIELDS[type_name] if name != kept]

    (left,) = fields_of(schema_without(*hidden), type_name)
    others = fields_of(without_one_of_each, type_name)

    assert left == kept
    assert others == [name for name in hidden if name != f"{kept}Raw"]


def fields_of(schema: Schema, type_name: str) -> list[str]:
    """Return what is left of a type's fields."""
    kind: Any = schema._schema.type_map[type_name]
    return [f"{type_name}.{field}" for field in kind.fields if field != "id"]


async def test_the_raw_text_of_an_enum_goes_with_it() -> None:
    """It would tell the same."""
    hidden = await names_in(desk_without("ChatSession.status"), "ChatSession")

    assert not {"status", "statusRaw"} & hidden


async def test_the_raw_text_can_be_hidden_alone() -> None:
    """The enum stays."""
    hidden = await names_in(desk_without("ChatSession.statusRaw"), "ChatSession")

    assert {"status", "statusRaw"} & hidden == {"status"}


@pytest.mark.parametrize(
    ("hidden", "part"),
    [
        ("status", "status"),
        ("statusGroup", "statusGroup"),
        ("chatSessionId", "chatSessionId"),
        ("topicId", "topicId"),
        ("user", "userId"),
        ("user", "assigned"),
        ("person", "personId"),
        ("contact", "contactId"),
        ("project", "projectId"),
        ("sale", "saleId"),
        ("ticket", "ticketId"),
        ("transferTo", "transferPending"),
        ("chatbotIsActive", "chatbotIsActive"),
        ("customerConsented", "customerConsented"),
        ("alertLevel", "alertLevel"),
        ("waitSeconds", "waitSeconds"),
        ("idleSeconds", "idleSeconds"),
        ("customerAwaySeconds", "customerAwaySeconds"),
        ("rating", "rating"),
        ("whenRequested", "whenRequested"),
        ("whenStarted", "whenStarted"),
        ("whenEnded", "whenEnded"),
        ("whenIdle", "whenIdle"),
    ],
)
async def test_a_filter_over_a_hidden_field_goes_with_it(hidden: str, part: str) -> None:
    """Asking whether it is this or that would give it away."""
    desk = desk_without(f"ChatSession.{hidden}")

    assert part in await names_in(Desk([]), "ChatSessionFilter")
    assert part not in await names_in(desk, "ChatSessionFilter")


async def test_every_key_to_sort_by_goes_with_its_field() -> None:
    """The order would give it away; each key has the name of what it sorts by."""
    keys = await names_in(Desk([]), "ChatSessionOrder")
    gone = sorted(keys - {"topicId"})

    desk = desk_without(*(f"ChatSession.{key}" for key in gone))

    assert await names_in(desk, "ChatSessionOrder") == {"topicId"}


async def test_the_other_parts_of_a_filter_stay() -> None:
    """Hiding a field takes away no more than what is over it."""
    before = await names_in(Desk([]), "ChatSessionFilter")
    after = await names_in(desk_without("ChatSession.user"), "ChatSessionFilter")

    assert before - after == {"userId", "assigned"}


@pytest.mark.parametrize(
    ("hidden", "found"),
    [
        ([], True),
        (["ChatSession.customerEmail"], False),
        (["ChatSession.customerName"], True),
        (["ChatSession.customerEmail", "ChatSession.customerName"], False),
    ],
)
async def test_a_hidden_field_is_not_searched(
    rest: RestSide, hidden: list[str], found: bool
) -> None:
    """A search would find it out, letter by letter."""
    rest.body = [SESSION]
    query = '{ chatSessions(filter: {search: "@example"}) { __typename } }'

    async with gateway_over(rest, hidden_fields=",".join(hidden)) as gateway:
        data = await gateway.ask(query)

    assert len(data["chatSessions"]) == found


async def test_with_all_texts_hidden_a_search_finds_nothing() -> None:
    """Empty text still matches everything."""
    texts = ["Name", "Alias", "Email", "Phone", "CompanyName"]
    hidden = [f"customer{text}" for text in texts] + ["firstMessage", "lastMessage"]
    desk = desk_without(*(f"ChatSession.{name}" for name in hidden))
    query = "query ($s: String) { chatSessions(filter: {search: $s}) { id } }"

    assert await desk.ask(query, {"s": "a"}) == {"chatSessions": []}
    assert len((await desk.ask(query, {"s": ""}))["chatSessions"]) == 1


@pytest.mark.parametrize(
    ("hidden", "node_id"),
    [
        ("ChatSession.contact", "Q29udGFjdDo1"),  # Contact:5
        ("ChatSession.user", "QXNzb2NpYXRlOjc="),  # Associate:7
    ],
)
async def test_a_record_behind_a_hidden_field_is_not_found_by_its_id(
    rest: RestSide, hidden: str, node_id: str
) -> None:
    """An id can be made up, so `node` must not be a way around."""
    rest.body = [SESSION]
    query = "query ($id: ID!) { node(id: $id) { __typename } nodes(ids: [$id]) { __typename } }"

    async with gateway_over(rest) as gateway:
        shown: Json = await gateway.ask(query, {"id": node_id})
    async with gateway_over(rest, hidden_fields=hidden) as gateway:
        found: Json = await gateway.ask(query, {"id": node_id})

    assert shown["node"] is not None
    assert found == {"node": None, "nodes": [None]}


async def test_fields_of_other_types_can_be_hidden() -> None:
    """Wherever the type occurs."""
    desk = desk_without("Associate.fullName", "FieldRight.mask", "Query.nodes")

    assert "fullName" not in await names_in(desk, "Associate")
    assert "mask" not in await names_in(desk, "FieldRight")
    assert "nodes" not in await names_in(desk, "Query")
    assert await desk.ask("{ chatSessions { user { associateId } } }") == {
        "chatSessions": [{"user": {"associateId": 7}}]
    }


def test_a_type_that_nothing_leads_to_is_gone() -> None:
    """With `ChatSession.contact` goes `Contact`, and what only it leads to."""
    text = sdl(schema_without("ChatSession.contact"))

    assert not {"type Contact implements Node {", "type Address {"} & set(text.splitlines())


NOT_HIDDEN = "GATEWAY_HIDDEN_FIELDS={}: there is no such field that can be hidden; {}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ChatSession.sessionkey", "did you mean ChatSession.sessionKey?"),
        ("ChatSession.SessionKey", "did you mean ChatSession.sessionKey?"),
        ("Chatsession.sessionKey", "did you mean ChatSession.sessionKey?"),
        ("chat_session.session_key", "did you mean ChatSession.sessionKey?"),
        ("ChatSession.customerHosts", "did you mean ChatSession.customerHost?"),
        ("ChatSession.id", None),
        ("Node.id", None),
        ("ChatSession", None),
        ("sessionKey", "did you mean ChatSession.sessionKey?"),
        ("secrets", "a name is written like ChatSession.sessionKey"),
        ("*", "a name is written like ChatSession.sessionKey"),
        ("ChatSessionFilter.search", None),
        ("ChatSessionStatus.CLOSED", None),
        ("__Type.name", None),
    ],
)
def test_a_name_that_cannot_be_hidden_stops_the_start(name: str, hint: str | None) -> None:
    """One line that says which name, and the nearest one where there is a near one."""
    with pytest.raises(SettingsError) as refused:
        build_schema(SchemaOptions(hidden=frozenset(["ChatSession.customerHost", name])))

    told = str(refused.value)
    assert told.startswith(NOT_HIDDEN.format(name, ""))
    assert "\n" not in told
    assert hint is None or told == NOT_HIDDEN.format(name, hint)


async def test_the_gateway_does_not_start_with_a_wrong_name(rest: RestSide) -> None:
    """The operator sees it at once, not when a secret has been read."""
    with pytest.raises(SettingsError, match=r"did you mean ChatSession\.sessionKey"):
        await gateway_over(rest, hidden_fields="ChatSession.sesionKey").__aenter__()


@pytest.mark.parametrize(
    "type_name", ["TableRight", "CustomField", "PageInfo", "ChatSessionEdge", "Query"]
)
def test_a_type_cannot_lose_all_its_fields(type_name: str) -> None:
    """GraphQL has no empty types; one line says what to do instead."""
    with pytest.raises(SettingsError) as refused:
        build_schema(SchemaOptions(hidden=frozenset(FIELDS[type_name])))

    told = str(refused.value)
    assert told.endswith(
        "a type would have no fields left; hide the field that leads to it instead"
    )
    assert "\n" not in told


def test_the_last_key_to_sort_by_cannot_go() -> None:
    """An input type cannot be empty either."""
    fields: Any = build_schema()._schema.type_map["ChatSessionOrder"]
    names = [f"ChatSession.{name}" for name in fields.fields]

    with pytest.raises(SettingsError, match="no fields left"):
        build_schema(SchemaOptions(hidden=frozenset(names)))


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("", set()),
        (" , ,", set()),
        ("ChatSession.sessionKey", {"ChatSession.sessionKey"}),
        (" Sale.amount ,Sale.earning,", {"Sale.amount", "Sale.earning"}),
    ],
)
def test_names_are_a_list_with_commas(written: str, names: set[str]) -> None:
    """Spaces and empty places do not matter."""
    settings = Settings.load(upstream_url="http://rest.invalid", hidden_fields=written)

    assert settings.hidden_fields == names


@pytest.mark.parametrize("zone", ["Oslo", "europe/oslo", "+01:00", "NO", "../etc/passwd"])
def test_a_zone_that_does_not_exist_stops_the_start(zone: str) -> None:
    """SuperOffice's own codes are not understood, and nothing is guessed."""
    with pytest.raises(SettingsError) as refused:
        Settings.load(upstream_url="http://rest.invalid", time_zone=zone)

    assert str(refused.value) == (
        f'GATEWAY_TIME_ZONE="{zone}": it must be the name of a zone in the IANA database; '
        "for example GATEWAY_TIME_ZONE=Europe/Oslo"
    )
