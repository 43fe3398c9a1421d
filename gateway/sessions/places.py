"""The names and keys under which a caller's data are cached."""

import hmac
from dataclasses import dataclass, field

from gateway.caller import Caller
from gateway.store.shared import Place


@dataclass(frozen=True, slots=True)
class Places:
    """Derives them from a secret, the address of SuperOffice and the caller's headers."""

    secret: bytes = field(repr=False)
    upstream_url: str

    def key(self, caller: Caller) -> str:
        """Return the key of the caller's snapshot: an HMAC, which reveals nothing."""
        return caller.digest(self.secret, self.upstream_url.encode())

    def snapshot(self, key: str, caller: Caller) -> Place:
        """Return the place of the caller's snapshot in the shared cache."""
        secret = hmac.digest(self.secret, b"sealing", "sha256")
        return Place(key, bytes.fromhex(caller.digest(secret, self.upstream_url.encode())))

    def revocation(self, caller: Caller) -> Place:
        """Return the place that records that SuperOffice rejects the caller's credentials."""
        credentials = caller.credentials()
        return self.snapshot(f"{self.key(credentials)}:revoked", credentials)
