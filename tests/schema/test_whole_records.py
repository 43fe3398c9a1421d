"""Every property of a whole REST answer is in the GraphQL answer unchanged."""

import json
from pathlib import Path

import httpx
import pytest

from gateway.demo.app import PATH, create_demo_app
from gateway.demo.users import DEMO_USERS, DemoUser
from tests.schema.everything import QUERY, expected, like
from tests.schema.records import full_record
from tests.support import Gateway, RestSide, gateway_over

SAMPLE = Path(__file__).parent / "sample.json"
NOW = 1_790_000_000.0


async def test_the_documented_sample_is_answered_completely(
    gateway: Gateway, rest: RestSide
) -> None:
    """Every property in the sample of SuperOffice's documentation has its value."""
    rest.body = SAMPLE.read_bytes()
    expected_data = expected(json.loads(rest.body))

    data = await gateway.ask(QUERY)

    assert like(expected_data, data) == expected_data


async def test_a_record_with_every_property_is_answered_completely(
    gateway: Gateway, rest: RestSide
) -> None:
    """The record has the properties that the documented sample does not have."""
    rest.body = [full_record(), full_record(first=1000)]
    expected_data = expected(rest.body)

    data = await gateway.ask(QUERY)

    assert like(expected_data, data) == expected_data


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"SO-TimeZone": "US-NY, includeTZOffset", "Accept-Language": "de"},
        {"SO-TimeZone": "UTC, includeTZOffset", "SO-Language": "en"},
    ],
    ids=["as stored", "German in New York", "English in UTC"],
)
@pytest.mark.parametrize("user", DEMO_USERS, ids=lambda user: user.login)
async def test_sessions_in_every_state_are_answered_completely(
    user: DemoUser, headers: dict[str, str]
) -> None:
    """Forty sessions of the demo are in the form that the caller's headers request."""
    demo = httpx.ASGITransport(create_demo_app(sessions=40, clock=lambda: NOW))
    sent = {"Authorization": user.authorization_basic, **headers}
    async with httpx.AsyncClient(transport=demo, base_url="http://rest.invalid") as client:
        expected_data = expected((await client.get(PATH, headers=sent)).json())

    async with gateway_over(demo) as gateway:
        answer = (await gateway.post(QUERY, headers=sent)).json()

    assert "errors" not in answer
    assert like(expected_data, answer["data"]) == expected_data
