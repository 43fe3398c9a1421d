"""Redis or Valkey: clients, the commands of the shared cache, messages between processes."""

import asyncio
import logging
import re
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Connection, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.dns import name_of
from gateway.errors import SettingsError
from gateway.store.commands import NAMESPACE, Command, Reply
from gateway.store.loop_timeout import loop_timeout

logger = logging.getLogger(__name__)

# The last three are redis-py's answers to a peer that is not Redis.
_FAILURES = (RedisError, OSError, ValueError, TypeError, LookupError)

_OVERRIDDEN = {"_connect", "_connection_arguments"}
"""Methods of redis-py that have no public form; a release without one fails here, by name."""

if missing := _OVERRIDDEN - vars(Connection).keys():
    raise ImportError(f"redis-py has changed: {', '.join(missing)}")


class _Connection(Connection):
    """Connects to the addresses of its name, the lookup of which outlives a timeout."""

    _address = ""

    async def _connect(self) -> None:
        connect: Any = super()._connect  # redis-py leaves it untyped
        *others, last = await name_of(self.host, 0).addresses()
        for self._address in others:
            with suppress(OSError):
                await connect()
                return
        self._address = last
        await connect()

    def _connection_arguments(self) -> dict[str, object]:
        arguments = {**super()._connection_arguments(), "host": self._address}
        return arguments | ({"server_hostname": self.host} if "ssl" in arguments else {})


class _TLSConnection(_Connection, SSLConnection): ...


