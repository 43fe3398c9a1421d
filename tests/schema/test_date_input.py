"""Dates as arguments: clients can send every form that they receive."""

from typing import Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from gateway.schema.declare.scalars import SCALARS, DateTime
from gateway.schema.error_codes import give_code


@strawberry.type
class Echo:
    @strawberry.field
    def echo(self, at: DateTime) -> DateTime:
        return at


class Schema(strawberry.Schema):
    """A minimal schema that has our error codes."""

    def process_errors(self, errors: list[Any], execution_context: Any = None) -> None:
        for error in errors:
            give_code(error, is_valid=execution_context.result is not None)


SCHEMA = Schema(query=Echo, config=StrawberryConfig(scalar_map=SCALARS))
BAD = ["", "tomorrow", "2026-01-31", "2026-02-30T00:00:00", 1769877973, True, ["x"], {}]
BAD += ["2026-01-31T17", "2026-01-31T17:60", "2026-01-31T17:46.5", "2026-01-31T17:46\n"]


async def run(query: str, **variables: object) -> Any:
    """Run a query over a schema whose only field returns its date argument."""
    return await SCHEMA.execute(query, variable_values=variables)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-01-31T17:46:13", "2026-01-31T17:46:13"),
        ("2026-01-31T17:46:13.1234567Z", "2026-01-31T17:46:13.1234567Z"),
        ("2026-01-31T17:46:13+0100", "2026-01-31T17:46:13+01:00"),
        ("2026-01-31T17:46", "2026-01-31T17:46:00"),
        ("2026-01-31T17:46Z", "2026-01-31T17:46:00Z"),
        ("2026-01-31T17:46+01:00", "2026-01-31T17:46:00+01:00"),
    ],
)
async def test_a_date_is_accepted_in_every_form_that_the_rest_api_and_clients_write(
    sent: str, read: str
) -> None:
    """A date can be in the document or in a variable; Java omits seconds that are zero."""
    in_document = await run(f'{{ echo(at: "{sent}") }}')
    as_variable = await run("query ($at: DateTime!) { echo(at: $at) }", at=sent)

    assert in_document.data == as_variable.data == {"echo": read}


@pytest.mark.parametrize("sent", BAD)
async def test_a_variable_that_is_no_date_is_bad_input(sent: object) -> None:
    """The message has an example of a date."""
    result = await run("query ($at: DateTime!) { echo(at: $at) }", at=sent)

    (error,) = result.errors
    assert error.extensions == {"code": "BAD_USER_INPUT"}
    assert "2026-01-31T16:46:13Z" in error.message


async def test_a_literal_that_is_no_date_is_refused() -> None:
    """An invalid literal is refused before execution."""
    result = await run('{ echo(at: "tomorrow") }')

    (error,) = result.errors
    assert result.data is None
    assert error.extensions["code"] in {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}
    assert "type 'DateTime'" in error.message
    assert '"tomorrow"' in error.message
    assert "2026-01-31T16:46:13Z" in error.message
