"""ETags, 304 and compression."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from gateway.web.middleware.representation import Representation
from tests.support import CREDENTIALS, Gateway, RestSide, gateway_over
from tests.web.asking import get
from tests.web.middleware.test_coding import READERS

QUERY = "{ chatSessions { chatSessionId customerName } }"
STRONG = re.compile(r'"[0-9a-f]{32}"')


@pytest.fixture
def rest() -> RestSide:
    """Return a REST API with enough sessions to be worth compressing."""
    return RestSide([{"ChatSessionId": n, "CustomerName": "Ada"} for n in range(100)])


async def tag_of(gateway: Gateway, query: str = QUERY, coding: str = "identity") -> str:
    """Return the ETag of a query's answer."""
    return str((await get(gateway, query, {"Accept-Encoding": coding})).headers["etag"])


async def test_the_answer_to_a_get_has_a_strong_tag(gateway: Gateway) -> None:
    """The answer to a GET has a strong ETag, equal for equal answers."""
    tag = await tag_of(gateway)

    assert STRONG.fullmatch(tag)
    assert tag == await tag_of(gateway)


async def test_another_answer_has_another_tag(
    gateway: Gateway, rest: RestSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ETag of a changed answer differs."""
    monkeypatch.setattr("gateway.sessions.source._SHORTEST_AGE_S", 0)
    tag = await tag_of(gateway)
    rest.body = rest.body[1:]

    headers = {"Accept-Encoding": "identity", "Cache-Control": "no-cache", "If-None-Match": tag}
    answer = await get(gateway, QUERY, headers)

    assert answer.status_code == 200
    assert answer.headers["etag"] != tag


async def test_each_content_coding_has_its_own_tag(gateway: Gateway) -> None:
    """Each content coding has its own strong ETag, as its bytes differ."""
    tags = {coding: await tag_of(gateway, QUERY, coding) for coding in CODINGS}

    assert len(set(tags.values())) == len(CODINGS)


async def test_each_media_type_has_its_own_tag(gateway: Gateway) -> None:
    """Each media type has its own ETag for the same bytes (RFC 9110, section 8.8.1)."""
    types = ("application/json", "application/graphql-response+json")
    tags = {(await get(gateway, QUERY, {"Accept": kind})).headers["etag"] for kind in types}

    assert len(tags) == 2


@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "zstd"])
async def test_the_tag_does_not_depend_on_the_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    """The ETag does not depend on the time, which Python's gzip would write into the bytes."""
    tag, now = await tag_of(gateway, QUERY, coding), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 100)
    headers = {"If-None-Match": tag, "Accept-Encoding": coding}

    assert (await get(gateway, QUERY, headers)).status_code == 304


@pytest.mark.parametrize(
    "known",
    ["{tag}", '"a", {tag}', '{tag},"b"', "W/{tag}", '"a" , W/{tag}', "*", '"a, b", {tag}'],
)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_matching_tag_gets_304(gateway: Gateway, known: str, coding: str) -> None:
    """A matching tag gets 304: If-None-Match may be a list, weak, or a star."""
    tag = await tag_of(gateway, QUERY, coding)

    answer = await get(
        gateway, QUERY, {"If-None-Match": known.format(tag=tag), "Accept-Encoding": coding}
    )

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == tag


@pytest.mark.parametrize("known", ["", '"other"', "{tag}x", "other, W/other"])
async def test_another_tag_gets_the_answer(gateway: Gateway, known: str) -> None:
    """Other and invalid tags do not match, so the whole answer is sent."""
    tag = await tag_of(gateway)

    answer = await get(
        gateway, QUERY, {"If-None-Match": known.format(tag=tag), "Accept-Encoding": "identity"}
    )

    assert answer.status_code == 200
    assert len(answer.json()["data"]["chatSessions"]) == 100


async def test_a_304_has_the_headers_of_the_200(gateway: Gateway) -> None:
    """A 304 has the headers of the 200 except those of its body (RFC 9110, section 15.4.5)."""
    ok = await get(gateway, QUERY, {"Accept-Encoding": "gzip"})
    not_modified = await get(
        gateway, QUERY, {"Accept-Encoding": "gzip", "If-None-Match": ok.headers["etag"]}
    )

    dropped = {"content-length", "content-type", "content-encoding"}
    assert set(ok.headers) - set(not_modified.headers) == dropped
    assert not_modified.headers["vary"] == ok.headers["vary"]
    assert re.fullmatch(r"private, max-age=\d", not_modified.headers["cache-control"])


async def test_a_304_costs_no_rest_call_while_the_snapshot_is_fresh(
    gateway: Gateway, rest: RestSide
) -> None:
    """A 304 is answered from the fresh snapshot, without a REST call."""
    await get(gateway, QUERY, {"If-None-Match": await tag_of(gateway)})

    assert rest.calls == 1


async def test_the_answer_to_a_post_has_no_tag(gateway: Gateway) -> None:
    """The answer to a POST has no ETag, and If-None-Match is ignored."""
    answer = await gateway.post(QUERY, headers={**CREDENTIALS, "If-None-Match": "*"})

    assert answer.status_code == 200
    assert "etag" not in answer.headers


