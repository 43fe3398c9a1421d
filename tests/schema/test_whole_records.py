"""Every property of a whole answer comes through GraphQL as REST sent it."""

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


async def test_the_documented_sample_comes_through_whole(gateway: Gateway, rest: RestSide) -> None:
    """What SuperOffice's documentation shows as an answer is there, property by property."""
    rest.body = SAMPLE.read_bytes()
    wanted = expected(json.loads(rest.body))

    data = await gateway.ask(QUERY)

    assert like(wanted, data) == wanted


async def test_a_record_with_every_property_comes_through_whole(
    gateway: Gateway, rest: RestSide
) -> None:
    """So do the properties that the documented sample does not have."""
    rest.body = [full_record(), full_record(first=1000)]
    wanted = expected(rest.body)

    data = await gateway.ask(QUERY)

    assert like(wanted, data) == wanted


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
async def test_a_lively_desk_comes_through_whole(user: DemoUser, headers: dict[str, str]) -> None:
    """Forty sessions in every state, in the form that the caller's headers ask for."""
    demo = httpx.ASGITransport(create_demo_app(sessions=40, clock=lambda: NOW))
    sent = {"Authorization": user.authorization_basic, **headers}
    async with httpx.AsyncClient(transport=demo, base_url="http://rest.invalid") as client:
        wanted = expected((await client.get(PATH, headers=sent)).json())

    async with gateway_over(demo) as gateway:
        answer = (await gateway.post(QUERY, headers=sent)).json()

    assert "errors" not in answer
    assert like(wanted, answer["data"]) == wanted
