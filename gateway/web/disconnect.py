"""What ends a request before it is answered: its client disconnects, or its time is over."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect

from gateway.web.inbound import Inbound, do_nothing


@contextmanager
def while_wanted(inbound: Inbound, timeout_s: float) -> Iterator[None]:
    """Run the body of a `with` while the client is connected and there is time, in its own task.

    A REST call that others wait for too goes on without it. Does what `asyncio.timeout` does, for
    both reasons at once.

    Raises:
        ClientDisconnect: the client has disconnected.
        TimeoutError: `timeout_s` seconds are over.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  an application runs in one
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
        if not reasons or task.cancelling() > 1:  # somebody else has cancelled the task
            raise
        raise reasons[0] from None
    finally:
        timer.cancel()
        inbound.on_disconnect = do_nothing
        if reasons:
            task.uncancel()
