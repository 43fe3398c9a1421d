"""The compression of answers."""

import asyncio
import gzip
import random

import brotli
import httpx
import pytest
import zstandard
from starlette.responses import Response

from gateway.executor.turns import accept, work_for
from gateway.web.middleware import representation
from gateway.web.middleware.representation import Representation
from gateway.web.pages.query_page import STATIC_PATH
from tests.support import Gateway
from tests.waiting import counted_turns

MEBIBYTE = random.Random(1).randbytes(2**19).hex().encode()
READERS = {
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body),
}


@pytest.mark.parametrize("coding", ["identity", *READERS])
async def test_other_tasks_run_while_a_long_answer_is_compressed_or_tagged(coding: str) -> None:
    """A long answer is processed in pieces, and sent as one body with its length."""
    app = Representation(Response(MEBIBYTE, media_type="application/json"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        url, headers = "http://gateway/", {"Accept-Encoding": coding}
        with counted_turns() as turns:
            async with client.stream("GET", url, headers=headers) as answer:
                body = b"".join([piece async for piece in answer.aiter_raw()])

    assert READERS.get(coding, bytes)(body) == MEBIBYTE
    assert answer.headers.get("content-encoding", "identity") == coding
    assert answer.headers["content-length"] == str(len(body))
    assert turns() >= 7


@pytest.mark.parametrize("name", ["Content-Range", "Content-Encoding"])
async def test_a_part_or_a_compressed_answer_is_sent_as_it_is(name: str) -> None:
    """The bytes of a part count in the whole, which has another length when it is compressed."""
    app = Representation(Response(b"x" * 2_000, headers={name: "own"}, media_type="text/plain"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.get("http://gateway/", headers={"Accept-Encoding": "gzip"})

    assert answer.headers["content-length"] == "2000"
    assert answer.headers[name] == "own"


@pytest.fixture
def compressed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the codings of the bodies that are compressed."""
    codings = []
    function = representation._compress

    async def compress(body: bytes, coding: str) -> bytes:
        codings.append(coding)
        return await function(body, coding)

    monkeypatch.setattr(representation, "_compress", compress)
    return codings


@pytest.mark.parametrize(
    "path",
    ["/schema.graphql", "/docs/", "/docs/search.json", f"/{STATIC_PATH}/main.js"],
    ids=["schema", "manual", "search", "script"],
)
async def test_what_is_the_same_for_all_is_compressed_once(
    gateway: Gateway, path: str, compressed: list[str]
) -> None:
    """However many clients request it at once, or later."""
    for coding in ("gzip", "br"):
        headers = {"Accept-Encoding": coding}
        requests = [gateway.http.get(path, headers=headers) for _ in range(10)]
        answers = await asyncio.gather(*requests)
        answers.append(await gateway.http.get(path, headers=headers))

        assert {answer.headers["content-encoding"] for answer in answers} == {coding}
        assert len({answer.content for answer in answers}) == 1

    assert compressed == ["gzip", "br"]


async def test_long_answers_of_a_caller_are_compressed_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise all of them would be in memory at once."""
    pieces = []

    class Compressor:
        def __init__(self, name: str) -> None:
            self._name = name

        def process(self, piece: bytes) -> bytes:
            pieces.append(self._name)
            return b""

        def finish(self) -> bytes:
            return b""

    names = iter("abc")
    monkeypatch.setattr(brotli, "Compressor", lambda quality: Compressor(next(names)))
    accept("kari")

    async def answer() -> None:
        work_for("kari")
        await representation._compress(MEBIBYTE, "br")

    await asyncio.gather(*(answer() for _ in range(3)))

    assert "".join(pieces) == "abc" + "c" * 7 + "b" * 7 + "a" * 7


@pytest.mark.parametrize("coding", ["identity", *READERS])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_coding_of_an_answer_has_the_same_vary(coding: str, method: str) -> None:
    """Otherwise a cache sends its first one to all clients (RFC 9110, section 12.5.5)."""
    answer_in_text = Response(MEBIBYTE, media_type="text/plain", headers={"Vary": "Accept"})
    app = Representation(answer_in_text)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        url, headers = "http://gateway/", {"Accept-Encoding": coding}
        answer = await client.request(method, url, headers=headers)

    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert answer.headers.get("content-encoding", "identity") == coding
    assert answer.content == MEBIBYTE
