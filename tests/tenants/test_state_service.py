"""What the state service says, and how much of it is believed."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.errors import (
    GatewayError,
    TenantNotFoundError,
    UpstreamBadResponseError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from gateway.tenants.state_service import StateService, TenantState
from tests.support import loaded
from tests.tenants.fakes import error_of

TENANT = "Cust12345"
RUNNING = {
    "ContextIdentifier": TENANT,
    "Endpoint": f"https://sod2.superoffice.com:443/{TENANT}",
    "State": "Running",
    "IsRunning": True,
    "ValidUntil": "2026-01-31T17:46:13.1234567Z",
    "Api": f"https://sod2.superoffice.com/{TENANT}/api",
    "Version": "11.13",
}
WHERE_IT_IS = f"https://sod2.superoffice.com/{TENANT}"
VALID_UNTIL_S = 1_769_881_573.1234567

Handler = Callable[[httpx.Request], Any]


def service(answer: Handler, *, timeout_s: float = 5, domains: str = "superoffice.com") -> Any:
    """Make a client of a state service that is a function."""
    options: Any = {"tenant_hosts": domains, "upstream_timeout": timeout_s}
    settings = loaded({"environment": "sod", **options})
    return StateService(settings, httpx.MockTransport(answer))


def saying(body: object, status: int = 200, **headers: str) -> Handler:
    """Make a service that says the same to everybody."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda request: httpx.Response(status, content=content, headers=headers)


async def said(**changes: object) -> TenantState:
    """Read a state that differs from the documented sample in these properties."""
    state: TenantState = await service(saying({**RUNNING, **changes})).read(TENANT)
    return state


async def refusal(answer: Handler, **options: Any) -> GatewayError:
    """Read a state that cannot be had and return the error."""
    error = await error_of(service(answer, **options).read(TENANT))
    assert isinstance(error, GatewayError)
    return error


async def test_a_running_tenant_is_where_the_service_says() -> None:
    """The documented sample, with all that may come along."""
    assert await said() == TenantState("Running", WHERE_IT_IS, VALID_UNTIL_S)


async def test_the_question_carries_nothing_but_the_name() -> None:
    """No credentials: it is answered to everybody."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=RUNNING)

    await service(answer).read(TENANT)

    (request,) = asked
    assert (request.method, str(request.url)) == (
        "GET",
        f"https://sod.superoffice.com/api/state/{TENANT}",
    )
    assert set(request.headers) == {
        "accept",
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
    }


TRUE_ADDRESSES = [
    {"Api": f"https://sod2.superoffice.com/{TENANT}/api/"},
    {"Api": f"https://sod2.superoffice.com:443/{TENANT}/api"},
    {"Api": f"HTTPS://SOD2.SuperOffice.com/{TENANT.lower()}/API"},
    {"Api": None},
    {"Api": ""},
    {"Api": None, "Endpoint": f"https://sod2.superoffice.com/{TENANT}"},
    {"Api": None, "Endpoint": f"https://sod2.superoffice.com/{TENANT}/"},
    {"ContextIdentifier": TENANT.lower()},
    {"Endpoint": None},
]


@pytest.mark.parametrize("changes", TRUE_ADDRESSES, ids=str)
async def test_an_address_may_be_written_in_each_documented_way(changes: Any) -> None:
    """`Api` goes first, `Endpoint` will do; what comes of it is always the same."""
    assert (await said(**changes)).url == WHERE_IT_IS


@pytest.mark.parametrize("host", ["app.superoffice.com", "a.b.superoffice.com", "superoffice.com"])
async def test_any_host_of_the_domain_is_trusted(host: str) -> None:
    """Hosts come and go, under names that follow no pattern."""
    assert (await said(Api=f"https://{host}/{TENANT}/api")).url == f"https://{host}/{TENANT}"


LIES = [
    f"http://sod2.superoffice.com/{TENANT}/api",
    f"//sod2.superoffice.com/{TENANT}/api",
    f"sod2.superoffice.com/{TENANT}/api",
    f"ftp://sod2.superoffice.com/{TENANT}/api",
    f"https://sod2.superoffice.com.example.net/{TENANT}/api",
    f"https://evilsuperoffice.com/{TENANT}/api",
    f"https://example.net/{TENANT}/api",
    f"https://superoffice.com./{TENANT}/api",
    f"https://.superoffice.com/{TENANT}/api",
    f"https://sod2..superoffice.com/{TENANT}/api",
    f"https://10.0.0.1/{TENANT}/api",
    f"https://[::1]/{TENANT}/api",
    f"https://localhost/{TENANT}/api",
    f"https://sod2.superoffice.com:8443/{TENANT}/api",
    f"https://sod2.superoffice.com:/{TENANT}/api",
    f"https://kari@sod2.superoffice.com/{TENANT}/api",
    f"https://sod2.superoffice.com@example.net/{TENANT}/api",
    f"https://example.net#@sod2.superoffice.com/{TENANT}/api",
    f"https://example.net\\@sod2.superoffice.com/{TENANT}/api",
    f"https://example.net/.superoffice.com/{TENANT}/api",
    f"https://sod2.superoffice.com\n/{TENANT}/api",
    f"https://sod2.superoffice.com/{TENANT}/api\n",
    f"https://s\u00f6d2.superoffice.com/{TENANT}/api",
    f"https://\u017fod2.superoffice.com/{TENANT}/api",
    "https://sod2.superoffice.com/Cust12346/api",
    "https://sod2.superoffice.com/api",
    "https://sod2.superoffice.com/",
    "https://sod2.superoffice.com",
    f"https://sod2.superoffice.com/{TENANT}/api/v2",
    f"https://sod2.superoffice.com/{TENANT}/api/..",
    f"https://sod2.superoffice.com/x/{TENANT}/api",
    f"https://sod2.superoffice.com//{TENANT}/api",
    f"https://sod2.superoffice.com/{TENANT}/api?a=b",
    f"https://sod2.superoffice.com/{TENANT}/api#top",
    f"https://sod2.superoffice.com/{TENANT}%2Fapi",
]


@pytest.mark.parametrize("address", LIES)
async def test_no_other_address_is_believed(address: str) -> None:
    """Callers' credentials would go there. The error does not repeat it."""
    error = await refusal(saying({**RUNNING, "Api": address}))

    assert type(error) is UpstreamBadResponseError
    assert str(error) == f"SuperOffice names an address for {TENANT} that is not trusted."


