"""The answers of the state service, and the checks before they are trusted."""

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
from gateway.upstream.body_memory import BodyMemory, make_room
from tests.support import loaded
from tests.tenants.fakes import error_of
from tests.waiting import settle

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
ADDRESS = f"https://sod2.superoffice.com/{TENANT}"
VALID_UNTIL_S = 1_769_881_573.1234567
NOW_S = 1_769_880_000

Handler = Callable[[httpx.Request], Any]


def service(
    answer: Handler, *, timeout_s: float = 5, domains: str = "superoffice.com", **options: Any
) -> Any:
    """Make a client of a fake state service; more options are settings."""
    options |= {"tenant_hosts": domains, "upstream_timeout": timeout_s}
    settings = loaded({"environment": "sod", **options})
    return StateService(settings, httpx.MockTransport(answer), clock=lambda: NOW_S)


def answering(body: object, status: int = 200, **headers: str) -> Handler:
    """Make a state service that always gives the same answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda request: httpx.Response(status, content=content, headers=headers)


async def state_with(**changes: object) -> TenantState:
    """Read a state with these changes to the documented sample."""
    state: TenantState = await service(answering({**RUNNING, **changes})).read(TENANT)
    return state


async def refusal(answer: Handler, **options: Any) -> GatewayError:
    """Read a state that fails, and return the error."""
    error = await error_of(service(answer, **options).read(TENANT))
    assert isinstance(error, GatewayError)
    return error


async def test_a_running_tenant_has_its_address_and_validity() -> None:
    """The documented sample is read, with its unused properties, also after a byte order mark."""
    expected = TenantState("Running", ADDRESS, VALID_UNTIL_S - NOW_S)
    assert await state_with() == expected
    after_bom = b"\xef\xbb\xbf" + json.dumps(RUNNING).encode()
    assert await service(answering(after_bom)).read(TENANT) == expected


async def test_its_answer_does_not_count_as_part_of_a_rest_answer() -> None:
    """A refresh that a REST call has started may end after the call, whose memory is given back."""
    memory = BodyMemory(0)
    with memory.hold("ada"):
        await make_room(2**18, bool)  # the free part
        refresh = asyncio.create_task(service(answering(RUNNING)).read(TENANT))
    await refresh

    assert (memory.left_bytes, memory.unlimited) == (0, None)


async def test_the_request_has_only_the_tenants_name() -> None:
    """The request has no credentials, as the service is public."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=RUNNING)

    await service(answer).read(TENANT)

    (request,) = requests
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


VALID_ADDRESSES = [
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


@pytest.mark.parametrize("changes", VALID_ADDRESSES, ids=str)
async def test_an_address_may_be_written_in_each_documented_way(changes: Any) -> None:
    """`Api` is preferred to `Endpoint`, and each form results in the same address."""
    assert (await state_with(**changes)).url == ADDRESS


@pytest.mark.parametrize("host", ["app.superoffice.com", "a.b.superoffice.com", "superoffice.com"])
async def test_any_host_of_the_domain_is_trusted(host: str) -> None:
    """Hosts are added and removed, and their names have no pattern."""
    assert (await state_with(Api=f"https://{host}/{TENANT}/api")).url == f"https://{host}/{TENANT}"


UNTRUSTED_ADDRESSES = [
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


@pytest.mark.parametrize("address", UNTRUSTED_ADDRESSES)
async def test_no_other_address_is_trusted(address: str) -> None:
    """Callers' credentials would be sent there. The error does not quote it."""
    error = await refusal(answering({**RUNNING, "Api": address}))

    assert type(error) is UpstreamBadResponseError
    assert str(error) == f"SuperOffice names an address for {TENANT} that is not trusted."


async def test_a_trusted_endpoint_does_not_excuse_an_untrusted_api() -> None:
    """An answer with one trusted and one untrusted address is not from the real service."""
    error = await refusal(answering({**RUNNING, "Api": f"https://example.net/{TENANT}/api"}))

    assert type(error) is UpstreamBadResponseError


async def test_a_running_tenant_without_an_address_is_an_invalid_answer() -> None:
    """There is no host to call."""
    error = await refusal(answering({**RUNNING, "Api": None, "Endpoint": None}))

    assert type(error) is UpstreamBadResponseError


@pytest.mark.parametrize("domains", ["example.net", "superoffice.com,example.net"])
async def test_the_trusted_domains_can_be_configured(domains: str) -> None:
    """`tenant_hosts` replaces the default."""
    answer = answering({**RUNNING, "Api": f"https://crm.example.net/{TENANT}/api"})

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
    """The address is ignored; the state in the error is one of the documented names."""
    stopped = {**RUNNING, "State": written, "IsRunning": False, "Api": "http://example.net"}

    assert (await refusal(answering(stopped))).extensions["tenantState"] == name


async def test_a_tenant_in_online_maintenance_runs() -> None:
    """`IsRunning` decides."""
    assert (await state_with(State="OnlineMaintenance")).url == ADDRESS


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
async def test_a_date_is_read_in_each_form_of_dotnet(written: str, valid_until_s: float) -> None:
    """Without a zone it is in UTC, as documented."""
    valid_s = (await state_with(ValidUntil=written)).valid_s
    assert valid_s + NOW_S == pytest.approx(valid_until_s)


@pytest.mark.parametrize("written", [None, 5, "soon", "2026-02-31T00:00:00Z", "9" * 50])
async def test_a_tenant_with_an_odd_date_is_served(written: object) -> None:
    """The state is soon read again, as after an expired date."""
    stopped = {**RUNNING, "ValidUntil": written, "State": "Suspended", "IsRunning": False}

    assert (await refusal(answering(stopped))).extensions["tenantState"] == "Suspended"
    assert (await state_with(ValidUntil=written)).valid_s < 0


@pytest.mark.parametrize("written", [None, 2, ["Running"], {}])
async def test_a_tenant_whose_state_is_no_text_is_served(written: object) -> None:
    """`IsRunning` decides; SuperOffice's webhooks write states as numbers."""
    state = await state_with(State=written)

    assert (state.name, state.url) == ("Unknown", ADDRESS)


GARBAGE: dict[str, bytes] = {
    "empty": b"",
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
            ("Api", 1),
            ("ContextIdentifier", "Cust12346"),
            ("ContextIdentifier", ""),
        )
    },
    **{
        f"no {missing}": json.dumps({k: v for k, v in RUNNING.items() if k != missing}).encode()
        for missing in ("ContextIdentifier", "IsRunning")
    },
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE.keys())
async def test_an_invalid_answer_is_refused(body: bytes) -> None:
    """The answer is cut, has another shape, is about another tenant, or is too large."""
    error = await refusal(answering(body))

    assert type(error) is UpstreamBadResponseError
    assert str(error) == f"SuperOffice sent an invalid answer about the address of {TENANT}."
    assert error.extensions == {"code": "UPSTREAM_BAD_RESPONSE"}


