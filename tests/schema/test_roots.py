"""The root fields, and the schema as a whole."""

from gateway.schema.build import SchemaOptions, build_schema, sdl
from tests.schema.asking import SCHEMA, RestAnswered, ask, execute


async def test_one_session_is_found_by_its_key() -> None:
    """The session is one of those that the caller can see."""
    sessions = [{"ChatSessionId": n, "CustomerName": f"customer {n}"} for n in range(5)]

    answer = await ask("{ chatSession(chatSessionId: 3) { customerName } }", sessions)

    assert answer.data == {"chatSession": {"customerName": "customer 3"}}


async def test_an_unknown_session_is_null() -> None:
    """An unknown session is no error, as it may have ended a moment ago."""
    sessions = [{"ChatSessionId": 1}, {"ChatSessionId": "odd"}, {}]

    answer = await ask("{ chatSession(chatSessionId: 3) { customerName } }", sessions)

    assert (answer.data, answer.errors) == ({"chatSession": None}, [])


async def test_the_schema_can_be_explored() -> None:
    """Introspection is on by default."""
    answer = await ask("{ __schema { queryType { name } } }")

    assert answer.data == {"__schema": {"queryType": {"name": "Query"}}}


async def test_introspection_can_be_turned_off() -> None:
    """The fields of introspection are then refused like unknown ones."""
    schema = build_schema(SchemaOptions(introspection=False))

    result = await execute(schema, "{ __schema { queryType { name } } }")

    assert result.data is None
    assert result.errors is not None
    assert result.errors[0].extensions == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_the_schemas_text_ends_with_one_line_break() -> None:
    """By default the text is that of the default schema."""
    assert sdl() == sdl(SCHEMA)
    assert sdl().endswith("}\n")


async def test_a_schema_that_was_printed_can_still_be_executed() -> None:
    """Sorting for the print removes the values of enums, but only in a copy."""
    schema = build_schema()
    sdl(schema)
    query = "{ chatSessions(filter: { status: { in: [IN_QUEUE] } }) { status } }"
    context = RestAnswered(b'[{"Status": "InQueue"}, {"Status": "Closed"}]')

    result = await execute(schema, query, context=context)

    assert result.data == {"chatSessions": [{"status": "IN_QUEUE"}]}
