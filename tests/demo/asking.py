"""Requests to the demo REST server."""

from typing import Any

import httpx
from starlette.applications import Starlette

from gateway.demo.app import PATH, create_demo_app
from gateway.demo.users import DEMO_USERS, DemoUser

KARI, JONAS, EMMA = DEMO_USERS
NOON = 1_795_431_600  # 2026-11-23 12:00 in Norway

Json = dict[str, Any]


async def ask(
    app: Starlette, headers: dict[str, str], *, path: str = PATH, method: str = "GET"
) -> httpx.Response:
    """Send one request with these headers."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
        return await client.request(method, path, headers=headers)


async def sessions_of(
    user: DemoUser, *, now: float = NOON, sessions: int = 12, seed: int = 1, **headers: str
) -> list[Json]:
    """Return a user's sessions at one time; header names are written with underscores."""
    app = create_demo_app(sessions=sessions, seed=seed, clock=lambda: now)
    more_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await ask(app, {"Authorization": user.authorization_basic, **more_headers})
    records: list[Json] = answer.json()
    return records
