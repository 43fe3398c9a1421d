"""The apps that send requests, by the names and versions that they give themselves.

Both are clients' texts, so they are bounded as the names of operations are: an app appears once
SuperOffice has accepted a caller of it, and only the first hundred do.
"""

import re
from collections import Counter
from collections.abc import Iterable

from gateway.headers import CLIENT, Header
from gateway.observe.operations import MOST_NAMES, OTHER, is_plain

Client = tuple[str, str]
"""Name and version; "" where none is sent."""

NO_CLIENT: Client = ("", "")

_NAME = re.compile(r"@?[A-Za-z][\w./-]*", re.ASCII)
_VERSION = re.compile(r"v?\d{1,4}(\.\d{1,6}){0,3}([-+][\w.+-]{1,20})?", re.ASCII)


def client_of(headers: Iterable[Header]) -> Client:
    """Read the headers of Apollo and of GraphQL Hive; a text that may be data is `other`."""
    sent = {name.rpartition(b"-")[2]: value for name, value in headers if name in CLIENT}
    if not sent:
        return NO_CLIENT
    name, version = (
        sent.get(part, b"").decode("latin-1").strip() for part in (b"name", b"version")
    )
    if name and not (_NAME.fullmatch(name) and is_plain(name)):
        return OTHER, ""
    return name, version if not version or _VERSION.fullmatch(version) else OTHER


class ClientMeter:
    """Counts the requests of clients that name themselves."""

    def __init__(self) -> None:
        self.requests: Counter[Client] = Counter()

    def count(self, client: Client, *, is_answered: bool) -> Client:
        """Count a request; return the client as it may appear."""
        if client not in self.requests and not (is_answered and len(self.requests) < MOST_NAMES):
            client = OTHER, ""
        self.requests[client] += 1
        return client
