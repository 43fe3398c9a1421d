"""What ends a request before it is answered: its client disconnects, or its time is over."""

import asyncio
from types import TracebackType
from typing import Self

from starlette.requests import ClientDisconnect

from gateway.web.inbound import Inbound


class WhileWanted:
    """Runs the body of a `with` while the client is connected and there is time, in its own task.

    A REST call that others wait for too goes on without it. Does what `asyncio.timeout` does, for
    both reasons at once.

    Raises:
        ClientDisconnect: the client has disconnected.
        TimeoutError: `timeout_s` seconds are over.
    """

    def __init__(self, inbound: Inbound, timeout_s: float) -> None:
        self._inbound = inbound
        self._timeout_s = timeout_s
        self._reason: type[Exception] | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  an application runs in one
        self._task = task
        self._inbound.on_disconnect = lambda: self._end(ClientDisconnect)
        self._timer = task.get_loop().call_later(self._timeout_s, self._end, TimeoutError)
        return self

    def _end(self, reason: type[Exception]) -> None:
        if self._reason is None:
            self._reason = reason
            self._task.cancel()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._inbound.on_disconnect = None
        if self._reason is None:
            return
        is_alone = self._task.uncancel() == 0  # and nobody else has cancelled the task
        if is_alone and kind is asyncio.CancelledError:
            raise self._reason from None
