"""Every form in which REST may rightly send its array."""

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

pytestmark = pytest.mark.socket

EARLY_HINTS = head("Link: </style.css>; rel=preload", status="103 Early Hints")
CHUNKED = head("Content-Type: application/json", "Transfer-Encoding: chunked")


def chunks(body: bytes) -> bytes:
    """Write a body as chunks of seven bytes, with an extension and a trailer."""
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    written = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return written + b"0\r\nX-Trailer: 1\r\n\r\n"


def raw_deflate(data: bytes) -> bytes:
    """Compress without header and checksum, as IIS understands `deflate`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


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
async def test_the_array_is_read_in_every_form_and_kept(form: bytes) -> None:
    """One call, and the next question is answered without one."""
    async with faulty_rest(form) as rest, gateway_to(rest.url, cache_ttl=60) as gateway:
        first = await ask(gateway)
        second = await ask(gateway)

    assert first.json() == {"data": DATA}
    assert second.json() == {"data": DATA}
    assert rest.calls == 1


async def test_an_empty_array_is_an_empty_list_and_kept() -> None:
    """Having no chats is no error."""
    async with faulty_rest(answer(b"[]")) as rest, gateway_to(rest.url, cache_ttl=60) as gateway:
        first = await ask(gateway)
        second = await ask(gateway)

    assert first.json() == second.json() == {"data": {"chatSessions": []}}
    assert rest.calls == 1


async def test_a_body_of_exactly_the_limit_is_read() -> None:
    """The limit is the largest size allowed."""
    async with faulty_rest() as rest, gateway_to(rest.url, max_upstream_bytes=len(BODY)) as gateway:
        seen = await ask(gateway)

    assert seen.json() == {"data": DATA}


async def test_a_cookie_that_rest_sets_goes_to_nobody() -> None:
    """Neither to the next caller's REST call nor to the gateway's clients."""
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
    """Two callers in turn cost one connection."""
    async with faulty_rest() as rest, gateway_to(rest.url) as gateway:
        await ask(gateway, user="1")
        await ask(gateway, user="2")

    assert (rest.calls, rest.connections) == (2, 1)


async def test_more_callers_than_connections_wait_for_their_turn() -> None:
    """A bound on connections is no bound on callers."""
    async with (
        faulty_rest() as rest,
        gateway_to(rest.url, upstream_connections=1, cache_ttl=0) as gateway,
    ):
        seen = await asyncio.gather(*(ask(gateway, user=f"{number}") for number in range(5)))

    assert [one.json() for one in seen] == [{"data": DATA}] * 5
    assert rest.connections == 1
