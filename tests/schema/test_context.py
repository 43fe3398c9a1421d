"""What resolvers get: the sessions of whoever sent the request."""

import traceback
from collections.abc import Sequence
from typing import Any, cast

import pytest

from gateway.caller import Caller
from gateway.errors import UnauthenticatedError, UpstreamUnavailableError
from gateway.headers import Header
from gateway.schema.context import Access, Context
from gateway.sessions.freshness import Lookups, Served, Windows
from gateway.sessions.source import Source
from tests.sessions.snapshots import snapshot_of

ADA = (b"authorization", b"Bearer ada")
SNAPSHOT = snapshot_of()


class Asked:
    """A source that remembers who asked it, and with which trace headers."""

    def __init__(self) -> None:
        self.callers: list[tuple[Sequence[Header], Sequence[Header]]] = []
        self.lookups = Lookups()

    async def serve(
        self, caller: Caller, trace: Sequence[Header], *, key: str, max_age_s: float | None
    ) -> Served:
        self.callers.append((caller.headers, trace))
        return Served(SNAPSHOT, "hit", "miss", Windows(5), lambda: 0)


class Failing(Asked):
    """A source that cannot reach SuperOffice."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self._failure = failure

    async def serve(self, *args: Any, **more: Any) -> Served:
        await super().serve(*args, **more)
        raise self._failure


def context_over(source: Asked, **options: Any) -> Context:
    """Make the context of a request; without more, one of Ada's."""
    access = Access(cast("Source", source), Caller((ADA,)), "key")
    return Context(**{"access": access, "watchers_of": None, **options})


async def test_the_source_is_asked_for_the_requests_caller() -> None:
    """The headers of tracing go along, apart from what the caller is made of."""
    source = Asked()
    trace = [(b"traceparent", b"00-1-2-03")]

    snapshot = await context_over(source, trace=trace).snapshot()

    assert snapshot is SNAPSHOT
    assert source.callers == [((ADA,), trace)]


async def test_without_credentials_the_source_is_not_asked() -> None:
    """REST would only turn the caller away."""
    source = Asked()

    with pytest.raises(UnauthenticatedError):
        await context_over(source, access=UnauthenticatedError("none")).snapshot()

    assert source.callers == []


async def test_a_missing_login_leaves_no_frames_behind() -> None:
    """One error serves all requests of a connection; frames would hold their texts."""
    error = UnauthenticatedError("none")
    context = context_over(Asked(), access=error)

    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            await context.snapshot()
    assert len(list(traceback.walk_tb(error.__traceback__))) <= 3


async def test_a_failed_call_is_not_repeated_by_the_same_request() -> None:
    """A prepared query that fails is executed from the start, and root fields come one by one."""
    failure = UpstreamUnavailableError("down")
    source = Failing(failure)
    context = context_over(source)

    for _ in range(2):
        with pytest.raises(UpstreamUnavailableError) as caught:
            await context.snapshot()
        assert caught.value is failure
    assert len(source.callers) == 1
