"""The protection of browsers: CORS, cross-site requests, security headers."""

import pytest
from starlette.requests import HTTPConnection

from gateway.web.read.cross_site import is_foreign
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import (
    PROTOCOL,
    TYPENAME,
    Json,
    connected,
    first_error,
    get,
    post_body,
)

CONSOLE = "https://console.example"
WALLBOARD = "http://wallboard.example:8080"
EVIL = "https://evil.example"
ORIGINS = f"{CONSOLE}, {WALLBOARD}"
CROSS_SITE = (
    "This request could have been made by a page of another site. Send it with the header "
    "`Apollo-Require-Preflight: true`, or as a POST with Content-Type application/json."
)


def preflight(origin: str, method: str = "POST", headers: str = "content-type") -> dict[str, str]:
    """Return the headers of a preflight, which a browser sends before a page's request."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


WANTED_HEADERS = [
    "content-type",
    "authorization,content-type",
    "apollo-require-preflight,x-apollo-operation-name",
    "so-apptoken,so-culture,so-language,so-timezone,x-xsrf-token",
    "accept,accept-language,cache-control,if-none-match",
    "traceparent,tracestate,x-request-id",
]


async def test_a_preflight_may_have_empty_headers_and_ask_for_a_private_network(
    rest: RestSide,
) -> None:
    """Empty elements in a preflight's list of headers are ignored (RFC 9110, section 5.6.1)."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        for headers in ("", "content-type,", " , authorization"):
            preflight_headers = preflight(CONSOLE, headers=headers)
            preflight_headers["Access-Control-Request-Private-Network"] = "true"
            answer = await gateway.http.options("/graphql", headers=preflight_headers)

            assert answer.status_code == 200, answer.text
            assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("origin", [CONSOLE, WALLBOARD])
@pytest.mark.parametrize("headers", WANTED_HEADERS)
async def test_a_page_of_an_allowed_site_may_send_requests(
    rest: RestSide, origin: str, headers: str
) -> None:
    """A page of an allowed site may send cookies and every header that the gateway knows."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.http.options("/graphql", headers=preflight(origin, headers=headers))

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert answer.headers["access-control-max-age"] == "600"
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(headers.split(",")) <= set(allowed)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (preflight(EVIL), "origin"),
        (preflight("null"), "origin"),
        (preflight(f"{CONSOLE}.evil.example"), "origin"),
        (preflight(f"{CONSOLE}:444"), "origin"),
        (preflight(CONSOLE.replace("https", "http")), "origin"),
        (preflight(CONSOLE, method="DELETE"), "method"),
        (preflight(CONSOLE, headers="x-anything"), "headers: x-anything"),
        (preflight(EVIL, headers="x-anything"), "origin, headers: x-anything"),
    ],
    ids=[
        "another site",
        "null",
        "a longer host",
        "another port",
        "without TLS",
        "another method",
        "another header",
        "another site and header",
    ],
)
async def test_a_preflight_of_another_origin_method_or_header_is_refused(
    rest: RestSide, headers: dict[str, str], reason: str
) -> None:
    """A preflight with another origin, method or header than the allowed ones gets 400."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.http.options("/graphql", headers=headers)

    assert answer.status_code == 400
    assert answer.text == (
        f"Disallowed CORS {reason}. GATEWAY_CORS_ORIGINS and GATEWAY_CORS_HEADERS name what is "
        "allowed."
    )


async def test_cors_headers_allows_more_headers(rest: RestSide) -> None:
    """Headers of monitoring tools can be allowed, and an error names the headers that are not."""
    request = preflight(CONSOLE, headers="Baggage, content-type,sentry-trace")
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        refused = await gateway.http.options("/graphql", headers=request)
    async with gateway_over(rest, cors_origins=ORIGINS, cors_headers="sentry-trace,baggage") as g:
        allowed = await g.http.options("/graphql", headers=request)

    assert (refused.status_code, allowed.status_code) == (400, 200)
    assert refused.text.startswith("Disallowed CORS headers: baggage, sentry-trace. ")


async def test_a_page_of_an_allowed_site_can_read_the_answer(rest: RestSide) -> None:
    """A page of an allowed site can read the answer and its useful headers."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.post("{ __typename }", headers={**CREDENTIALS, "Origin": CONSOLE})

    assert answer.json() == TYPENAME
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert set(answer.headers["access-control-expose-headers"].split(", ")) == {
        "Age",
        "Allow",
        "Cache-Status",
        "Content-Encoding",
        "Date",
        "ETag",
        "Retry-After",
        "Server-Timing",
        "Vary",
        "WWW-Authenticate",
        "X-Request-ID",
    }


async def test_a_page_of_an_allowed_site_can_read_an_error(rest: RestSide) -> None:
    """A page can read why a request was refused: without CORS headers it sees a network error."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.http.put("/graphql", headers={"Origin": CONSOLE})

    assert answer.status_code == 405
    assert answer.headers["access-control-allow-origin"] == CONSOLE