async def test_an_answer_that_cannot_be_decompressed_is_invalid() -> None:
    """Such an answer is handled like one that is cut."""
    headers = {"Content-Encoding": "gzip"}

    error = await refusal(lambda _: httpx.Response(200, stream=_Bytes(b"no"), headers=headers))

    assert type(error) is UpstreamBadResponseError


class _Bytes(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> Any:
        yield self._body


async def test_an_unknown_tenant_is_not_found() -> None:
    """A 404 is a valid answer."""
    assert type(await refusal(answering(RUNNING, 404))) is TenantNotFoundError


@pytest.mark.parametrize("status", [204, 301, 302, 400, 401, 403, 429, 500, 503])
async def test_any_other_status_is_unavailable(status: int) -> None:
    """Redirects are not followed, and the status is not reported as that of the REST API."""
    error = await refusal(answering(RUNNING, status, Location=f"https://example.net/{TENANT}"))

    assert type(error) is UpstreamUnavailableError
    assert error.extensions == {"code": "UPSTREAM_UNAVAILABLE"}


async def test_a_service_that_cannot_be_reached_is_unavailable() -> None:
    """The message of httpx, which has addresses, is not passed on."""

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("sod.superoffice.com")

    error = await refusal(broken)

    assert type(error) is UpstreamUnavailableError
    assert str(error) == f"SuperOffice cannot be reached for the address of {TENANT}."


async def test_a_service_that_does_not_answer_times_out() -> None:
    """The request has its own deadline, also while it waits for a place and is not sent."""

    async def silent(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - it waits for ever

    states = service(silent, timeout_s=0.01, upstream_connections=1)
    async with states._turns.slot("another tenant"):
        errors = [await error_of(states.read(TENANT))]
    errors.append(await error_of(states.read(TENANT)))

    assert [type(error) for error in errors] == [UpstreamTimeoutError] * 2
    assert [getattr(error, "call_was_made", None) for error in errors] == [False, True]


async def test_no_more_requests_run_at_once_than_there_are_connections() -> None:
    """Further names wait for a free place or time out; an eighth of them is for known tenants."""
    running: list[httpx.Request] = []
    at_once: list[int] = []

    async def silent(request: httpx.Request) -> httpx.Response:
        running.append(request)
        at_once.append(len(running))
        try:
            await asyncio.Event().wait()
        finally:
            running.remove(request)
        raise AssertionError  # pragma: no cover - it waits for ever

    states = service(silent, timeout_s=1, upstream_connections=8)
    errors = await asyncio.gather(
        *(states.read(f"Cust{number}") for number in range(20)), return_exceptions=True
    )

    assert {type(error) for error in errors} == {UpstreamTimeoutError}
    assert max(at_once) == 7


@pytest.mark.parametrize(("is_known", "begun"), [(True, 8), (False, 7)])
async def test_a_flood_of_names_does_not_keep_a_tenant_waiting(is_known: bool, begun: int) -> None:
    """The newest name is read next, as earlier ones may be made up; a known tenant at once."""
    may_answer, asked = asyncio.Event(), list[str]()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2])
        await may_answer.wait()
        return httpx.Response(404)

    states = service(answer, upstream_connections=8)
    reads = [asyncio.create_task(error_of(states.read(f"Cust{number}"))) for number in range(50)]
    await settle()
    reads.append(asyncio.create_task(error_of(states.read(TENANT, is_known=is_known))))
    await settle()
    begun_at_once = len(asked)
    may_answer.set()
    await asyncio.gather(*reads)

    assert (begun_at_once, asked.index(TENANT)) == (begun, 7)
