"""The credentials that the demo accepts."""

import base64
from typing import Any

import pytest

from gateway.demo.app import create_demo_app
from gateway.demo.users import DEMO_USERS, DemoUser
from tests.demo.asking import EMMA, JONAS, KARI, NOON, ask


def credentials_of(user: DemoUser) -> list[dict[str, str]]:
    """Return the four forms of a user's credentials."""
    return [
        {"Authorization": user.authorization_basic},
        {"Authorization": user.authorization_ticket, "SO-AppToken": "demo-app"},
        {"Authorization": user.authorization_bearer},
        {"X-XSRF-TOKEN": user.xsrf, "Cookie": user.cookie},
    ]


@pytest.mark.parametrize("user", DEMO_USERS, ids=lambda user: user.login)
async def test_all_four_credential_forms_give_the_same_answer(user: DemoUser) -> None:
    """A user sees the same sessions with each form of credentials."""
    app = create_demo_app(clock=lambda: NOON)

    answers = [await ask(app, form) for form in credentials_of(user)]

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_the_scheme_is_case_insensitive() -> None:
    """The documentation itself writes SoTicket in several ways."""
    app = create_demo_app()

    answer = await ask(app, {"Authorization": f"SOTICKET  {KARI.ticket}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic \u201cabc\u201d".encode()},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"kari:demo-jonas").decode()},
        {"Authorization": "SoTicket 7T:demo-ticket-nobody"},
        {"Authorization": "Bearer 7T:demo-ticket-kari"},
        {"Authorization": "Negotiate abc"},
        {"SO-AppToken": "demo-app"},
        {"Cookie": KARI.cookie},
        {"X-XSRF-TOKEN": KARI.xsrf},
        {"X-XSRF-TOKEN": KARI.xsrf, "Cookie": f"XSRF-TOKEN={KARI.xsrf}"},
        {"X-XSRF-TOKEN": KARI.xsrf, "Cookie": JONAS.cookie},
        {"Authorization": "Bearer wrong", "X-XSRF-TOKEN": KARI.xsrf, "Cookie": KARI.cookie},
    ],
    ids=str,
)
async def test_other_credentials_get_401_with_the_documented_body(headers: dict[str, Any]) -> None:
    """Missing, malformed, foreign and mixed credentials are refused."""
    answer = await ask(create_demo_app(), headers)

    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json().keys() == {"Error", "ErrorType", "ErrorMessage", "ErrorSource"}
    assert answer.json()["Error"] is True
    assert answer.json()["ErrorType"] == "SoSecurityException"


def test_credentials_are_recognisable_as_invented() -> None:
    """A demo secret cannot be mistaken for a real one."""
    secrets = [
        secret
        for user in DEMO_USERS
        for secret in (user.password, user.ticket, user.bearer, user.session_cookie, user.xsrf)
    ]

    assert all("demo" in secret for secret in secrets)
    assert len(set(secrets)) == 5 * len([KARI, JONAS, EMMA])
