"""Whether a server can be reached: its name, its port, and TLS."""

import asyncio
import socket
import ssl
import time
from typing import Any

from gateway.commands.doctor.finding import Finding, Target

__all__ = ["reach"]

_DAY_S = 86_400
_SOON_DAYS = 14


async def reach(target: Target) -> list[Finding]:
    """Look its name up, and connect; what fails is the last finding."""
    findings = [await _name(target)]
    if findings[-1].level != "fail":
        findings.append(await _connection(target))
    return findings


async def _name(target: Target) -> Finding:
    try:
        async with asyncio.timeout(target.timeout_s):
            found = await asyncio.get_running_loop().getaddrinfo(
                target.host, target.port, type=socket.SOCK_STREAM
            )
    except TimeoutError:
        return Finding("name", "fail", f"looking {target.host} up takes too long", "ask your DNS")
    except (OSError, UnicodeError):
        advice = "check its spelling, and that this machine's DNS knows it"
        return Finding("name", "fail", f"{target.host} is not known", advice)
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    if target.host in addresses:
        return Finding("name", "ok", f"{target.host} is an address")
    return Finding("name", "ok", f"{target.host} is at {', '.join(addresses)}")


async def _connection(target: Target) -> Finding:
    tls = ssl.create_default_context() if target.is_tls else None
    check = "TLS" if tls else "connection"
    where = f"{target.host}:{target.port}"
    try:
        async with asyncio.timeout(target.timeout_s):
            _, writer = await asyncio.open_connection(target.host, target.port, ssl=tls)
    except ssl.SSLCertVerificationError as exc:
        advice = "if its authority is your own, name its file in SSL_CERT_FILE"
        found = f"its certificate is not accepted: {exc.verify_message}"
        return Finding(check, "fail", found, advice)
    except ssl.SSLError:
        advice = "http:// may be meant, or another port"
        return Finding(check, "fail", f"what answers at {where} does not speak TLS", advice)
    except TimeoutError:
        advice = "a firewall may swallow what is sent there"
        return Finding(check, "fail", f"{where} does not answer", advice)
    except OSError as exc:
        is_refused = isinstance(exc, ConnectionRefusedError)
        found = f"nothing listens at {where}" if is_refused else f"{where} cannot be reached"
        return Finding(check, "fail", found, "check the port, and that it runs")
    try:
        peer: Any = writer.get_extra_info("ssl_object")
        return _certificate(peer) if tls else Finding(check, "ok", f"{where} answers, without TLS")
    finally:
        writer.transport.abort()


def _certificate(peer: ssl.SSLObject) -> Finding:
    certificate: Any = peer.getpeercert()
    issuer = dict(pair for parts in certificate["issuer"] for pair in parts)
    name = issuer.get("organizationName") or issuer.get("commonName", "somebody without a name")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // _DAY_S)
    found = f"{peer.version()}, certificate by {name}, good for {days} days"
    if days < _SOON_DAYS:
        return Finding("TLS", "warn", found, "have it renewed")
    return Finding("TLS", "ok", found)
