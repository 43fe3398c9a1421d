"""What protects people's browsers: CORS, cross-site requests, security headers."""

import pytest
from starlette.requests import HTTPConnection

from gateway.web.middleware.browsers import is_foreign
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
    """Return what a browser sends with OPTIONS before it sends a request of a page's."""
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


async def test_a_preflight_may_ask_for_nothing_and_for_a_private_network(rest: RestSide) -> None:
    """Empty elements of a list mean nothing (RFC 9110, section 5.6.1)."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        for headers in ("", "content-type,", " , authorization"):
            sent = preflight(CONSOLE, headers=headers)
            sent["Access-Control-Request-Private-Network"] = "true"
            answer = await gateway.http.options("/graphql", headers=sent)

            assert answer.status_code == 200, answer.text
            assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("origin", [CONSOLE, WALLBOARD])
@pytest.mark.parametrize("headers", WANTED_HEADERS)
async def test_a_page_of_an_allowed_site_may_ask(rest: RestSide, origin: str, headers: str) -> None:
    """With every header that means something to us, and with its cookies."""
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
    ("asked", "what"),
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
)
async def test_another_page_or_request_may_not(
    rest: RestSide, asked: dict[str, str], what: str
) -> None:
    """An origin counts as a whole; methods and headers are the ones we take."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.http.options("/graphql", headers=asked)

    assert answer.status_code == 400
    assert answer.text == (
        f"Disallowed CORS {what}. GATEWAY_CORS_ORIGINS and GATEWAY_CORS_HEADERS name what is "
        "allowed."
    )


async def test_more_headers_can_be_allowed_and_a_refused_one_is_named(rest: RestSide) -> None:
    """Monitoring adds headers to every request of a page, which then fails as a whole."""
    asked = preflight(CONSOLE, headers="Baggage, content-type,sentry-trace")
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        refused = await gateway.http.options("/graphql", headers=asked)
    async with gateway_over(rest, cors_origins=ORIGINS, cors_headers="sentry-trace,baggage") as g:
        allowed = await g.http.options("/graphql", headers=asked)

    assert (refused.status_code, allowed.status_code) == (400, 200)
    assert refused.text.startswith("Disallowed CORS headers: baggage, sentry-trace. ")


async def test_a_page_of_an_allowed_site_can_read_the_answer(rest: RestSide) -> None:
    """And those of its headers that it has a use for."""
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


async def test_a_page_of_an_allowed_site_can_read_a_refusal(rest: RestSide) -> None:
    """Otherwise its author would see a network error and no reason."""
    async with gateway_over(rest, cors_origins=ORIGINS) as gateway:
        answer = await gateway.http.put("/graphql", headers={"Origin": CONSOLE})

    assert answer.status_code == 405
    assert answer.headers["access-control-allow-origin"] == CONSOLE


@pytest.mark.parametrize("origins", ["", ORIGINS])
async def test_a_page_of_another_site_cannot_read_the_answer(rest: RestSide, origins: str) -> None:
    """Without its origin on the answer, the browser keeps it from the page."""
    async with gateway_over(rest, cors_origins=origins) as gateway:
        answer = await gateway.post("{ __typename }", headers={"Origin": EVIL})

    assert "access-control-allow-origin" not in answer.headers


async def test_any_page_may_ask_where_all_are_allowed_but_without_cookies(rest: RestSide) -> None:
    """A browser sends no cookies to `*`, or hands out no answer to them."""
    async with gateway_over(rest, cors_origins="*") as gateway:
        asked = await gateway.http.options("/graphql", headers=preflight(EVIL))
        answer = await gateway.post("{ __typename }", headers={"Origin": EVIL})

    for headers in (asked.headers, answer.headers):
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
)
async def test_a_get_must_not_be_the_doing_of_another_sites_page(
    rest: RestSide, origins: str, headers: dict[str, str], is_allowed: bool
) -> None:
    """A page can make a browser send a GET; one that needed a preflight was let through by CORS."""
    async with gateway_over(rest, cors_origins=origins) as gateway:
        answer = await gateway.http.get(
            "/graphql", params={"query": "{ __typename }"}, headers=headers
        )

    assert answer.status_code == (200 if is_allowed else 400)
    if not is_allowed:
        assert first_error(answer) == ("BAD_REQUEST", CROSS_SITE)


