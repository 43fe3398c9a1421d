"""Fields that the operator hides cannot be read or inferred in any way."""

from typing import Any

import pytest
from graphql import GraphQLObjectType

from gateway.errors import SettingsError
from gateway.schema.build import Schema, SchemaOptions, build_schema, sdl
from gateway.settings import Settings
from tests.schema.asking import SCHEMA
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
    """Return the names of a type's fields from introspection."""
    kind = (await desk.ask(TYPE, {"name": type_name}))["__type"]
    return {field["name"] for field in kind["fields"] or kind["inputFields"]}


def fields_by_type() -> dict[str, list[str]]:
    """Return the fields that can be hidden, such as `Sale.amount`, by the name of their type."""
    kinds = SCHEMA._schema.type_map.items()
    return {
        name: [f"{name}.{field}" for field in kind.fields if field != "id"]
        for name, kind in kinds
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__")
    }


FIELDS = fields_by_type()


async def test_a_hidden_field_is_unknown_to_introspection() -> None:
    """Tools that read the schema do not get it."""
    shown, hidden = Desk([]), desk_without("ChatSession.sessionKey", "ChatSession.customerHost")

    gone = await names_in(shown, "ChatSession") - await names_in(hidden, "ChatSession")

    assert gone == {"sessionKey", "customerHost"}


async def test_a_hidden_field_is_unknown_to_validation() -> None:
    """The error for a hidden field does not suggest it either."""
    desk = desk_without("ChatSession.sessionKey")

    for field in ("sessionKey", "sessionKei"):
        (error,) = (await desk.answer(f"{{ chatSessions {{ {field} }} }}")).errors

        assert error.extensions["code"] == "GRAPHQL_VALIDATION_FAILED"
        assert error.message == f"Cannot query field '{field}' on type 'ChatSession'."


def test_a_hidden_field_is_not_in_the_schemas_text() -> None:
    """Generated code cannot select the field."""
    text = sdl(schema_without("ChatSession.sessionKey"))

    assert "sessionKey" in sdl()
    assert "sessionKey" not in text


async def test_the_gateway_serves_the_schema_without_hidden_fields(rest: RestSide) -> None:
    """Neither `/schema.graphql` nor queries have hidden fields."""
    hidden = " ChatSession.sessionKey , ChatSession.customerHost, "

    async with gateway_over(rest, hidden_fields=hidden) as gateway:
        text = (await gateway.http.get("/schema.graphql")).text
        answer = (await gateway.post("{ chatSessions { sessionKey } }")).json()

    assert not {"sessionKey", "customerHost"} & set(text.replace(":", " ").split())
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert rest.calls == 0


# The first field of each type, except fields that are the only way to another type.
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
    """All fields but one can be hidden of each type, including connections and page infos."""
    visible = ONE_OF_EACH[type_name]
    hidden = [name for name in FIELDS[type_name] if name != visible]

    (remaining,) = fields_of(schema_without(*hidden), type_name)
    others = fields_of(without_one_of_each, type_name)

    assert remaining == visible
    assert others == [name for name in hidden if name != f"{visible}Raw"]


def fields_of(schema: Schema, type_name: str) -> list[str]:
    """Return the remaining fields of a type."""
    kind: Any = schema._schema.type_map[type_name]
    return [f"{type_name}.{field}" for field in kind.fields if field != "id"]


async def test_hiding_an_enum_hides_its_raw_field() -> None:
    """The raw field has the same information."""
    hidden = await names_in(desk_without("ChatSession.status"), "ChatSession")

    assert not {"status", "statusRaw"} & hidden


async def test_a_raw_field_can_be_hidden_alone() -> None:
    """The enum field stays."""
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
async def test_hiding_a_field_hides_its_filters(hidden: str, part: str) -> None:
    """Filtering by guesses would reveal the value."""
    desk = desk_without(f"ChatSession.{hidden}")

    assert part in await names_in(Desk([]), "ChatSessionFilter")
    assert part not in await names_in(desk, "ChatSessionFilter")


async def test_hiding_a_field_hides_its_sort_key() -> None:
    """The order would reveal values; each sort key has the name of its field."""
    keys = await names_in(Desk([]), "ChatSessionOrder")
    gone = sorted(keys - {"topicId"})

    desk = desk_without(*(f"ChatSession.{key}" for key in gone))

    assert await names_in(desk, "ChatSessionOrder") == {"topicId"}


async def test_the_other_parts_of_a_filter_stay() -> None:
    """Hiding a field removes only the parts about that field."""
    before = await names_in(Desk([]), "ChatSessionFilter")
    after = await names_in(desk_without("ChatSession.user"), "ChatSessionFilter")

    assert before - after == {"userId", "assigned"}


