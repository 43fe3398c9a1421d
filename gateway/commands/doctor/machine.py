"""Checks of the resources that the gateway needs: ports, open files and Redis."""

import errno
from contextlib import AbstractContextManager, ExitStack
from urllib.parse import urlsplit

from gateway.commands.doctor.finding import Failures, Finding, connection_failures, failure
from gateway.errors import SettingsError
from gateway.server import resources
from gateway.settings import Settings

_URL = "GATEWAY_CACHE_URL"
_REDIS_SLOW_MS = 15  # to connect takes up to six round trips, with TLS and a password
_REDIS_FAILURES: Failures = (
    (PermissionError, f"the credentials are not accepted → check user and password in {_URL}"),
    *connection_failures("redis", f"?ssl_ca_certs= of {_URL}", f"?ssl_certfile= of {_URL}"),
    (Exception, f"cannot be used: {{kind}} → check {_URL}; until then, each process caches alone"),
)


def ports(settings: Settings) -> list[Finding]:
    """Check that the ports are free and differ, and that workers can share their metrics."""
    host, port, metrics_port = settings.host, settings.port, settings.metrics_port
    with ExitStack() as held:
        where = resources.address_of(host, port)
        findings = [_resource("port", where, resources.listening(host, port), held)]
        if settings.workers > 1 or metrics_port is not None:
            where = "a temporary directory"
            if metrics_port is not None:
                where = resources.address_of(settings.metrics_address, metrics_port)
            shared = resources.shared_metrics(settings)
            findings.append(_resource("metrics", where, shared, held))
    return findings


def _resource(
    check: str, where: str, resource: AbstractContextManager[object], held: ExitStack
) -> Finding:
    try:
        held.enter_context(resource)
    except SettingsError as exc:
        if isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE:
            advice = "stop the other program or choose another port, unless it is this gateway"
            return Finding(check, "warn", f"{where} is in use", advice)
        return Finding(check, "fail", str(exc))
    return Finding(check, "ok", f"{where} can be used")


def open_files(settings: Settings) -> Finding:
    """Check that the process may open as many files as the settings can require."""
    limit = resources.files_limit()
    needed = resources.files_needed(settings, settings.max_connections)
    if limit < needed:
        advice = "raise the limit (LimitNOFILE=, ulimit -n), or lower GATEWAY_MAX_CONNECTIONS"
        found = f"the limit is {limit:g}, and {needed} may be needed"
        has_room = resources.files_needed(settings, 1) <= limit
        return Finding("open files", "warn" if has_room else "fail", found, advice)
    return Finding("open files", "ok", f"{needed} may be needed, which the limit allows")


def public_part(url: str) -> str:
    """Return the URL of a Redis without its login and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def shared_cache(url: str) -> Finding:
    """Check that Redis is fast, and allows every command that the gateway uses."""
    from gateway.store.redis import try_out

    try:
        took_s, missing = await try_out(url)
    except OSError as exc:
        return failure("Redis", exc, _REDIS_FAILURES, where=public_part(url), kind=str(exc))
    if missing:
        advice = f"give the user of GATEWAY_CACHE_URL these rights: {' '.join(missing)}"
        return Finding("Redis", "fail", "the user lacks rights that the gateway needs", advice)
    took_ms = 1000 * took_s
    if took_ms > _REDIS_SLOW_MS:
        advice = "use a nearer Redis: if connecting takes 100 ms, it is not used"
        return Finding("Redis", "warn", f"answers in {took_ms:.0f} ms", advice)
    return Finding("Redis", "ok", f"answers in {took_ms:.1f} ms")