async def test_a_lie_is_not_made_good_by_the_endpoint() -> None:
    """A service that names one address to be trusted and one not to be is not itself."""
    error = await refusal(saying({**RUNNING, "Api": f"https://example.net/{TENANT}/api"}))

    assert type(error) is UpstreamBadResponseError


async def test_a_running_tenant_without_an_address_is_not_believed() -> None:
    """There is nowhere to call."""
    error = await refusal(saying({**RUNNING, "Api": None, "Endpoint": None}))

    assert type(error) is UpstreamBadResponseError


@pytest.mark.parametrize("domains", ["example.net", "superoffice.com,example.net"])
async def test_the_domains_to_trust_can_be_others(domains: str) -> None:
    """They are a setting."""
    answer = saying({**RUNNING, "Api": f"https://crm.example.net/{TENANT}/api"})

    state = await service(answer, domains=domains).read(TENANT)

    assert state.url == f"https://crm.example.net/{TENANT}"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Suspended", "Suspended"),
        ("Deleted", "Deleted"),
        ("OfflineMaintenance", "OfflineMaintenance"),
        ("<b>hunter2</b>", "Unknown"),
        ("Unknown", "Unknown"),
    ],
)
async def test_a_tenant_that_does_not_run_has_no_address(written: str, name: str) -> None:
    """Whatever else is said; the name of its state is one of those documented."""
    stopped = {**RUNNING, "State": written, "IsRunning": False, "Api": "http://example.net"}

    assert (await refusal(saying(stopped))).extensions["tenantState"] == name


async def test_a_tenant_in_online_maintenance_runs() -> None:
    """What counts is `IsRunning`."""
    assert (await said(State="OnlineMaintenance")).url == WHERE_IT_IS


@pytest.mark.parametrize(
    ("written", "valid_until_s"),
    [
        ("2026-01-31T17:46:13Z", 1_769_881_573),
        ("2026-01-31T17:46:13", 1_769_881_573),
        ("2026-01-31T18:46:13+01:00", 1_769_881_573),
        ("0001-01-01T00:00:00", -62_135_596_800),
        ("9999-12-31T23:59:59.9999999Z", 253_402_300_800),
    ],
)
async def test_a_date_is_read_in_each_form_that_net_writes(
    written: str, valid_until_s: float
) -> None:
    """Without a zone it is in UTC, as documented."""
    assert (await said(ValidUntil=written)).valid_until_s == pytest.approx(valid_until_s)