def client_for(url: str, *, connect_timeout_s: float | None = None) -> Redis:
    """Return a client; no connection is opened yet.

    Raises:
        SettingsError: the URL has an option that is unknown, or would turn bytes into text, or
            names a file of certificates that cannot be used.
    """
    try:
        client = Redis.from_url(
            url,
            connection_class=_Connection,
            protocol=2,  # Redis 5 and many proxies know no HELLO, and redis-py does not fall back
            socket_connect_timeout=connect_timeout_s,
            # One immediate retry, for connections that a restart of Redis has broken.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        pool: Any = client.connection_pool  # redis-py leaves it untyped
        if issubclass(pool.connection_class, SSLConnection):
            pool.connection_class = _TLSConnection
            # Without a password, OpenSSL would ask for one on the terminal; Python 3.13 would
            # reject private authorities that lack extensions of RFC 5280.
            defaults = {"ssl_password": "", "ssl_exclude_verify_flags": [ssl.VERIFY_X509_STRICT]}
            pool.connection_kwargs = defaults | pool.connection_kwargs
            pool.make_connection().ssl_context.get()  # reads the files
        encoder = pool.make_connection().encoder
        encoder.encode("")
        if encoder.decode_responses:
            raise ValueError
    except Exception as exc:  # noqa: BLE001  redis-py raises any kind; its text may have a password
        why = getattr(exc, "strerror", "unknown, or an invalid value")
        if isinstance(exc, ssl.SSLError):
            why = "no valid PEM, another key or password, or an unknown cipher"
        message = f"GATEWAY_CACHE_URL: an option after the ? cannot be used: {why}"
        raise SettingsError(message) from None
    # With a timeout redis-py sends through `asyncio.wait_for`, which in Python 3.11 can swallow a
    # cancellation: the gateway would not stop. It also takes a task per command.
    pool.connection_kwargs["socket_timeout"] = None
    return client


def _read(reply: Reply) -> Reply:
    """Return the reply to a lookup.

    Raises:
        ValueError, TypeError: the peer is not Redis.
    """
    if isinstance(reply, ResponseError):
        return reply
    now_s, entry, is_mine = reply
    if not isinstance(entry, bytes | None):
        raise TypeError(f"{type(entry).__name__} in the place of bytes")
    return float(now_s), entry, bool(is_mine)


class RedisCache:
    """Runs commands in Redis or Valkey at `url`; close it with `aclose`.

    Nothing here has a timeout: callers set their own. A cancelled command closes its connection,
    so its response is not left there for the next command.
    """

    def __init__(self, url: str) -> None:
        self.client = client_for(url)

    async def run(self, commands: Sequence[Command], replied: Callable[[], None]) -> list[Reply]:
        """Send commands together, and return the reply or the `ResponseError` of each.

        Call `replied` at each reply.
        """
        replies: list[Reply] = []
        # A connection is used directly: redis-py's pipeline takes twice the CPU time.
        pool: Any = self.client.connection_pool  # redis-py leaves it untyped
        connection = await pool.get_connection()
        try:
            sent = connection.pack_commands([command.packed() for command in commands])
            await connection.send_packed_command(sent)
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except ResponseError as exc:
                    replies.append(exc)
                replied()
        finally:
            await pool.release(connection)
        return [
            _read(reply) if command.script == "lookup" else reply
            for command, reply in zip(commands, replies, strict=True)
        ]

    async def reconnect(self) -> None:
        """Use new connections from now on: after a failover the old ones lead to a replica."""
        await self.client.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()


CHANNEL = f"{NAMESPACE}:changed"
_SILENCE_S = 2.0


class Channel:
    """The channel between all processes; close it with `aclose`."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._publisher = client_for(url, connect_timeout_s=timeout_s)
        self._subscriber = client_for(url, connect_timeout_s=timeout_s)
        # A retry would subscribe again unnoticed.
        self._subscriber.set_retry(Retry(NoBackoff(), 0, supported_errors=()))

    async def publish(self, message: bytes) -> None:
        """Send a message to all processes that listen.

        Raises:
            OSError: Redis fails; the message is the kind of error.
        """
        try:
            async with loop_timeout(self._timeout_s):
                await self._publisher.publish(CHANNEL, message)
        except _FAILURES as exc:
            raise ConnectionError(type(exc).__name__) from exc

    async def messages(self) -> AsyncGenerator[bytes | None, None]:
        """Yield None when the subscription has begun, and then each message.

        Raises:
            PermissionError: the user may not subscribe.
            OSError: Redis fails, or answers no pings; the message is the kind of error.
        """
        try:
            async with self._subscriber.pubsub() as pubsub:
                async with asyncio.timeout(2 * _SILENCE_S):
                    await pubsub.subscribe(CHANNEL)
                while True:
                    async with asyncio.timeout(2 * _SILENCE_S):
                        while not (message := await pubsub.get_message(timeout=_SILENCE_S)):
                            await pubsub.ping()
                    match message:
                        case {"type": "subscribe"}:
                            yield None
                        case {"type": "message", "data": data}:
                            yield data
        except NoPermissionError as exc:
            raise PermissionError(type(exc).__name__) from exc
        except _FAILURES as exc:
            raise ConnectionError(type(exc).__name__) from exc

    async def aclose(self) -> None:
        """Close the connections."""
        await self._publisher.aclose()
        await self._subscriber.aclose()


_TRIAL_S = 2.0
_KEY = f"{NAMESPACE}:{{doctor}}"
_ON_A_KEY = ("SET {} tried PX 1000", "GET {}", "PTTL {}", "DEL {}")
_ON_EACH_NODE = [f"GET {NAMESPACE}:doctor{number}" for number in range(32)]  # of a cluster
_TRIED = (*_ON_A_KEY, *_ON_EACH_NODE, "TIME", "EVAL return 0", f"PUBLISH {CHANNEL} tried")


async def try_out(url: str) -> tuple[float, list[str]]:
    """Try every command of the gateway; return the seconds of a ping, and the missing ACL rules.

    Raises:
        PermissionError: Redis does not accept the user or the password.
        OSError: there is no Redis, or it fails; otherwise the message is the kind of error.
    """
    client: Any = client_for(url, connect_timeout_s=_TRIAL_S)  # redis-py leaves it untyped
    missing: dict[str, None] = {}

    async def attempt(name: str, call: Awaitable[object]) -> None:
        try:
            await call
        except NoPermissionError as exc:
            missing[_rule(name, str(exc))] = None

    try:
        async with asyncio.timeout(_TRIAL_S), client.pubsub() as pubsub:
            await attempt("PING", client.ping())
            started = time.perf_counter()
            await attempt("PING", client.ping())
            took_s = time.perf_counter() - started
            for command in _TRIED:
                words = command.format(_KEY).split()
                await attempt(words[0], client.execute_command(*words))
            await pubsub.subscribe(CHANNEL)
            await attempt("SUBSCRIBE", pubsub.get_message(timeout=_TRIAL_S))
        return took_s, [*missing]
    except AuthenticationError as exc:
        raise PermissionError from exc
    except _FAILURES as exc:
        cause: BaseException | None = exc
        while cause is not None:
            if isinstance(cause, OSError) and not isinstance(cause, PermissionError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        raise ConnectionError(type(exc).__name__) from exc
    finally:
        await client.aclose()


def _rule(command: str, problem: str) -> str:
    """Return the missing ACL rule."""
    if re.search(r"\bkeys?\b", problem):
        return f"~{NAMESPACE}:*"
    return f"&{NAMESPACE}:*" if re.search(r"\bchannels?\b", problem) else f"+{command.lower()}"


async def report_missing_rights(url: str) -> None:
    """Log once which rights the user lacks; outages are logged elsewhere."""
    with suppress(OSError):
        _, missing = await try_out(url)
        for rule in missing:
            logger.warning("The user in GATEWAY_CACHE_URL lacks a right: its ACL needs %s", rule)
