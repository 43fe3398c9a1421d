"""Finds credentials in a browser's storage."""

import json
from collections.abc import Mapping

from gateway.demo.users import DEMO_USERS

__all__ = ["secrets_in"]


def secrets_in(stored: Mapping[str, str]) -> list[str]:
    """Return the credentials of demo users in the stored values, in any form."""
    text = json.dumps(dict(stored))
    secrets = [
        secret
        for user in DEMO_USERS
        for secret in (
            user.authorization_basic.removeprefix("Basic "),
            f"{user.login}:{user.password}",
            user.ticket,
            user.bearer,
        )
    ]
    return [secret for secret in secrets if secret in text]
