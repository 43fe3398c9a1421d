"""An operation's objects are freed at its end, without a garbage collection."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from gateway.errors import UpstreamBadResponseError
from gateway.records.dates import AsOf
from gateway.schema.build import build_schema
from gateway.schema.declare.scalars import DateTime
from gateway.schema.engine import Answer, Engine, Operation
from gateway.schema.selecting.filters import ChatSessionFilter, DateTimeRange
from gateway.schema.selecting.matching import Filter
from gateway.sessions.snapshot import Snapshot
from tests.schema.asking import RestAnswered

ROOTS = " ".join(f"a{n}: chatSessions {{ id }}" for n in range(3))


class Context(RestAnswered):
    """A context for which SuperOffice has answered."""

    served, is_watching = None, False


class Failing(Context):
    """A context for which SuperOffice has failed: each root field gets the same error."""

    failure = UpstreamBadResponseError("It is too large.")

    async def snapshot(self) -> Snapshot:
        raise self.failure


@pytest.fixture
def _no_gc() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_gc")
@pytest.mark.parametrize("kind", [Context, Failing])
async def test_no_cycle_holds_a_request(kind: type[Context]) -> None:
    """Under load, cycles would accumulate until a collection visits all objects."""

    async def answered() -> tuple[Answer, "weakref.ref[Context]"]:
        context = kind(b"[]")
        schema = build_schema()
        operation = Operation(schema.documents.find(f"{{ {ROOTS} }}"))
        answer = await Engine(schema).execute(operation, context)  # type: ignore[arg-type]
        return answer, weakref.ref(context)

    answer, context = await answered()

    assert ("errors" in answer.body) is (kind is Failing)
    assert context() is None


@pytest.mark.usefixtures("_no_gc")
def test_no_cycle_holds_a_filter() -> None:
    """A filter has the client's input."""
    condition = Filter(
        ChatSessionFilter(when_idle=DateTimeRange(to=DateTime("2030-01-01T00:00:00Z"))), AsOf(0)
    )
    reference = weakref.ref(condition)
    del condition

    assert reference() is None
