"""Client apps in metrics and the log: the name and version that each sends in its headers.

Both are text of the client, so they are bounded like the names of operations: an app appears after
SuperOffice has accepted one of its callers, and only the first hundred apps do.
"""

import re
from collections import Counter
from collections.abc import Iterable

from gateway.headers import CLIENT, Header
from gateway.observe.operations import MOST_NAMES, OTHER, is_plain

Client = tuple[str, str]
"""Name and version; "" if not sent."""

NO_CLIENT: Client = ("", "")

_NAME = re.compile(r"@?[A-Za-z][\w./-]*", re.ASCII)
_VERSION = re.compile(r"v?\d{1,4}(\.\d{1,6}){0,3}([-+][\w.+-]{1,20})?", re.ASCII)


def client_of(headers: Iterable[Header]) -> Client:
    """Read the headers of Apollo and of GraphQL Hive; text that may be personal data is `other`."""
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
    """Counts the requests that name their client app."""

    def __init__(self) -> None:
        self.requests: Counter[Client] = Counter()

    def count(self, client: Client, *, is_answered: bool) -> Client:
        """Count a request; return the client's label for the log and metrics."""
        if client not in self.requests and not (is_answered and len(self.requests) < MOST_NAMES):
            client = OTHER, ""
        self.requests[client] += 1
        return client
