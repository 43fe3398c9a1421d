"""Who may log in to the demo server, and with which credentials.

Every secret here is made up, and opens no real system.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

SESSION_COOKIE = "ASP.NET_SessionId"


@dataclass(frozen=True, slots=True)
class DemoUser:
    """One agent of the demo tenant, with one credential of each accepted kind.

    `topics` has one chat channel per column of the desk. Users with the same channel in a column
    share its sessions; the last digit distinguishes the channels of one column.
    """

    login: str
    password: str
    full_name: str
    associate_id: int
    ej_user_id: int
    ticket: str
    bearer: str
    session_cookie: str
    xsrf: str
    topics: tuple[int, ...]

    @property
    def authorization_basic(self) -> str:
        """The `Authorization` value for the login and password."""
        pair = f"{self.login}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    @property
    def authorization_ticket(self) -> str:
        """The `Authorization` value for the SuperOffice ticket."""
        return f"SoTicket {self.ticket}"

    @property
    def authorization_bearer(self) -> str:
        """The `Authorization` value for the OAuth access token."""
        return f"Bearer {self.bearer}"

    @property
    def cookie(self) -> str:
        """The `Cookie` value of a browser session; goes with `X-XSRF-TOKEN: <xsrf>`."""
        return f"{SESSION_COOKIE}={self.session_cookie}; XSRF-TOKEN={self.xsrf}"


def _user(
    login: str, full_name: str, associate_id: int, ej_user_id: int, topics: tuple[int, ...]
) -> DemoUser:
    return DemoUser(
        login=login,
        password=f"demo-{login}",
        full_name=full_name,
        associate_id=associate_id,
        ej_user_id=ej_user_id,
        ticket=f"7T:demo-ticket-{login}",
        bearer=f"8A:Cust00000.demo-bearer-{login}",
        session_cookie=f"demo-session-{login}",
        xsrf=f"demo-xsrf-{login}",
        topics=topics,
    )


TOPIC_NAMES = {
    10: "Support",
    21: "Sales",
    22: "Partners",
    30: "Invoices",
    31: "Logistics",
    40: "Academy",
    41: "VIP customers",
}
"""The names of all chat channels."""

DEMO_USERS: tuple[DemoUser, DemoUser, DemoUser] = (
    _user("kari", "Kari Nordmann", 101, 11, (10, 21, 30, 41)),
    _user("jonas", "Jonas Müller", 102, 12, (10, 21, 31, 40)),
    _user("emma", "Emma Clarke", 103, 13, (10, 22, 30, 40)),
)


def find_user(headers: Mapping[str, str]) -> DemoUser | None:
    """Return the user whose credentials these headers carry, or None for a 401.

    The session cookie counts only without an `Authorization` header.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return _by_session(headers.get("x-xsrf-token", ""), headers.get("cookie", ""))
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    match scheme.lower():
        case "basic":
            return _by_password(value)
        case "soticket":
            return next((user for user in DEMO_USERS if user.ticket == value), None)
        case "bearer":
            return next((user for user in DEMO_USERS if user.bearer == value), None)
    return None


def _by_password(encoded: str) -> DemoUser | None:
    try:
        login, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    known = (user for user in DEMO_USERS if (user.login, user.password) == (login, password))
    return next(known, None)


def _by_session(xsrf: str, cookie: str) -> DemoUser | None:
    pairs = (pair.strip().partition("=") for pair in cookie.split(";"))
    session = next((value for name, _, value in pairs if name == SESSION_COOKIE), "")
    known = (user for user in DEMO_USERS if (user.xsrf, user.session_cookie) == (xsrf, session))
    return next(known, None)
