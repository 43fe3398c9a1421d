"""The context of resolvers: the sessions of the request's caller."""

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


class RecordingSource:
    """A source that records callers and trace headers."""

    def __init__(self) -> None:
        self.callers: list[tuple[Sequence[Header], Sequence[Header]]] = []
        self.lookups = Lookups()

    async def serve(
        self, caller: Caller, trace: Sequence[Header], *, key: str, max_age_s: float | None
    ) -> Served:
        self.callers.append((caller.headers, trace))
        return Served(SNAPSHOT, "hit", "miss", Windows(5), lambda: 0)

    def owner_of(self, caller: Caller) -> str:
        return caller.owner()


class Failing(RecordingSource):
    """A source that cannot reach SuperOffice."""

    def __init__(self, failure: Exception) -> None:
        super().__init__()
        self._failure = failure

    async def serve(self, *args: Any, **more: Any) -> Served:
        await super().serve(*args, **more)
        raise self._failure


def context_over(source: RecordingSource, **options: Any) -> Context:
    """Make the context of a request, by default one of Ada's."""
    access = Access(cast("Source", source), Caller((ADA,)), "key")
    return Context(**{"access": access, "watchers_of": None, **options})


async def test_the_source_gets_the_requests_caller() -> None:
    """Trace headers are passed too, separately from the caller's."""
    source = RecordingSource()
    trace = [(b"traceparent", b"00-1-2-03")]

    snapshot = await context_over(source, trace=trace).snapshot()

    assert snapshot is SNAPSHOT
    assert source.callers == [((ADA,), trace)]


async def test_without_credentials_the_source_is_not_called() -> None:
    """SuperOffice would only refuse the caller."""
    source = RecordingSource()

    with pytest.raises(UnauthenticatedError):
        await context_over(source, access=UnauthenticatedError("none")).snapshot()

    assert source.callers == []


async def test_an_authentication_error_does_not_collect_frames() -> None:
    """One error serves all requests of a connection; frames would keep their texts in memory."""
    error = UnauthenticatedError("none")
    context = context_over(RecordingSource(), access=error)

    for _ in range(3):
        with pytest.raises(UnauthenticatedError):
            await context.snapshot()
    assert len(list(traceback.walk_tb(error.__traceback__))) <= 3


async def test_a_failed_call_is_not_repeated_by_the_same_request() -> None:
    """Neither a fallback execution nor a second root field calls SuperOffice again."""
    failure = UpstreamUnavailableError("down")
    source = Failing(failure)
    context = context_over(source)

    for _ in range(2):
        with pytest.raises(UpstreamUnavailableError) as caught:
            await context.snapshot()
        assert caught.value is failure
    assert len(source.callers) == 1