@pytest.mark.parametrize(
    ("hidden", "is_match"),
    [
        ([], True),
        (["ChatSession.customerEmail"], False),
        (["ChatSession.customerName"], True),
        (["ChatSession.customerEmail", "ChatSession.customerName"], False),
    ],
)
async def test_a_hidden_field_is_not_searched(
    rest: RestSide, hidden: list[str], is_match: bool
) -> None:
    """A search would reveal a hidden field letter by letter."""
    rest.body = [SESSION]
    query = '{ chatSessions(filter: {search: "@example"}) { __typename } }'

    async with gateway_over(rest, hidden_fields=",".join(hidden)) as gateway:
        data = await gateway.ask(query)

    assert len(data["chatSessions"]) == is_match


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
    """Ids can be guessed, so `node` must not bypass the setting."""
    rest.body = [SESSION]
    query = "query ($id: ID!) { node(id: $id) { __typename } nodes(ids: [$id]) { __typename } }"

    async with gateway_over(rest) as gateway:
        visible_data: Json = await gateway.ask(query, {"id": node_id})
    async with gateway_over(rest, hidden_fields=hidden) as gateway:
        hidden_data: Json = await gateway.ask(query, {"id": node_id})

    assert visible_data["node"] is not None
    assert hidden_data == {"node": None, "nodes": [None]}


async def test_fields_of_other_types_can_be_hidden() -> None:
    """A field is hidden wherever its type occurs."""
    desk = desk_without("Associate.fullName", "FieldRight.mask", "Query.nodes")

    assert "fullName" not in await names_in(desk, "Associate")
    assert "mask" not in await names_in(desk, "FieldRight")
    assert "nodes" not in await names_in(desk, "Query")
    assert await desk.ask("{ chatSessions { user { associateId } } }") == {
        "chatSessions": [{"user": {"associateId": 7}}]
    }


def test_an_unreachable_type_is_removed() -> None:
    """Hiding `ChatSession.contact` removes `Contact`, and types used only by it."""
    text = sdl(schema_without("ChatSession.contact"))

    assert not {"type Contact implements Node {", "type Address {"} & set(text.splitlines())


NOT_HIDDEN = "GATEWAY_HIDDEN_FIELDS={}: there is no such field, or it cannot be hidden; {}"
NO_HINT = "a name is written like ChatSession.sessionKey"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ChatSession.sessionkey", "did you mean ChatSession.sessionKey?"),
        ("ChatSession.SessionKey", "did you mean ChatSession.sessionKey?"),
        ("Chatsession.sessionKey", "did you mean ChatSession.sessionKey?"),
        ("chat_session.session_key", "did you mean ChatSession.sessionKey?"),
        ("ChatSession.customerHosts", "did you mean ChatSession.customerHost?"),
        ("ChatSession.nope", NO_HINT),
        ("ChatSession.id", NO_HINT),
        ("Node.id", NO_HINT),
        ("ChatSession", NO_HINT),
        ("sessionKey", "did you mean ChatSession.sessionKey?"),
        ("secrets", NO_HINT),
        ("*", NO_HINT),
        ("ChatSessionFilter.search", NO_HINT),
        ("ChatSessionStatus.CLOSED", NO_HINT),
        ("__Type.name", NO_HINT),
    ],
)
def test_a_name_that_cannot_be_hidden_stops_the_start(name: str, hint: str) -> None:
    """One line has the name, and the most similar one if there is any that can be hidden."""
    with pytest.raises(SettingsError) as refused:
        build_schema(SchemaOptions(hidden=frozenset(["ChatSession.customerHost", name])))

    assert str(refused.value) == NOT_HIDDEN.format(name, hint)


async def test_the_gateway_does_not_start_with_a_wrong_name(rest: RestSide) -> None:
    """The operator gets the error at once, and not after a secret has been read."""
    with pytest.raises(SettingsError, match=r"did you mean ChatSession\.sessionKey"):
        await gateway_over(rest, hidden_fields="ChatSession.sesionKey").__aenter__()


@pytest.mark.parametrize(
    "type_name", ["TableRight", "CustomField", "PageInfo", "ChatSessionEdge", "Query"]
)
def test_a_type_cannot_lose_all_its_fields(type_name: str) -> None:
    """GraphQL has no empty types; one line has the alternative."""
    with pytest.raises(SettingsError) as refused:
        build_schema(SchemaOptions(hidden=frozenset(FIELDS[type_name])))

    message = str(refused.value)
    assert message.endswith(
        "a type would have no fields left; hide the field that leads to it instead"
    )
    assert "\n" not in message


def test_the_last_sort_key_cannot_be_hidden() -> None:
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
    """Spaces and empty items do not matter."""
    settings = Settings.load(upstream_url="http://rest.invalid", hidden_fields=written)

    assert settings.hidden_fields == names


@pytest.mark.parametrize("zone", ["Oslo", "europe/oslo", "+01:00", "NO", "../etc/passwd"])
def test_an_unknown_zone_stops_the_start(zone: str) -> None:
    """SuperOffice's own codes are not accepted, and nothing is guessed."""
    with pytest.raises(SettingsError) as refused:
        Settings.load(upstream_url="http://rest.invalid", time_zone=zone)

    assert str(refused.value) == (
        f'GATEWAY_TIME_ZONE="{zone}": it must be the name of a zone in the IANA database; '
        "for example GATEWAY_TIME_ZONE=Europe/Oslo"
    )
