"""The parts of the application that our own server uses directly, to answer without calling it."""

from dataclasses import dataclass, field

from starlette.types import Scope

from gateway.tenants.path import GRAPHQL_PATH
from gateway.web.admission import Admission, ConnectionLimit, UnsentLimit
from gateway.web.inbound import Door
from gateway.web.middleware.request_log import AccessLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Available as `app.state.edge`."""

    door: Door
    access_log: AccessLog
    admission: Admission
    connection_limit: ConnectionLimit
    unsent_limit: UnsentLimit = field(default_factory=UnsentLimit)
    has_fast_lane: bool
    """Whether the server may send cached answers itself; tracing would miss them."""

    def sheds(self, scope: Scope) -> bool:
        """Return whether to answer 503 without calling the application; count it then.

        A request with an Origin goes to the application, whose 503 has CORS headers.
        """
        if scope["method"] != "POST" or scope["path"] != GRAPHQL_PATH:
            return False
        shares = self.admission.shares_of(self.door.enter(scope))
        is_too_much = self.admission.refuses_next(shares)
        is_shed = is_too_much and all(name != b"origin" for name, _ in scope["headers"])
        self.admission.shed += is_shed
        return is_shed
