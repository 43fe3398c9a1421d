"""The tenants of the demo's SuperOffice Online, and the answers of its state service."""

import datetime as dt
import math
from dataclasses import dataclass

DOMAIN = "superoffice.com"
_GOOD_FOR_S = 600


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """One tenant, and how it misbehaves."""

    name: str
    description: str
    state: str = "Running"
    hosts: tuple[str, ...] = ("online1",)
    """The subdomains that it is at in turn, for `moves_every_s` each."""

    moves_every_s: int = 60
    api_host: str | None = None
    """The wrong host that the state service names instead."""

    delay_s: float = 0

    @property
    def is_running(self) -> bool:
        """Whether its REST API answers."""
        return self.state in {"Running", "OnlineMaintenance"}

    def host(self, now: float) -> str:
        """Return the host it is at."""
        turn = math.floor(now / self.moves_every_s) % len(self.hosts)
        return f"{self.hosts[turn]}.{DOMAIN}"

    def is_at(self, host: str, now: float) -> bool:
        """Return whether this is its host now, or one outside the domain, such as loopback."""
        return not host.endswith(f".{DOMAIN}") or host == self.host(now)

    def answer(self, now: float) -> dict[str, object]:
        """Return the answer of the state service."""
        host = self.api_host or self.host(now)
        valid_until = dt.datetime.fromtimestamp(now + _GOOD_FOR_S, dt.UTC)
        return {
            "ContextIdentifier": self.name,
            "Endpoint": f"https://{host}:443/{self.name}",
            "State": self.state,
            "IsRunning": self.is_running,
            "ValidUntil": f"{valid_until:%Y-%m-%dT%H:%M:%S.%f}0Z",
            "Api": f"https://{host}/{self.name}/api",
        }


DEMO_TENANTS = {
    tenant.name: tenant
    for tenant in (
        DemoTenant("Cust10001", "runs normally"),
        DemoTenant("Cust10002", "moves to another host every minute", hosts=("online2", "online3")),
        DemoTenant("Cust10003", "in maintenance, but running", state="OnlineMaintenance"),
        DemoTenant("Cust10004", "suspended", state="Suspended"),
        DemoTenant(
            "Cust10005", "has a host outside the trusted domain", api_host="online1.example.com"
        ),
        DemoTenant("Cust10006", "takes three seconds to answer", delay_s=3),
    )
}
