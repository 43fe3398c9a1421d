"""Read a JSON body up to a limit, however it is compressed.

httpx would inflate a whole network chunk at once, up to a thousandfold; here it is inflated in
small pieces.
"""

import asyncio
import ssl
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from io import BytesIO

import httpx

from gateway.errors import UpstreamBadResponseError, UpstreamInterruptedError

MakeRoom = Callable[[int], Awaitable[object]]
"""Waits until there is memory for this many more bytes."""

_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_RAW_DEFLATE = -zlib.MAX_WBITS
_PIECE = 2**16
_TURN_BYTES = 2**20
_PIECE_COST_BYTES = 2**10
"""The cost of a piece beyond its bytes: a body may come in many tiny pieces."""

# Log-in pages, maintenance pages of proxies, and SuperOffice's XML. Other types prove nothing: some
# servers label JSON as text/plain, or not at all.
_NEVER_JSON = (b"text/html", b"text/xml", b"application/xml")


async def read_body(
    response: httpx.Response, *, max_bytes: int, make_room: MakeRoom | None = None
) -> bytes:
    """Return the body of a 200, decompressed; `make_room` is awaited for each piece.

    Raises:
        UpstreamBadResponseError: it is HTML or XML, it is larger than `max_bytes`, compressed or
            not, or it cannot be decompressed.
        UpstreamInterruptedError: the connection broke after its first byte.
    """
    # Not by `response.headers[…]`, which detects their encoding first, each time.
    fields = {name.lower(): value for name, value in response.headers.raw}
    _check_head(fields, max_bytes)
    inflate = _inflater(fields.get(b"content-encoding", b""))
    # Not `aiter_raw`, which refuses responses that have their content already, as in tests.
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  of an async transport
    body = BytesIO()  # grows in place, and mostly returns its bytes without a copy
    received = cost = 0
    try:
        async for chunk in response.stream:
            received += len(chunk)
            pieces: Iterable[bytes] = inflate.pieces(chunk) if inflate else (chunk,)
            for piece in pieces:
                body.write(piece)
                if body.tell() > max_bytes or received > max_bytes:
                    raise _too_large(max_bytes)
                if make_room is not None:
                    await make_room(len(piece))
                cost += len(piece) + _PIECE_COST_BYTES
                if cost > _TURN_BYTES:  # data may arrive faster than it is read
                    cost = 0
                    await asyncio.sleep(0)
        if inflate:
            inflate.finish()
    except zlib.error as exc:
        raise _unusable("SuperOffice's answer cannot be decompressed.") from exc
    except (httpx.NetworkError, ssl.SSLError) as exc:
        if not received:
            raise
        message = "The connection to SuperOffice broke within an answer."
        raise UpstreamInterruptedError(message) from exc
    return body.getvalue()


def _check_head(fields: Mapping[bytes, bytes], max_bytes: int) -> None:
    media_type = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type in _NEVER_JSON or media_type.endswith(b"+xml"):
        raise _unusable("SuperOffice's answer is HTML or XML, and has to be JSON.")
    declared = fields.get(b"content-length", b"0")
    if not declared.isdigit() or len(declared) > 18 or int(declared) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> UpstreamBadResponseError:
    return _unusable(f"SuperOffice's answer is larger than {max_bytes} bytes.")


def _unusable(message: str) -> UpstreamBadResponseError:
    return UpstreamBadResponseError(message, upstream_status=httpx.codes.OK)


def _inflater(content_encoding: bytes) -> "_Inflate | None":
    match content_encoding.strip().lower():
        case b"" | b"identity":
            return None
        case b"gzip" | b"x-gzip" | b"deflate":
            return _Inflate()
        case _:
            raise _unusable("SuperOffice's answer has an unknown Content-Encoding.")


class _Inflate:
    """gzip of one or several members (RFC 1952), zlib, or deflate without a header (RFC 1951)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._is_first = True

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        is_full = False
        # After a full piece, zlib may hold more of it without any input left.
        while chunk or (is_full and not self._member.eof):
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            piece = self._inflate(chunk)
            is_full = len(piece) == _PIECE
            yield piece
            chunk = self._member.unconsumed_tail or self._member.unused_data

    def _inflate(self, chunk: bytes) -> bytes:
        is_first, self._is_first = self._is_first, False
        try:
            return self._member.decompress(chunk, _PIECE)
        except zlib.error:
            if not is_first:
                raise
            self._member = zlib.decompressobj(_RAW_DEFLATE)
            return self._member.decompress(chunk, _PIECE)

    def finish(self) -> None:
        if not self._member.eof:
            raise zlib.error("truncated")
