"""The memory of bodies that are read and decoded at the same time."""

import asyncio
import gzip
from functools import partial

import httpx

from gateway.errors import UpstreamTimeoutError
from gateway.upstream.body import read_body
from gateway.upstream.body_memory import BodyMemory, make_room
from tests.upstream.test_body import Chunks, raw_deflate
from tests.upstream.test_client import Script, client_of, failed
from tests.waiting import settle

KIBIBYTE = 2**10
CHUNK = bytes(64 * KIBIBYTE)


async def test_bodies_past_the_limit_are_read_one_at_a_time() -> None:
    """Past the limit, large bodies are read one at a time and small ones without a wait."""
    memory, waits, decoded = BodyMemory(512 * KIBIBYTE), [0], asyncio.Event()
    bodies = [Chunks([CHUNK] * 16) for _ in range(8)]

    def on_wait() -> None:
        waits[0] += 1

    async def read(body: Chunks) -> int:
        with memory.hold("ada"):
            room = partial(make_room, on_wait=on_wait)
            response = httpx.Response(200, stream=body)
            whole = await read_body(response, max_bytes=2**20, make_room=room)
            await decoded.wait()
            return len(whole)

    tasks = [asyncio.create_task(read(body)) for body in bodies]
    await settle()
    read_kib = sum(body.read_count for body in bodies) * 64
    cancelled = tasks.pop()  # waits for memory
    cancelled.cancel()
    small = asyncio.create_task(read(Chunks([CHUNK] * 4)))
    decoded.set()

    # The free parts, the limit, one whole body, and a chunk for each that waits.
    assert read_kib <= 8 * 256 + 512 + 1024 + 8 * 64
    assert await small == 4 * len(CHUNK)
    assert await asyncio.gather(*tasks) == [2**20] * 7
    assert waits[0] >= 6
    assert (memory.left_bytes, memory.unlimited) == (512 * KIBIBYTE, None)


async def fill(memory: BodyMemory, share: str, ends: asyncio.Event, chunks: int = 16) -> None:
    """Hold a large body until the event."""
    with memory.hold(share):
        for _ in range(chunks):
            await make_room(len(CHUNK), bool)
        await ends.wait()


async def test_a_caller_with_many_bodies_leaves_memory_to_others() -> None:
    """The slow and large bodies of two callers do not delay a usual answer for another."""
    memory, ends = BodyMemory(2**20), asyncio.Event()
    slow = [asyncio.create_task(fill(memory, share, ends)) for share in ["ada", "bob"] * 8]
    await settle()
    waits: list[bool] = []

    async with asyncio.timeout(5):
        with memory.hold("eve"):
            for _ in range(6):  # four of them are free
                await make_room(len(CHUNK), lambda: waits.append(True))

    assert not waits
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)

    assert (memory.left_bytes, memory.unlimited) == (2**20, None)


async def test_freed_memory_goes_to_the_caller_that_holds_the_least() -> None:
    """A body that does not fit waits for one other body, not for all of a caller's before it."""
    memory, never, ended = BodyMemory(2**20), asyncio.Event(), asyncio.Event()
    ended.set()
    half = asyncio.create_task(fill(memory, "ada", never, chunks=12))
    await settle()
    unlimited, *waiting = (asyncio.create_task(fill(memory, "ada", never)) for _ in range(8))
    late = asyncio.create_task(fill(memory, "eve", ended))
    await settle()
    has_waited = not late.done()
    unlimited.cancel()

    async with asyncio.timeout(5):
        await late

    assert has_waited
    for task in (half, *waiting):
        task.cancel()


async def test_a_highly_compressed_chunk_waits_for_memory() -> None:
    """A chunk that inflates past the limit waits in the middle, and none of it is lost."""
    memory, text = BodyMemory(0), bytes(2**20 + 1)
    for packed in (gzip.compress(text), raw_deflate(text), gzip.compress(text) * 2):
        ends = asyncio.Event()
        before = asyncio.create_task(fill(memory, "ada", ends))
        await settle()
        stream = Chunks([packed])
        response = httpx.Response(200, headers={"Content-Encoding": "deflate"}, stream=stream)

        async def read(response: httpx.Response = response) -> bytes:
            with memory.hold("eve"):
                room = partial(make_room, on_wait=bool)
                return await read_body(response, max_bytes=2**22, make_room=room)

        task = asyncio.create_task(read())
        await settle()
        assert not task.done()
        ends.set()
        await before

        assert len(await task) in {len(text), 2 * len(text)}


async def test_a_timeout_while_waiting_for_memory_does_not_open_the_breaker() -> None:
    """The wait for memory ends with the deadline, and does not count against SuperOffice."""
    memory, rest = BodyMemory(0), Script(httpx.Response(200, content=CHUNK * 8))
    before = asyncio.create_task(fill(memory, "eve", asyncio.Event()))
    async with client_of(rest, timeout=0.05, breaker_failures=1, max_bytes=2**20) as client:
        with memory.hold("ada"):
            error = await failed(client)

        assert isinstance(error, UpstreamTimeoutError)
        assert client.breaker.state == "closed"
    before.cancel()