async def test_a_tenant_that_does_not_run_may_have_no_date() -> None:
    """Its state is what the client is told, not that the answer makes no sense."""
    stopped = {**RUNNING, "ValidUntil": None, "State": "Suspended", "IsRunning": False}

    assert (await refusal(saying(stopped))).extensions["tenantState"] == "Suspended"
    assert (await said(ValidUntil=None)).valid_until_s < 0


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"42",
    "a page": b"<html>",
    "cut": b"{",
    "not UTF-8": b"\xff",
    "deep": b'{"a":' * 100_000,
    "huge": b" " * 2**17,
    **{
        f"{name} {value!r}": json.dumps({**RUNNING, name: value}).encode()
        for name, value in (
            ("IsRunning", "yes"),
            ("IsRunning", None),
            ("State", 2),
            ("ValidUntil", "soon"),
            ("ValidUntil", "2026-02-31T00:00:00Z"),
            ("Api", 1),
            ("ContextIdentifier", "Cust12346"),
            ("ContextIdentifier", ""),
        )
    },
    **{
        f"no {left_out}": json.dumps({k: v for k, v in RUNNING.items() if k != left_out}).encode()
        for left_out in ("ContextIdentifier", "State", "IsRunning")
    },
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_makes_no_sense_is_not_believed(body: bytes) -> None:
    """Cut, of another shape, about another tenant, or larger than any state is."""
    error = await refusal(saying(body))

    assert type(error) is UpstreamBadResponseError
    assert str(error) == f"SuperOffice sent an invalid answer about the address of {TENANT}."
    assert error.extensions == {"code": "UPSTREAM_BAD_RESPONSE"}


async def test_an_answer_that_cannot_be_decompressed_makes_no_sense() -> None:
    """Like one that is cut."""
    headers = {"Content-Encoding": "gzip"}

    error = await refusal(lambda _: httpx.Response(200, stream=_Bytes(b"no"), headers=headers))

    assert type(error) is UpstreamBadResponseError


class _Bytes(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> Any:
        yield self._body


async def test_a_tenant_that_is_not_known_is_not_found() -> None:
    """404 is an answer too."""
    assert type(await refusal(saying(RUNNING, 404))) is TenantNotFoundError


@pytest.mark.parametrize("status", [204, 301, 302, 400, 401, 403, 429, 500, 503])
async def test_any_other_status_is_no_answer(status: int) -> None:
    """A redirect is not followed, and none of it is taken for REST's own status."""
    error = await refusal(saying(RUNNING, status, Location=f"https://example.net/{TENANT}"))

    assert type(error) is UpstreamUnavailableError
    assert error.extensions == {"code": "UPSTREAM_UNAVAILABLE"}


async def test_a_service_that_cannot_be_reached_is_unavailable() -> None:
    """What httpx says, addresses and all, goes no further."""

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("sod.superoffice.com")

    error = await refusal(broken)

    assert type(error) is UpstreamUnavailableError
    assert str(error) == f"SuperOffice cannot be asked for the address of {TENANT}."


async def test_a_service_that_does_not_answer_is_not_waited_for() -> None:
    """It has a deadline of its own."""

    async def silent(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it never comes

    error = await refusal(silent, timeout_s=0.01)

    assert type(error) is UpstreamTimeoutError


async def test_few_questions_are_asked_at_once() -> None:
    """However many names somebody tries; the others have their turn, or are too late."""
    asked: list[httpx.Request] = []
    at_once: list[int] = []

    async def silent(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        at_once.append(len(asked))
        try:
            await asyncio.Event().wait()
        finally:
            asked.remove(request)
        raise AssertionError  # pragma: no cover - it never comes

    states = service(silent, timeout_s=1)
    errors = await asyncio.gather(
        *(states.read(f"Cust{number}") for number in range(20)), return_exceptions=True
    )

    assert {type(error) for error in errors} == {UpstreamTimeoutError}
    assert max(at_once) == 8
