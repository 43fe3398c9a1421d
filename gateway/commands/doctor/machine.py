"""What the gateway needs of this machine: ports, open files and Redis."""

import errno
import socket
import ssl
from contextlib import ExitStack

from gateway.commands.doctor.finding import Finding
from gateway.server import resources
from gateway.settings import Settings
from gateway.store.redis import try_out

_REDIS_TIMEOUT_S = 2.0
_REDIS_SLOW_MS = 50


def ports(settings: Settings) -> list[Finding]:
    """Check that the ports are free, all at the same time."""
    with ExitStack() as held:
        findings = [_port("port", settings.host, settings.port, held)]
        if settings.metrics_port is not None:
            findings.append(_port("metrics port", settings.host, settings.metrics_port, held))
    return findings


def _port(check: str, host: str, port: int, held: ExitStack) -> Finding:
    address = f"{host}:{port}"
    try:
        family, *_, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(1)
    except (OSError, UnicodeError) as exc:
        if getattr(exc, "errno", None) == errno.EADDRINUSE:
            advice = "stop the other program or choose another port, unless it is this gateway"
            return Finding(check, "warn", f"{address} is in use", advice)
        problem = getattr(exc, "strerror", "invalid host name")
        return Finding(check, "fail", f"cannot listen on {address}: {problem}")
    return Finding(check, "ok", f"{address} is free")


def open_files(settings: Settings) -> Finding:
    """Check that the process may open as many files as the settings can require."""
    needed, limit = resources.files_needed(settings), resources.files_limit()
    if limit < needed:
        advice = "raise the limit (LimitNOFILE=, ulimit -n), or lower GATEWAY_MAX_CONNECTIONS"
        found = f"the limit is {limit:g}, and {needed} may be needed"
        return Finding("open files", "warn", found, advice)
    return Finding("open files", "ok", f"{needed} may be needed, which the limit allows")


async def shared_cache(url: str) -> Finding:
    """Do in Redis what the gateway does there."""
    try:
        took_s, missing = await try_out(url, timeout_s=_REDIS_TIMEOUT_S)
    except PermissionError:
        advice = "check the user and the password in GATEWAY_CACHE_URL"
        return Finding("Redis", "fail", "the credentials are not accepted", advice)
    except ssl.SSLCertVerificationError as exc:
        advice = "if your own authority has issued it, add ?ssl_ca_certs=FILE to GATEWAY_CACHE_URL"
        found = f"the certificate is not trusted: {exc.verify_message}"
        return Finding("Redis", "fail", found, advice)
    except OSError as exc:
        advice = "check GATEWAY_CACHE_URL; until Redis works, each process has its own cache"
        return Finding("Redis", "fail", f"cannot be used: {str(exc) or type(exc).__name__}", advice)
    if missing:
        advice = f"give the user of GATEWAY_CACHE_URL these rights: {' '.join(missing)}"
        return Finding("Redis", "fail", "the user may not do all that the gateway does", advice)
    took_ms = 1000 * took_s
    if took_ms > _REDIS_SLOW_MS:
        return Finding(
            "Redis", "warn", f"answers in {took_ms:.0f} ms", "use a Redis that is nearer"
        )
    return Finding("Redis", "ok", f"answers in {took_ms:.1f} ms")
