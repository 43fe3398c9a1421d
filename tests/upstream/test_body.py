"""Reading a body: only if it may be JSON, decompressed, and never past its limit."""

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
from tests.waiting import counted_turns

TEXT = b'[{"ChatSessionId": 1}]' * 40
MEBIBYTE = 2**20
BOMB = gzip.compress(bytes(16 * MEBIBYTE), compresslevel=1)
# Incompressible: its compressed form is larger.
NOISE = random.Random(1).randbytes(2_000)


def raw_deflate(data: bytes) -> bytes:
    """Compress without header and checksum, as some servers implement `deflate`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


class Chunks(httpx.AsyncByteStream):
    """A body in chunks that counts how many were read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = chunks
        self.read_count = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            self.read_count += 1
            yield chunk


def endless(chunk: bytes) -> Iterable[bytes]:
    """Repeat a chunk, far past any limit here."""
    return itertools.repeat(chunk, 100_000)


async def read(
    body: bytes | Chunks,
    encoding: str | None = None,
    *,
    max_bytes: int = MEBIBYTE,
    length: str | None = None,
    media_type: str | None = None,
) -> bytes:
    """Read a body, by default in one chunk, as a response of REST."""
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
    """Split a body into chunks of one size."""
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
async def test_a_body_is_decompressed(encoding: str | None, sent: bytes, size: int) -> None:
    """A body is decompressed in each supported coding, in chunks of any size."""
    assert await read(pieces(sent, size), encoding) == TEXT


async def test_gzip_may_arrive_byte_by_byte() -> None:
    """A gzip body in chunks of one byte is decompressed."""
    assert await read(pieces(gzip.compress(TEXT), 1), "gzip") == TEXT


async def test_a_body_may_be_a_little_longer_than_a_piece() -> None:
    """When a piece is full, zlib may have read all input, and still have a byte to return."""
    data = b"a" * (2**16 + 1)

    assert await read(raw_deflate(data), "deflate") == data


async def test_an_empty_body_is_returned() -> None:
    """An empty body is returned; the decoder judges its meaning."""
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
async def test_an_invalid_compressed_body_is_a_bad_response(encoding: str, sent: bytes) -> None:
    """A body that cannot be decompressed is an error with the status 200 of its response."""
    with pytest.raises(UpstreamBadResponseError) as caught:
        await read(sent, encoding)

    assert caught.value.extensions["upstreamStatus"] == 200


async def test_an_invalid_later_chunk_is_a_bad_response() -> None:
    """A stream that becomes invalid in a later chunk is an error."""
    good = gzip.compress(NOISE)

    with pytest.raises(UpstreamBadResponseError):
        await read(Chunks([good[:1_000], b"\xff" * 1_000]), "gzip")


async def test_the_message_of_zlib_is_not_shown() -> None:
    """The message is ours; zlib's error is the cause only."""
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
    async def test_a_body_of_exactly_the_limit_is_read(
        self, encoding: str | None, sent: bytes
    ) -> None:
        """The limit is the largest size that is accepted."""
        assert await read(sent, encoding, max_bytes=len(TEXT)) == TEXT

    async def test_one_byte_more_is_refused(self, encoding: str | None, sent: bytes) -> None:
        """The limit is for the decompressed body."""
        with pytest.raises(UpstreamBadResponseError, match=f"larger than {len(TEXT) - 1} bytes"):
            await read(sent, encoding, max_bytes=len(TEXT) - 1)


@pytest.mark.parametrize("length", [MEBIBYTE + 1, 50 * 2**30, 10**18, 10**400])
async def test_a_too_large_content_length_is_refused_unread(length: int) -> None:
    """A too large Content-Length is refused before the body is read."""
    body = Chunks([TEXT])

    with pytest.raises(UpstreamBadResponseError):
        await read(body, length=str(length))
    assert body.read_count == 0


@pytest.mark.parametrize("length", ["-1", "many", "1,1", ""])
async def test_an_invalid_content_length_is_refused(length: str) -> None:
    """The size is unknown, so the limit could not be checked in advance."""
    with pytest.raises(UpstreamBadResponseError):
        await read(TEXT, length=length)


async def test_reading_stops_at_the_limit() -> None:
    """No chunk is read after the one that exceeds the limit."""
    body = Chunks(endless(bytes(1_024)))

    with pytest.raises(UpstreamBadResponseError):
        await read(body, max_bytes=10_240)
    assert body.read_count == 11


async def test_the_limit_includes_compressed_bytes() -> None:
    """An endless sequence of empty gzip members is refused."""
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
async def test_a_decompression_bomb_is_not_inflated(encoding: str, sent: bytes) -> None:
    """A bomb of 16 MiB is refused in a fraction of that memory."""
    tracemalloc.start()
    try:
        with pytest.raises(UpstreamBadResponseError, match="larger"):
            await read(sent, encoding, max_bytes=MEBIBYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * MEBIBYTE


async def test_only_one_layer_of_gzip_is_inflated() -> None:
    """Only one layer of gzip is inflated; the JSON decoder refuses the rest."""
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
async def test_any_media_type_that_may_be_json_is_read(media_type: str | None) -> None:
    """Servers are careless with Content-Type, so any type that may be JSON is read."""
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
async def test_html_and_xml_are_refused_unread(media_type: str) -> None:
    """HTML, such as a login page with status 200, and XML are refused unread."""
    body = Chunks([TEXT])

    with pytest.raises(UpstreamBadResponseError, match="HTML or XML"):
        await read(body, media_type=media_type)
    assert body.read_count == 0


class BreakingChunks(Chunks):
    """A body whose connection breaks after its last chunk."""

    def __init__(self, chunks: Iterable[bytes], error: Exception) -> None:
        super().__init__(chunks)
        self.error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in super().__aiter__():
            yield chunk
        raise self.error


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), ssl.SSLError("bad record")], ids=repr)
async def test_a_break_within_the_body_is_an_interruption(error: Exception) -> None:
    """A break within the body has its own error, as the call must not be retried."""
    with pytest.raises(UpstreamInterruptedError) as caught:
        await read(BreakingChunks([TEXT[:1]], error))

    assert caught.value.__cause__ is error


async def test_a_break_before_the_body_is_not_translated() -> None:
    """A break before the first byte of the body keeps its error, so that it is retried."""
    with pytest.raises(httpx.ReadError):
        await read(BreakingChunks([], httpx.ReadError("reset")))


async def test_invalid_http_within_the_body_is_not_translated() -> None:
    """Invalid HTTP within the body keeps its error, as it is no break of the connection."""
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
async def test_other_tasks_run_while_a_body_is_read(
    pieces: list[bytes], encoding: str | None
) -> None:
    """Other tasks run even if all of the body had arrived before it is read."""
    with counted_turns() as turns:
        await read(Chunks(pieces), encoding, max_bytes=16 * MEBIBYTE)

    assert turns() >= 16
