"""Whether a server can be reached: its name, its port, and TLS."""

import asyncio
import socket
import ssl
import time
from typing import Any

from gateway.commands.doctor.finding import Finding, Target

_DAY_S = 86_400
_SOON_DAYS = 14
_NOT_TLS = {"WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE"}


async def reach(target: Target) -> list[Finding]:
    """Look the name up, and connect; a failure is the last finding."""
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
        advice = "check this machine's DNS servers"
        return Finding("name", "fail", f"DNS does not answer about {target.host}", advice)
    except (OSError, UnicodeError):
        advice = "check its spelling, and that this machine's DNS knows it"
        return Finding("name", "fail", f"{target.host} is unknown", advice)
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
    except (OSError, ValueError) as exc:
        return Finding(check, "fail", *_problem(exc, where))
    try:
        peer: Any = writer.get_extra_info("ssl_object")
        return _certificate(peer) if tls else Finding(check, "ok", f"{where} answers, without TLS")
    finally:
        writer.transport.abort()


def _problem(exc: OSError | ValueError, where: str) -> tuple[str, str]:
    """Return what is wrong, and advice."""
    match exc:
        case ssl.SSLCertVerificationError():
            advice = (
                "if your own authority has issued it, name the authority's file in SSL_CERT_FILE"
            )
            return f"the certificate is not trusted: {exc.verify_message}", advice
        case ssl.SSLError() if exc.reason in _NOT_TLS:
            return f"{where} does not speak TLS", "use http:// or another port"
        case ssl.SSLError():
            return tls_problem(exc, where)
        case TimeoutError():
            return f"{where} does not answer", "check for a firewall in between"
        case ConnectionRefusedError():
            return f"nothing listens at {where}", "check the port, and that the server runs"
        case ConnectionResetError():
            return f"{where} closes the connection", "check the port, and http:// or https://"
    return f"{where} cannot be reached", "check the address and the network"


def tls_problem(exc: ssl.SSLError, where: str) -> tuple[str, str]:
    """Return what is wrong, and advice, where a server speaks TLS and refuses us."""
    reason = (exc.reason or type(exc).__name__).replace("_", " ").lower()
    if "certificate required" in reason or "handshake failure" in reason:
        advice = "it may require a client certificate, which the gateway cannot present"
        return f"{where} refuses the TLS connection: {reason}", advice
    return f"{where} breaks the TLS connection: {reason}", "check the server's TLS settings"


def _certificate(peer: ssl.SSLObject) -> Finding:
    certificate: Any = peer.getpeercert()
    issuer = dict(pair for parts in certificate["issuer"] for pair in parts)
    name = issuer.get("organizationName") or issuer.get("commonName", "an issuer without a name")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // _DAY_S)
    found = f"{peer.version()}, certificate by {name}, valid for {days} days"
    if days < _SOON_DAYS:
        return Finding("TLS", "warn", found, "renew the certificate")
    return Finding("TLS", "ok", found)
