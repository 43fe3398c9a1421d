"""How a body is read: only if it may be JSON, decompressed, and never past its limit."""

import asyncio
import gzip
import itertools
import random
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterable

import httpx
import pytest

from gateway.errors import UpstreamBadResponseError, UpstreamInterruptedError
from gateway.upstream.body import read_body

TEXT = b'[{"ChatSessionId": 1}]' * 40
MEBIBYTE = 2**20
BOMB = gzip.compress(bytes(16 * MEBIBYTE), compresslevel=1)
# Nothing compresses it: it stays larger than its own text.
NOISE = random.Random(1).randbytes(2_000)


def raw_deflate(data: bytes) -> bytes:
    """Compress without header and checksum, as some servers understand `deflate`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


class Chunks(httpx.AsyncByteStream):
    """A body that arrives in pieces; counts how many were taken."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


def endless(chunk: bytes) -> Iterable[bytes]:
    """Give the same piece again and again, far past any limit here."""
    return itertools.repeat(chunk, 100_000)


async def read(
    body: bytes | Chunks,
    encoding: str | None = None,
    *,
    max_bytes: int = MEBIBYTE,
    length: str | None = None,
    media_type: str | None = None,
) -> bytes:
    """Read a body, by default in one piece, as REST would have sent it."""
    headers = {
        "Content-Encoding": encoding,
        "Content-Length": length,
        "Content-Type": media_type,
    }
    response = httpx.Response(
        200,
        headers={name: value for name, value in headers.items() if value is not None},
        stream=body if isinstance(body, Chunks) else Chunks([body]),
    )
    return await read_body(response, max_bytes=max_bytes)


def pieces(data: bytes, size: int) -> Chunks:
    """Cut a body into pieces of one size."""
    return Chunks([data[at : at + size] for at in range(0, len(data), size)])


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        pytest.param(None, TEXT, id="no Content-Encoding"),
        pytest.param("", TEXT, id="empty Content-Encoding"),
        pytest.param("identity", TEXT, id="identity"),
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param("x-gzip", gzip.compress(TEXT), id="x-gzip"),
        pytest.param(" GZip ", gzip.compress(TEXT), id="odd spelling"),
        pytest.param("gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]), id="two members"),
        pytest.param("gzip", gzip.compress(b"") + gzip.compress(TEXT), id="empty member first"),
        pytest.param("deflate", zlib.compress(TEXT), id="zlib"),
        pytest.param("deflate", raw_deflate(TEXT), id="raw deflate"),
    ],
)
@pytest.mark.parametrize("size", [7, 10_000])
async def test_a_body_comes_out_as_it_was_before_compression(
    encoding: str | None, sent: bytes, size: int
) -> None:
    """In whatever pieces it arrives."""
    assert await read(pieces(sent, size), encoding) == TEXT


async def test_gzip_may_come_a_byte_at_a_time() -> None:
    """No piece is too small."""
    assert await read(pieces(gzip.compress(TEXT), 1), "gzip") == TEXT


async def test_a_body_without_a_byte_is_empty() -> None:
    """What an empty body means is for the decoder to say."""
    assert await read(Chunks([])) == b""


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        pytest.param("br", TEXT, id="br"),
        pytest.param("zstd", TEXT, id="zstd"),
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(TEXT)), id="gzip twice"),
        pytest.param("gzip, identity", gzip.compress(TEXT), id="a list"),
        pytest.param("gzip", gzip.compress(TEXT)[:-1], id="cut in the checksum"),
        pytest.param("gzip", gzip.compress(TEXT)[:20], id="cut in the data"),
        pytest.param("gzip", gzip.compress(TEXT)[:5], id="cut in the header"),
        pytest.param("gzip", b"", id="empty gzip"),
        pytest.param("gzip", TEXT, id="not gzip"),
        pytest.param("gzip", gzip.compress(TEXT)[:-8] + bytes(8), id="wrong checksum"),
        pytest.param("gzip", gzip.compress(TEXT) + b"junk", id="junk after gzip"),
        pytest.param("deflate", b"\xff" * 50, id="not deflate"),
        pytest.param("deflate", zlib.compress(TEXT)[:-6], id="cut zlib"),
        pytest.param("deflate", raw_deflate(TEXT)[:-3], id="cut deflate"),
    ],
)
async def test_what_cannot_be_decompressed_is_a_bad_response(encoding: str, sent: bytes) -> None:
    """It was a 200 all the same, and the error says so."""
    with pytest.raises(UpstreamBadResponseError) as caught:
        await read(sent, encoding)

    assert caught.value.extensions["upstreamStatus"] == 200


async def test_a_failure_in_a_later_piece_is_a_bad_response() -> None:
    """A stream that starts well may still turn bad."""
    good = gzip.compress(NOISE)

    with pytest.raises(UpstreamBadResponseError):
        await read(Chunks([good[:1_000], b"\xff" * 1_000]), "gzip")


