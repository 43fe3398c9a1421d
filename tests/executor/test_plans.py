"""Plans and projections over a small schema, compared with plain graphql-core."""

import json
from typing import Any

import msgspec
import orjson
import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.executor import projections as projections_module
from gateway.executor.run import executor_over
from gateway.records.record import read
from gateway.schema.declare.entity import derived, entity, prop, record_of
from gateway.schema.declare.nodes import Node
from gateway.schema.declare.scalars import SCALARS


@entity("Who owns shops.", key="owner_id")
class Owner(Node):
    owner_id: int | None = prop("Primary key.")
    name: str | None = prop("What it is called.")
    greeting: str | None = derived(lambda owner: f"Hello, {owner.name}!", "A greeting.")


@entity("A shop.", key="shop_id")
class Shop(Node):
    shop_id: int = prop("Primary key.")
    sign: str = prop("What is above its door.")
    owner: Owner | None = prop("Who owns it.")


@strawberry.type
class Street:
    length_m: int
    numbers: list[int]
    shops: list[Shop]
    corner: Node | None = None


STREETS: list[Any] = []


def _streets() -> list[Street]:
    return STREETS


@strawberry.type
class Query:
    streets: list[Street] | None = strawberry.field(resolver=_streets)


CONFIG = StrawberryConfig(default_resolver=read, scalar_map=SCALARS)
OURS, PLAIN = (
    strawberry.Schema(Query, types=[Shop, Owner], config=CONFIG, execution_context_class=executor)
    for executor in (
        executor_over(projections_module.Projections()),
        StrawberryGraphQLCoreExecutionContext,
    )
)


def shop(**properties: Any) -> Any:
    """Return a shop as decoded from REST."""
    sent = {"ShopId": 7, "Sign": "Ada's", "Owner": {"OwnerId": 1, "Name": "Ada"}, **properties}
    return msgspec.json.decode(json.dumps(sent).encode(), type=record_of(Shop))


async def answer_of_both(query: str, *streets: Any, **variables: Any) -> Any:
    """Execute a query with both executors, check that the answers are equal, and return one."""
    STREETS[:] = streets
    results = [await s.execute(query, variable_values=variables) for s in (OURS, PLAIN)]
    ours, plain = (
        # Parts of the data are JSON already.
        {
            "data": orjson.loads(orjson.dumps(r.data)),
            "errors": [e.formatted for e in r.errors or ()],
        }
        for r in results
    )
    assert json.dumps(ours) == json.dumps(plain)
    return ours


async def test_plain_objects_are_read_like_records() -> None:
    """A plain Strawberry object and its records are read alike."""
    street = Street(length_m=80, numbers=[1, 2], shops=[shop()])

    answer = await answer_of_both("{ streets { lengthM shops { shopId owner { name } } } }", street)

    assert answer["data"]["streets"] == [
        {"lengthM": 80, "shops": [{"shopId": 7, "owner": {"name": "Ada"}}]}
    ]


@pytest.mark.parametrize(
    "selection",
    [
        "numbers",
        "corner { id }",
        "shops { owner { greeting } }",
        "shops { owner { greeting name ownerId id } }",
        "shops { id shopId owner { __typename } }",
    ],
)
async def test_fields_without_a_plan_are_executed(selection: str) -> None:
    """Lists of values, interfaces, and fields derived from a linked object are executed."""
    street = Street(length_m=1, numbers=[1], shops=[shop(), shop(Owner=None)], corner=shop())

    answer = await answer_of_both(f"{{ streets {{ {selection} }} }}", street)

    assert answer["errors"] == []


@pytest.mark.parametrize(
    "street",
    [
        Street(length_m=None, numbers=[], shops=[shop()]),  # type: ignore[arg-type]
        Street(length_m=1, numbers=[], shops=None),  # type: ignore[arg-type]
        Street(length_m=1, numbers=[], shops=[None]),  # type: ignore[list-item]
        Street(length_m=1, numbers=[], shops=[shop(ShopId=None)]),
        Street(length_m=1, numbers=[], shops=[shop(Sign=None)]),
        Street(length_m="far", numbers=[], shops=[shop()]),  # type: ignore[arg-type]
        None,
    ],
    ids=[
        "no length",
        "no shops",
        "a null shop",
        "a shop without its key",
        "a shop without its sign",
        "a text as length",
        "a null street",
    ],
)
async def test_a_missing_required_value_is_an_error(street: Any) -> None:
    """A null in a required field rises as far as the schema says."""
    answer = await answer_of_both("{ streets { lengthM shops { shopId sign } } }", street)

    assert len(answer["errors"]) == 1


@pytest.mark.parametrize("most", [1, 25, 10_000])
async def test_a_selection_has_a_projection_for_each_set_of_variables(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A selection has a projection for each of the latest variables' values."""
    monkeypatch.setattr(projections_module, "_MOST_STEPS", most)
    query = (
        "query ($with: Boolean!) { streets { ...S } } fragment S on Street { lengthM ...T } "
        "fragment T on Street { shops @include(if: $with) { shopId } }"
    )
    street = Street(length_m=1, numbers=[], shops=[])

    for is_with in (True, False, True):
        answer = await answer_of_both(query, street, **{"with": is_with})
        assert ("shops" in answer["data"]["streets"][0]) is is_with
