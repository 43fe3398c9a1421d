"""Every valid form of REST's answer."""

import asyncio
import gzip
import zlib

import pytest

from tests.upstream.faulty import (
    BODY,
    DATA,
    answer,
    ask,
    closes,
    drips,
    faulty_rest,
    gateway_to,
    head,
)
from tests.upstream.test_body import raw_deflate

pytestmark = pytest.mark.socket

EARLY_HINTS = head("Link: </style.css>; rel=preload", status="103 Early Hints")
CHUNKED = head("Content-Type: application/json", "Transfer-Encoding: chunked")


def chunks(body: bytes) -> bytes:
    """Return a body in chunks of seven bytes, with an extension and a trailer."""
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    encoded = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return encoded + b"0\r\nX-Trailer: 1\r\n\r\n"


FORMS = {
    "plain": answer(),
    "gzip": answer(gzip.compress(BODY), "Content-Encoding: gzip"),
    "deflate": answer(zlib.compress(BODY), "Content-Encoding: deflate"),
    "deflate without header": answer(raw_deflate(BODY), "Content-Encoding: deflate"),
    "identity": answer(BODY, "Content-Encoding: identity"),
    "chunked": CHUNKED + chunks(BODY),
    "chunked gzip": CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunks(gzip.compress(BODY)),
    "BOM": answer(b"\xef\xbb\xbf" + BODY),
    "white space": answer(b" \r\n\t" + BODY + b"\n"),
    "103 first": EARLY_HINTS + answer(),
    "103 and 103 first": EARLY_HINTS * 2 + answer(),
    "text/json": answer(content_type="text/json"),
    "with charset": answer(content_type="application/json; charset=utf-8"),
    "text/plain": answer(content_type="text/plain"),
    "no Content-Type": head(f"Content-Length: {len(BODY)}") + BODY,
    "closes after": closes(answer(BODY, "Connection: close")),
    "ends by closing": closes(head("Content-Type: application/json") + BODY),
    "HTTP/1.0": closes(answer().replace(b"HTTP/1.1", b"HTTP/1.0")),
    "a byte at a time": drips(answer(), every_s=0),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_every_valid_form_is_read_and_cached(form: bytes) -> None:
    """Every valid form is read with one call, and the next request uses the cache."""
    async with faulty_rest(form) as rest, gateway_to(rest.url, cache_ttl=60) as gateway:
        first = await ask(gateway)
        second = await ask(gateway)

    assert first.json() == {"data": DATA}
    assert second.json() == {"data": DATA}
    assert rest.calls == 1


async def test_an_empty_array_is_read_and_cached() -> None:
    """An empty array is an empty list of sessions, and cached."""
    async with faulty_rest(answer(b"[]")) as rest, gateway_to(rest.url, cache_ttl=60) as gateway:
        first = await ask(gateway)
        second = await ask(gateway)

    assert first.json() == second.json() == {"data": {"chatSessions": []}}
    assert rest.calls == 1


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The setting is about the body alone, without its head."""
    async with faulty_rest() as rest, gateway_to(rest.url, max_upstream_bytes=len(BODY)) as gateway:
        response = await ask(gateway)

    assert response.json() == {"data": DATA}


async def test_a_cookie_that_rest_sets_is_dropped() -> None:
    """A cookie from REST reaches neither the next REST call nor a client."""
    async with (
        faulty_rest(answer(BODY, "Set-Cookie: ASP.NET_SessionId=1; Path=/")) as rest,
        gateway_to(rest.url.replace("127.0.0.1", "localhost")) as gateway,
    ):
        first = await ask(gateway, user="1")
        second = await ask(gateway, user="2")

    assert first.json() == second.json() == {"data": DATA}
    assert "set-cookie" not in first.headers
    assert len(rest.requests) == 2
    assert b"cookie" not in rest.requests[1].lower()


async def test_calls_share_connections() -> None:
    """Calls of two callers, one after the other, share a connection."""
    async with faulty_rest() as rest, gateway_to(rest.url) as gateway:
        await ask(gateway, user="1")
        await ask(gateway, user="2")

    assert (rest.calls, rest.connections) == (2, 1)


async def test_more_callers_than_connections_are_served() -> None:
    """More callers than connections wait, and all are served."""
    async with (
        faulty_rest() as rest,
        gateway_to(rest.url, upstream_connections=1, cache_ttl=0) as gateway,
    ):
        responses = await asyncio.gather(*(ask(gateway, user=f"{number}") for number in range(5)))

    assert [one.json() for one in responses] == [{"data": DATA}] * 5
    assert rest.connections == 1
