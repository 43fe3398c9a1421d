"""A client that leaves before it is answered ends its request: nobody waits for that any more."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect
from starlette.types import Scope

__all__ = ["LEAVE", "while_there"]

LEAVE = "gateway.leave"
"""In the scope of a request that is worked on: a function that ends the work."""


@contextmanager
def while_there(scope: Scope) -> Iterator[None]:
    """Do something for as long as the client is there, in a task of the request's own.

    What others wait for too goes on without it.

    Raises:
        ClientDisconnect: the client has left.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  an application runs in one
    has_left = False

    def leave() -> None:
        nonlocal has_left
        has_left = True
        task.cancel()

    scope[LEAVE] = leave
    try:
        yield
    except asyncio.CancelledError:
        if not has_left:
            raise
        task.uncancel()
        raise ClientDisconnect from None
    finally:
        del scope[LEAVE]