@pytest.mark.parametrize("origins", ["", ORIGINS])
async def test_a_page_of_another_site_cannot_read_the_answer(rest: RestSide, origins: str) -> None:
    """An answer has no CORS headers for another site, so the browser hides it from the page."""
    async with gateway_over(rest, cors_origins=origins) as gateway:
        answer = await gateway.post("{ __typename }", headers={"Origin": EVIL})

    assert "access-control-allow-origin" not in answer.headers


async def test_with_all_origins_allowed_no_cookies_are_sent(rest: RestSide) -> None:
    """With all origins allowed, any page may send requests, but without cookies."""
    async with gateway_over(rest, cors_origins="*") as gateway:
        preflight_answer = await gateway.http.options("/graphql", headers=preflight(EVIL))
        answer = await gateway.post("{ __typename }", headers={"Origin": EVIL})

    for headers in (preflight_answer.headers, answer.headers):
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize(
    ("origins", "headers", "is_allowed"),
    [
        ("", {}, True),
        ("", {"Sec-Fetch-Site": "none"}, True),
        ("", {"Sec-Fetch-Site": "same-origin"}, True),
        ("", {"Sec-Fetch-Site": "same-site"}, False),
        ("", {"Sec-Fetch-Site": "cross-site"}, False),
        ("", {"Origin": "http://gateway.invalid"}, True),
        ("", {"Origin": "https://gateway.invalid"}, True),
        ("", {"Origin": "http://gateway.invalid:81"}, False),
        ("", {"Origin": EVIL}, False),
        ("", {"Origin": "null"}, False),
        ("", {"Origin": "http://["}, False),
        ("", {"Origin": "*"}, False),
        ("", {"Origin": EVIL, "Content-Type": "text/plain"}, False),
        ("", {"Origin": EVIL, "Content-Type": "application/json"}, True),
        ("", {"Origin": EVIL, "Apollo-Require-Preflight": "true"}, True),
        ("", {"Origin": EVIL, "X-Apollo-Operation-Name": "A"}, True),
        ("", {"Origin": EVIL, "X-XSRF-TOKEN": "t"}, True),
        ("", {"Origin": EVIL, "Authorization": "Basic eA=="}, False),
        (ORIGINS, {"Origin": CONSOLE, "Sec-Fetch-Site": "cross-site"}, True),
        (ORIGINS, {"Origin": WALLBOARD}, True),
        (ORIGINS, {"Origin": EVIL}, False),
        (ORIGINS, {"Sec-Fetch-Site": "cross-site"}, False),
        ("*", {"Origin": EVIL}, True),
        ("*", {"Sec-Fetch-Site": "cross-site"}, False),
    ],
    ids=repr,
)
async def test_a_get_that_another_sites_page_may_have_sent_is_refused(
    rest: RestSide, origins: str, headers: dict[str, str], is_allowed: bool
) -> None:
    """A GET that a page of another site can send without a preflight is refused."""
    async with gateway_over(rest, cors_origins=origins) as gateway:
        answer = await gateway.http.get(
            "/graphql", params={"query": "{ __typename }"}, headers=headers
        )

    assert answer.status_code == (200 if is_allowed else 400)
    if not is_allowed:
        assert first_error(answer) == ("BAD_REQUEST", CROSS_SITE)


async def test_a_json_post_with_a_foreign_origin_is_answered(gateway: Gateway) -> None:
    """A JSON POST is answered whatever its Origin, as its type needs a preflight."""
    answer = await post_body(gateway, b'{"query": "{ __typename }"}', origin=EVIL)

    assert answer.json() == TYPENAME


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_a_post_that_needs_no_preflight_gets_415(gateway: Gateway, content_type: str) -> None:
    """A POST with a media type that a form of another site can send gets 415."""
    answer = await gateway.http.post(
        "/graphql",
        content=b'{"query": "{ __typename }"}',
        headers={"Origin": EVIL, "Content-Type": content_type},
    )

    assert answer.status_code == 415


