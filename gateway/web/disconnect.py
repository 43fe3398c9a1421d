"""A client that disconnects before it is answered ends its request."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect

from gateway.web.inbound import Inbound


@contextmanager
def while_connected(inbound: Inbound) -> Iterator[None]:
    """Run the body for as long as the client is connected, in the request's own task.

    A REST call that others wait for too goes on without it.

    Raises:
        ClientDisconnect: the client has disconnected.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  an application runs in one
    has_left = False

    def leave() -> None:
        nonlocal has_left
        has_left = True
        task.cancel()

    inbound.on_disconnect = leave
    try:
        yield
    except asyncio.CancelledError:
        if not has_left:
            raise
        task.uncancel()
        raise ClientDisconnect from None
    finally:
        inbound.on_disconnect = None
