"""Answers that try to fill the gateway's memory."""

import gzip
import logging
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.upstream.faulty import (
    DATA,
    MARKER,
    Play,
    answer,
    failure_of,
    faulty_rest,
    gateway_to,
    head,
    leaks_in,
    never_ends,
    stalls,
)

pytestmark = pytest.mark.socket

MEBIBYTE = 2**20
LIMIT = 2**18
BOMB = gzip.compress(bytes(64 * MEBIBYTE), compresslevel=1)
BOMB_OF_MANY_MEMBERS = gzip.compress(bytes(16 * MEBIBYTE)) * 32
CHUNK = b"10000\r\n%s\r\n" % bytes(0x10000)
GZIP = "Content-Encoding: gzip"
CHUNKED = "Transfer-Encoding: chunked"

TOO_LARGE_BODIES = {
    "plain": answer(b"[" + b" " * LIMIT + b"]"),
    "endless, chunked": never_ends(head(CHUNKED), CHUNK),
    "endless, until it closes": never_ends(head(), bytes(0x10000)),
    "endless gzip": never_ends(head(GZIP), gzip.compress(b"") * 3_000),
    "50 GiB declared": stalls(head(f"Content-Length: {50 * 2**30}")),
    "50 GiB declared and sent": never_ends(head(f"Content-Length: {50 * 2**30}"), bytes(0x10000)),
    "bomb": answer(BOMB, GZIP),
    "bomb of many members": answer(BOMB_OF_MANY_MEMBERS, GZIP),
    "bomb in a bomb": answer(gzip.compress(BOMB), GZIP),
    "bomb in gzip, declared": answer(gzip.compress(BOMB), "Content-Encoding: gzip, gzip"),
}
TOO_LARGE_HEADS = {
    "2 MiB header": answer(b"[]", f"X-Note: {MARKER}{'x' * 2 * MEBIBYTE}"),
    "2 MiB of headers": answer(b"[]", *[f"X-Note: {MARKER}"] * 60_000),
    "endless header": never_ends(head()[:-2] + b"X-Note: ", b"x" * 0x10000),
    "endless status line": never_ends(b"HTTP/1.1 200 ", b"x" * 0x10000),
}
FAULTS = {
    **{name: (play, 200) for name, play in TOO_LARGE_BODIES.items()},
    **{name: (play, None) for name, play in TOO_LARGE_HEADS.items()},
}


@pytest.fixture
def traced() -> Iterator[None]:
    """Trace Python's memory allocations."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("play", "upstream_status"), FAULTS.values(), ids=FAULTS)
async def test_an_answer_over_the_limit_is_not_read_into_memory(
    play: Play,
    upstream_status: int | None,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An answer over the limit is fetched once, and memory stays small."""
    caplog.set_level(logging.INFO, "gateway")
    async with (
        faulty_rest(play) as rest,
        gateway_to(rest.url, max_upstream_bytes=LIMIT, upstream_timeout=10) as gateway,
    ):
        failure = await failure_of(rest, gateway)
        _, peak = tracemalloc.get_traced_memory()

    assert failure.as_json.status_code == 200
    assert failure.error["extensions"]["code"] == "UPSTREAM_BAD_RESPONSE"
    assert failure.error["path"] == ["chatSessions"]
    assert failure.error["extensions"].get("upstreamStatus") == upstream_status
    assert failure.as_graphql.status_code == 502
    assert failure.calls == 1
    assert failure.took_s < 15
    assert failure.afterwards.json() == {"data": DATA}
    assert leaks_in(failure.texts) == []
    assert leaks_in(caplog.text + "".join(capsys.readouterr())) == []
    assert peak < 100 * MEBIBYTE
