"""Cancel a request's work when its client disconnects or its deadline passes."""

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.requests import ClientDisconnect

from gateway.schema.context import ignore
from gateway.web.inbound import Inbound


class WhileWanted:
    """Cancels the body of a `with` when the client disconnects, or after `timeout_s` seconds.

    A REST call continues, for other requests and for the cache. Works like `asyncio.timeout`, for
    several reasons at once. `with` gives a function that cancels the body with another exception.

    Raises:
        ClientDisconnect: the client has disconnected.
        TimeoutError: `timeout_s` seconds have passed.
    """

    _reason: Exception | type[Exception] | None = None

    def __init__(self, inbound: Inbound, timeout_s: float) -> None:
        self._inbound, self._timeout_s = inbound, timeout_s

    def __enter__(self) -> Callable[[Exception], object]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  an ASGI application runs in one
        self._task = task
        self._inbound.on_disconnect = partial(self._end, ClientDisconnect)
        self._timer = task.get_loop().call_later(self._timeout_s, self._end, TimeoutError)
        return self._end

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        self._timer.cancel()
        self._inbound.on_disconnect = ignore
        if self._reason is None:
            return
        is_ours = not self._task.uncancel()  # no other code has cancelled the task
        if is_ours and isinstance(exc, asyncio.CancelledError):
            raise self._reason from None

    def _end(self, reason: Exception | type[Exception]) -> None:
        if self._reason is None:
            self._reason = reason
            self._task.cancel()