@pytest.mark.parametrize("query", ["{ chatSessions { nope } }", "{", "mutation { a }"])
async def test_an_error_has_no_tag(gateway: Gateway, query: str) -> None:
    """An error, which must not be cached, has no ETag."""
    answer = await get(gateway, query, {"If-None-Match": "*"})

    assert answer.status_code in {200, 405}
    assert "etag" not in answer.headers


async def test_a_failure_never_becomes_a_304() -> None:
    """A 304 would let the client go on with the answer that it has."""
    app = Representation(Response("not ready", 503))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.get("http://gateway/", headers={"If-None-Match": "*"})

    assert (answer.status_code, answer.text) == (503, "not ready")
    assert "etag" not in answer.headers


@pytest.mark.parametrize("path", ["/schema.graphql"])
async def test_the_schema_has_a_tag(gateway: Gateway, path: str) -> None:
    """The schema has an ETag, and a client that has the schema gets 304."""
    tag = (await gateway.http.get(path)).headers["etag"]

    assert (await gateway.http.get(path, headers={"If-None-Match": tag})).status_code == 304


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of a server of two files, the larger one sent in several parts."""
    (tmp_path / "small.txt").write_text("a" * 2_000)
    (tmp_path / "large.txt").write_text("a" * 1_000_000)
    app = Starlette(
        routes=[Mount("/", StaticFiles(directory=tmp_path))],
        middleware=[Middleware(Representation)],
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://files.invalid") as client:
        yield client


@pytest.mark.parametrize("path", ["/small.txt", "/large.txt"])
async def test_a_compressed_file_has_a_weak_tag(files: httpx.AsyncClient, path: str) -> None:
    """A compressed file has a weak ETag, which identifies the file and not its bytes."""
    plain = (await files.get(path, headers={"Accept-Encoding": "identity"})).headers
    packed = (await files.get(path, headers={"Accept-Encoding": "gzip"})).headers

    assert STRONG.fullmatch(plain["etag"])
    assert packed["content-encoding"] == "gzip"
    assert packed["etag"] == f"W/{plain['etag']}"


async def test_a_matching_weak_tag_of_a_file_gets_304(files: httpx.AsyncClient) -> None:
    """Compression makes the ETag of a file weak; the comparison ignores that."""
    first = await files.get("/small.txt", headers={"Accept-Encoding": "gzip"})
    headers = {"Accept-Encoding": "gzip", "If-None-Match": first.headers["etag"]}

    assert (await files.get("/small.txt", headers=headers)).status_code == 304


def uncompressed(body: bytes) -> bytes:
    """Return the body as it is."""
    return body


CODINGS = {"identity": uncompressed, **READERS}


async def coding_and_body(
    gateway: Gateway, accept_encoding: str, query: str = QUERY
) -> tuple[str, bytes]:
    """Return the content coding and the raw bytes of an answer."""
    headers = {**CREDENTIALS, "Accept-Encoding": accept_encoding}
    request = gateway.http.build_request("POST", "/graphql", json={"query": query}, headers=headers)
    answer = await gateway.http.send(request, stream=True)
    body = b"".join([part async for part in answer.aiter_raw()])
    return answer.headers.get("content-encoding", "identity"), body


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("", "identity"),
        ("identity", "identity"),
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "br"),
        ("zstd, gzip", "zstd"),
        ("br;q=0.1, zstd;q=0.2, gzip;q=1", "gzip"),
        ("br;q=1.0, gzip;q=0.5, *;q=0.1", "br"),
        ("br;q=0, *", "zstd"),
        ("*;q=0.1", "br"),
        ("identity, gzip;q=0.5", "identity"),
        ("gzip;q=oops", "gzip"),
        ("gzip;q=0", "identity"),
        ("deflate", "identity"),
    ],
)
async def test_accept_encoding_chooses_the_coding(
    gateway: Gateway, accept_encoding: str, coding: str
) -> None:
    """The client's preferred coding is used, and the decoded answer is always the same."""
    used, body = await coding_and_body(gateway, accept_encoding)

    assert used == coding
    assert CODINGS[used](body) == (await coding_and_body(gateway, "identity"))[1]


@pytest.mark.parametrize("media_type", ["application/json", "application/graphql-response+json"])
async def test_both_media_types_are_compressed(gateway: Gateway, media_type: str) -> None:
    """JSON and GraphQL's own media type are compressed."""
    headers = {"Accept": media_type, "Accept-Encoding": "gzip"}
    answer = await get(gateway, QUERY, headers)

    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(("size", "coding"), [(999, "identity"), (1_000, "gzip")])
async def test_an_answer_below_1000_bytes_is_not_compressed(size: int, coding: str) -> None:
    """It fits into one packet anyway."""
    around = len(b'{"data":{"chatSessions":[{"customerName":""}]}}')
    rest = RestSide([{"CustomerName": "a" * (size - around)}])
    async with gateway_over(rest) as gateway:
        used, body = await coding_and_body(gateway, "gzip", "{ chatSessions { customerName } }")

    assert used == coding
    assert len(CODINGS[used](body)) == size
