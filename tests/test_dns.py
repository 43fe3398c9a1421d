"""Looking names up: together, one after another, and without a thread."""

import asyncio
import math
import socket
import subprocess
import sys
import threading

import pytest

from gateway import dns as module
from gateway.dns import name_of
from tests.fake_dns import FakeDNS
from tests.waiting import settle

THREE = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]

# A process that looks up a name without an answer, and ends.
IMPATIENT = """
import asyncio, socket, sys, threading
import uvloop
from gateway.dns import name_of

async def look_up():
    async with asyncio.timeout(0.05):
        await name_of("crm.test", 0).addresses()

socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
(uvloop if sys.argv[1] == "uvloop" else asyncio).run(look_up())
"""


async def test_equal_lookups_are_one(dns: FakeDNS) -> None:
    """A name is looked up once for all that need it at the same time, or soon."""
    dns.answers["crm.test"] = THREE[:1]
    name = name_of("crm.test", 0)

    found = await asyncio.gather(*(name.addresses() for _ in range(3)))

    assert [*found, await name.addresses()] == [THREE[:1]] * 4
    assert dns.queries["crm.test"] == 1


async def test_a_first_lookup_outlives_those_who_give_up(
    dns: FakeDNS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others get its answer, however late it is."""
    monkeypatch.setattr(module, "_LONGEST_S", 0)
    dns.answers["crm.test"] = []
    name = name_of("crm.test", 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await name.addresses()
    waiting = asyncio.create_task(name.addresses())
    await settle()

    dns.answers["crm.test"] = THREE
    dns.answer()

    assert await waiting == THREE
    assert dns.queries["crm.test"] == 1


async def test_addresses_expire(dns: FakeDNS, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may move."""
    monkeypatch.setattr(module, "_FRESH_S", -1)
    for address in THREE:
        dns.answers["crm.test"] = [address]
        assert await name_of("crm.test", 0).addresses() == [address]


async def test_each_address_is_the_first_in_turn(dns: FakeDNS) -> None:
    """It stays so when the name is looked up again, even if DNS changes their order itself."""
    name, firsts = name_of("crm.test", 0), []
    for turn in range(6):
        dns.answers["crm.test"] = THREE[-turn % 3 :] + THREE[: -turn % 3]
        firsts.append((await name.addresses(since_s=math.inf))[0])

    assert firsts == THREE * 2
    assert dns.queries["crm.test"] == 6


async def test_an_unknown_name_is_looked_up_again(dns: FakeDNS) -> None:
    """It may have been added, or DNS may have been down."""
    dns.answers["crm.test"] = ["crm.invalid"]
    with pytest.raises(socket.gaierror):
        await name_of("crm.test", 0).addresses()
    dns.answers["crm.test"] = THREE
    assert await name_of("crm.test", 0).addresses() == THREE


async def test_known_addresses_outlive_dns(dns: FakeDNS, monkeypatch: pytest.MonkeyPatch) -> None:
    """SuperOffice may work while DNS does not; a name that is no more has no addresses."""
    name, error = name_of("crm.test", 0), socket.EAI_AGAIN
    dns.answers["crm.test"] = THREE[:1]
    assert await name.addresses() == THREE[:1]

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(error, "no answer")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", fail)
        assert await name.addresses(since_s=math.inf) == THREE[:1]
        error = socket.EAI_NONAME
        with pytest.raises(socket.gaierror):
            await name.addresses(since_s=math.inf)
    dns.answers["crm.test"] = []
    monkeypatch.setattr(module, "_LONGEST_S", 0.05)
    assert await name.addresses(since_s=math.inf) == THREE[:1]


async def test_a_local_address_of_ipv6_has_its_scope(
    dns: FakeDNS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the address is of no use."""
    info = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, 2))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [info])

    assert await name_of("crm.test", 0).addresses() == ["fe80::1%2"]


async def test_without_a_thread_a_lookup_fails_as_dns(
    dns: FakeDNS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may have too many; the next lookup tries again."""
    dns.answers["crm.test"] = THREE

    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="temporarily unavailable"):
        patch.setattr(threading.Thread, "start", fail)
        await name_of("crm.test", 0).addresses()
    assert await name_of("crm.test", 0).addresses() == THREE


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_process_ends_without_the_answer(loop: str) -> None:
    """SIGTERM must not take as long as DNS."""
    command = [sys.executable, "-c", IMPATIENT, loop]
    ended = subprocess.run(command, capture_output=True, timeout=60, text=True)

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "TimeoutError"
