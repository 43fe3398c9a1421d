"""A failover from a primary Redis to its replica behind HAProxy, as Sentinel triggers it."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.ports import free_port
from tests.store.redis_server import RedisServer, redis_server
from tests.store.test_real_redis import load
from tests.upstream.faulty import DATA, ask, faulty_rest, gateway_to
from tests.waiting import until

pytestmark = [
    pytest.mark.socket,
    pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed"),
]

CONFIGURATION = """
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h

frontend redis
    bind 127.0.0.1:{port}
    default_backend primary

backend primary
    option tcp-check
    tcp-check connect
    tcp-check send "INFO replication\\r\\n"
    tcp-check expect string role:master
    default-server check inter 100ms fall 1 rise 1 on-marked-down shutdown-sessions
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""


@contextlib.contextmanager
def haproxy(folder: Path, a: RedisServer, b: RedisServer) -> Iterator[int]:
    """Run HAProxy in front of two servers, and yield its port."""
    port = free_port()
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=port, a=a.port, b=b.port))
    process = subprocess.Popen(["haproxy", "-db", "-f", file], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait()


async def test_a_failover_fails_no_request(tmp_path: Path) -> None:
    """A failover fails no request, and the gateways share answers through the new primary."""
    with (
        redis_server(tmp_path) as a,
        redis_server(tmp_path, "--replicaof", f"127.0.0.1 {a.port}") as b,
        haproxy(tmp_path, a, b) as port,
    ):
        settings = {"cache_url": f"redis://127.0.0.1:{port}", "cache_secret": "s" * 32}
        async with (
            faulty_rest() as rest,
            gateway_to(rest.url, **settings) as one,
            gateway_to(rest.url, **settings) as other,
        ):
            answers: list[httpx.Response] = []
            stop = asyncio.Event()
            loads = [asyncio.create_task(load(gateway, answers, stop)) for gateway in (one, other)]
            await until(lambda: len(answers) > 5)
            with redis.Redis(port=a.port) as old, redis.Redis(port=b.port) as new:
                new.replicaof("NO", "ONE")
                new.flushall()
                old.replicaof("127.0.0.1", b.port)
                await until(lambda: [key for key in new.scan_iter() if b":lease" not in key])
            before = len(answers)
            await until(lambda: len(answers) > before + 10)
            stop.set()
            await asyncio.gather(*loads)
            for number in range(100):  # each may still pause after the failure
                await ask(one, user=f"shared-{number}")
                await asyncio.sleep(0.1)
                calls = rest.calls
                await ask(other, user=f"shared-{number}")
                if is_shared := rest.calls == calls:
                    break

    assert all(answer.json() == {"data": DATA} for answer in answers)
    assert is_shared