async def test_a_post_is_no_danger_as_its_type_needs_a_preflight(gateway: Gateway) -> None:
    """Servers that pass an Origin on are answered."""
    answer = await post_body(gateway, b'{"query": "{ __typename }"}', origin=EVIL)

    assert answer.json() == TYPENAME


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_a_post_that_needs_no_preflight_is_not_read(
    gateway: Gateway, content_type: str
) -> None:
    """What a form of another site can send."""
    answer = await gateway.http.post(
        "/graphql",
        content=b'{"query": "{ __typename }"}',
        headers={"Origin": EVIL, "Content-Type": content_type},
    )

    assert answer.status_code == 415


async def test_a_link_from_another_site_may_lead_to_the_page(gateway: Gateway) -> None:
    """The page alone gives nothing away."""
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "cross-site"}
    answer = await gateway.http.get("/graphql", headers=headers)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/graphql", "/schema.graphql", "/healthz", "/readyz", "/static/nothing", "/nothing"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_every_answer_is_guarded(gateway: Gateway, path: str, accept: str) -> None:
    """No guessing of types, no frames, no referrers, whatever the answer is."""
    answer = await gateway.http.get(path, headers={"Accept": accept})

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_a_preflight_is_guarded_too(rest: RestSide) -> None:
    """The guard stands around CORS."""
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
)
async def test_a_page_of_an_allowed_site_may_open_a_socket(
    rest: RestSide, origins: str, headers: dict[str, str]
) -> None:
    """The same list as for CORS, and whatever is no browser."""
    async with connected(rest, headers, cors_origins=origins) as socket:
        accepted = await socket.sent.get()

    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", PROTOCOL)


@pytest.mark.parametrize(
    ("origins", "origin"), [("", EVIL), ("", "null"), (ORIGINS, EVIL), (ORIGINS, "http://[")]
)
async def test_another_page_may_not_open_a_socket(
    rest: RestSide, origins: str, origin: str
) -> None:
    """The handshake is refused with 403, and the setting that would allow it is named."""
    async with connected(rest, {"Origin": origin}, cors_origins=origins) as socket:
        start, body = await socket.sent.get(), await socket.sent.get()

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert b"GATEWAY_CORS_ORIGINS" in body["body"]


@pytest.mark.parametrize("name", ["token", "Authorization", "access_token", "SO-AppToken"])
async def test_credentials_in_a_sockets_url_are_refused(rest: RestSide, name: str) -> None:
    """The handshake is answered with 400 and the reason, without the secret."""
    async with connected(rest, query_string=f"{name}=s3cret") as socket:
        start: Json = await socket.sent.get()
        body: Json = await socket.sent.get()

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 400)
    assert f"`{name}` must not be in the URL".encode() in body["body"]
    assert b"s3cret" not in body["body"]


async def test_other_parameters_of_a_sockets_url_are_no_trouble(rest: RestSide) -> None:
    """Only what is named like a credential is refused."""
    async with connected(rest, query_string="client=wallboard") as socket:
        assert (await socket.sent.get())["type"] == "websocket.accept"


async def test_a_query_in_a_url_is_read_with_the_callers_headers(gateway: Gateway) -> None:
    """GET is for queries of programs and of our own page."""
    answer = await get(gateway, "{ chatSessions { chatSessionId } }")

    assert answer.json() == {"data": {"chatSessions": [{"chatSessionId": 1}]}}


def foreign(scheme: str = "http", **headers: str) -> bool:
    """Return whether a request is taken for one of another site's pages."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "scheme": scheme}
    return is_foreign(HTTPConnection(scope), frozenset())


def test_a_page_is_of_this_site_where_the_browser_says_so() -> None:
    """Behind a proxy that passes another Host on, the origin alone would not tell."""
    headers = {"origin": "https://chat.example", "host": "127.0.0.1:8000"}

    assert foreign(**headers)
    assert not foreign(**headers, sec_fetch_site="same-origin")


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "is_one"),
    [
        ("https://chat.example", "chat.example", "http", False),  # TLS ends in front of us
        ("https://chat.example", "chat.example:443", "http", False),
        ("http://chat.example", "chat.example:80", "http", False),
        ("http://chat.example", "chat.example:443", "http", True),
        ("http://chat.example", "chat.example", "https", True),
        ("https://chat.example", "chat.example", "wss", False),
    ],
)
def test_an_origin_is_ours_whatever_port_a_proxy_adds(
    origin: str, host: str, scheme: str, is_one: bool
) -> None:
    """A page without TLS is another site than ours with it, where that is known."""
    assert foreign(scheme, origin=origin, host=host) is is_one
