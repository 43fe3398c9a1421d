"""Cancel a request's work when its client disconnects or its deadline passes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect

from gateway.web.inbound import Inbound, do_nothing


@contextmanager
def while_wanted(inbound: Inbound, timeout_s: float) -> Iterator[None]:
    """Cancel the body of a `with` when the client disconnects, or after `timeout_s` seconds.

    A REST call continues if other requests wait for it. Works like `asyncio.timeout`, for both
    reasons at once.

    Raises:
        ClientDisconnect: the client has disconnected.
        TimeoutError: `timeout_s` seconds have passed.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  an ASGI application runs in one
    reasons: list[type[Exception]] = []

    def end(reason: type[Exception]) -> None:
        if not reasons:
            reasons.append(reason)
            task.cancel()

    inbound.on_disconnect = lambda: end(ClientDisconnect)
    timer = task.get_loop().call_later(timeout_s, end, TimeoutError)
    try:
        yield
    except asyncio.CancelledError:
        if not reasons or task.cancelling() > 1:  # others have cancelled the task
            raise
        raise reasons[0] from None
    finally:
        timer.cancel()
        inbound.on_disconnect = do_nothing
        if reasons:
            task.uncancel()