async def test_zlibs_own_words_stay_inside() -> None:
    """The message is ours; zlib's stays the error's cause."""
    with pytest.raises(UpstreamBadResponseError) as caught:
        await read(b"junk", "gzip")

    assert str(caught.value) == "SuperOffice's answer cannot be decompressed."
    assert isinstance(caught.value.__cause__, zlib.error)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        pytest.param(None, TEXT, id="plain"),
        pytest.param("gzip", gzip.compress(TEXT), id="gzip"),
        pytest.param("deflate", raw_deflate(TEXT), id="raw deflate"),
    ],
)
class TestTheLimit:
    async def test_it_is_the_largest_body_allowed(self, encoding: str | None, sent: bytes) -> None:
        """A body of exactly that size is read."""
        assert await read(sent, encoding, max_bytes=len(TEXT)) == TEXT

    async def test_one_byte_more_is_too_much(self, encoding: str | None, sent: bytes) -> None:
        """It holds for what comes out, not for what goes in."""
        with pytest.raises(UpstreamBadResponseError, match=f"larger than {len(TEXT) - 1} bytes"):
            await read(sent, encoding, max_bytes=len(TEXT) - 1)


@pytest.mark.parametrize("length", [MEBIBYTE + 1, 50 * 2**30, 10**18, 10**400])
async def test_a_body_declared_too_large_is_not_even_begun(length: int) -> None:
    """Content-Length is enough to refuse it."""
    body = Chunks([TEXT])

    with pytest.raises(UpstreamBadResponseError):
        await read(body, length=str(length))
    assert body.taken == 0


@pytest.mark.parametrize("length", ["-1", "many", "1,1", ""])
async def test_a_content_length_that_is_no_number_is_refused(length: str) -> None:
    """Nothing is read on trust."""
    with pytest.raises(UpstreamBadResponseError):
        await read(TEXT, length=length)


async def test_an_endless_body_is_left_at_the_limit() -> None:
    """No piece is taken after the one that is too much."""
    body = Chunks(endless(bytes(1_024)))

    with pytest.raises(UpstreamBadResponseError):
        await read(body, max_bytes=10_240)
    assert body.taken == 11


async def test_the_limit_counts_what_arrives_too() -> None:
    """Empty gzip members can go on for ever without a byte of content."""
    body = Chunks(endless(gzip.compress(b"")))

    with pytest.raises(UpstreamBadResponseError):
        await read(body, "gzip", max_bytes=10_240)


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        pytest.param("gzip", BOMB, id="gzip"),
        pytest.param("deflate", zlib.compress(bytes(16 * MEBIBYTE), 1), id="zlib"),
        pytest.param("deflate", raw_deflate(bytes(16 * MEBIBYTE)), id="raw deflate"),
        pytest.param("gzip", gzip.compress(bytes(MEBIBYTE)) * 16, id="many members"),
    ],
)
async def test_a_bomb_does_not_go_off(encoding: str, sent: bytes) -> None:
    """What 16 MiB of zeros would take is never taken."""
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamBadResponseError, match="larger"):
            await read(sent, encoding, max_bytes=MEBIBYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * MEBIBYTE


async def test_a_bomb_in_gzip_stays_packed() -> None:
    """One layer is opened: what comes out is for the JSON decoder to refuse."""
    assert await read(gzip.compress(BOMB), "gzip") == BOMB


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "application/json",
        "application/json; charset=utf-8",
        "text/json",
        "text/plain",
        "application/problem+json",
        "application/octet-stream",
    ],
)
async def test_what_may_be_json_is_read(media_type: str | None) -> None:
    """Its content decides: servers are careless with the type."""
    assert await read(TEXT, media_type=media_type) == TEXT


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "TEXT/HTML;charset=utf-8",
        " text/html ; charset=utf-8",
        "text/xml",
        "application/xml",
        "application/xhtml+xml",
        "application/problem+xml",
    ],
)
async def test_a_page_is_refused_without_reading_it(media_type: str) -> None:
    """A log-in page with a 200, or REST's other form."""
    body = Chunks([TEXT])

    with pytest.raises(UpstreamBadResponseError, match="HTML or XML"):
        await read(body, media_type=media_type)
    assert body.taken == 0


class BreakingChunks(Chunks):
    """A body whose connection breaks after its last piece."""

    def __init__(self, chunks: Iterable[bytes], error: Exception) -> None:
        super().__init__(chunks)
        self.error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in super().__aiter__():
            yield chunk
        raise self.error


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), ssl.SSLError("bad record")], ids=repr)
async def test_a_break_within_the_body_is_told_from_others(error: Exception) -> None:
    """What has been begun is not to be fetched again."""
    with pytest.raises(UpstreamInterruptedError) as caught:
        await read(BreakingChunks([TEXT[:1]], error))

    assert caught.value.__cause__ is error


async def test_a_break_before_the_body_is_left_as_it_is() -> None:
    """No byte has been used."""
    with pytest.raises(httpx.ReadError):
        await read(BreakingChunks([], httpx.ReadError("reset")))


async def test_what_is_not_http_within_the_body_is_left_as_it_is() -> None:
    """It is no break of the connection."""
    with pytest.raises(httpx.RemoteProtocolError):
        await read(BreakingChunks([TEXT], httpx.RemoteProtocolError("bad chunk")))


@pytest.mark.parametrize(
    ("pieces", "encoding"),
    [
        ([bytes(MEBIBYTE // 4)] * 64, None),
        ([BOMB], "gzip"),
        ([b" "] * 20_000, None),
        ([gzip.compress(b"")] * 20_000, "gzip"),
    ],
    ids=["large", "large once inflated", "tiny pieces", "empty members"],
)
async def test_others_get_their_turn_while_a_body_is_read(
    pieces: list[bytes], encoding: str | None
) -> None:
    """All of it may have arrived before it is read."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await read(Chunks(pieces), encoding, max_bytes=16 * MEBIBYTE)
    counting.cancel()

    assert turns >= 16