async def test_a_link_from_another_site_may_open_the_page(gateway: Gateway) -> None:
    """A link on another site may open the query page, which contains no data."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site"}
    answer = await gateway.http.get("/graphql", headers=headers)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/graphql", "/schema.graphql", "/healthz", "/readyz", "/static/nothing", "/nothing"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_every_answer_has_security_headers(gateway: Gateway, path: str, accept: str) -> None:
    """Every answer forbids MIME sniffing, frames and referrers."""
    answer = await gateway.http.get(path, headers={"Accept": accept})

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_a_preflight_answer_has_security_headers(rest: RestSide) -> None:
    """The answer to a preflight has the security headers, too."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.http.options("/graphql", headers=preflight(CONSOLE))

    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("origins", "headers"),
    [
        ("", {}),
        ("", {"Origin": "http://gateway.invalid"}),
        (ORIGINS, {"Origin": CONSOLE}),
        (ORIGINS, {"Origin": WALLBOARD}),
        ("*", {"Origin": EVIL}),
    ],
    ids=[
        "no Origin",
        "same origin",
        "an allowed site",
        "another allowed site",
        "all sites allowed",
    ],
)
async def test_a_page_of_an_allowed_site_may_open_a_socket(
    rest: RestSide, origins: str, headers: dict[str, str]
) -> None:
    """A page of an allowed site, or a client without an Origin, may open a WebSocket."""
    async with connected(rest, headers, cors_origins=origins) as socket:
        accepted = await socket.sent.get()

    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", PROTOCOL)


@pytest.mark.parametrize(
    ("origins", "origin"), [("", EVIL), ("", "null"), (ORIGINS, EVIL), (ORIGINS, "http://[")]
)
async def test_a_page_of_another_site_may_not_open_a_socket(
    rest: RestSide, origins: str, origin: str
) -> None:
    """The handshake of another site's page gets 403, which names the setting that allows it."""
    async with connected(rest, {"Origin": origin}, cors_origins=origins) as socket:
        start, body = await socket.sent.get(), await socket.sent.get()

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert b"GATEWAY_CORS_ORIGINS" in body["body"]


@pytest.mark.parametrize("name", ["token", "Authorization", "access_token", "SO-AppToken"])
async def test_credentials_in_a_sockets_url_are_refused(rest: RestSide, name: str) -> None:
    """Credentials in a WebSocket's URL get 400 with the reason, without the secret."""
    async with connected(rest, query_string=f"{name}=s3cret") as socket:
        start: Json = await socket.sent.get()
        body: Json = await socket.sent.get()

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)
    assert f"`{name}` must not be in the URL".encode() in body["body"]
    assert b"s3cret" not in body["body"]


async def test_other_parameters_of_a_sockets_url_are_ignored(rest: RestSide) -> None:
    """Parameters that are not named like credentials are ignored in a WebSocket's URL."""
    async with connected(rest, query_string="client=wallboard") as socket:
        assert (await socket.sent.get())["type"] == "websocket.accept"


async def test_a_get_is_answered_with_the_callers_headers(gateway: Gateway) -> None:
    """A GET with credentials in its headers is answered."""
    answer = await get(gateway, "{ chatSessions { chatSessionId } }")

    assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}


def is_cross_site(scheme: str = "http", **headers: str) -> bool:
    """Return whether a request counts as sent by another site's page."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "scheme": scheme}
    return is_foreign(HTTPConnection(scope), frozenset())


def test_sec_fetch_site_decides_before_the_origin() -> None:
    """Sec-Fetch-Site shows that a page is our own where a proxy changes the Host."""
    headers = {"origin": "https://chat.example", "host": "127.0.0.1:8000"}

    assert is_cross_site(**headers)
    assert not is_cross_site(**headers, sec_fetch_site="same-origin")


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "is_other_site"),
    [
        ("https://chat.example", "chat.example", "http", False),  # TLS ends in front of us
        ("https://chat.example", "chat.example:443", "http", False),
        ("http://chat.example", "chat.example:80", "http", False),
        ("http://chat.example", "chat.example:443", "http", True),
        ("http://chat.example", "chat.example", "https", True),
        ("https://chat.example", "chat.example", "wss", False),
        ("wss://chat.example", "chat.example:443", "wss", False),  # as apps do
        ("https://Chat.example:443", "chat.example", "wss", False),
        ("ws://chat.example:8000", "chat.example:8000", "ws", False),
        ("ws://chat.example", "chat.example", "wss", True),
        ("wss://evil.example", "chat.example", "wss", True),
    ],
)
def test_an_own_origin_is_recognized_behind_a_proxy(
    origin: str, host: str, scheme: str, is_other_site: bool
) -> None:
    """An origin is ours despite a proxy's default port, but not without TLS if we have it."""
    assert is_cross_site(scheme, origin=origin, host=host) is is_other_site
