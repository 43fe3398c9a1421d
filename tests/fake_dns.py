"""DNS that has names for loopback addresses, and leaves some unanswered."""

import socket
import threading
from collections import Counter
from typing import Any


class FakeDNS:
    """Answers for the names of a test; all others are looked up as before."""

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        """The addresses of names; without one, a name stays unanswered until `answer`."""

        self.queries: Counter[str] = Counter()
        self._is_over = threading.Event()
        self._look_up = socket.getaddrinfo

    def answer(self) -> None:
        """Answer what is unanswered."""
        self._is_over.set()

    def getaddrinfo(self, host: str, *args: Any, **more: Any) -> Any:
        """Look a name up, in place of the socket module's function."""
        self.queries[host] += 1
        if self.answers.get(host) == []:
            self._is_over.wait()
        addresses = self.answers.get(host, [host])
        return [info for one in addresses for info in self._look_up(one, *args, **more)]
