"""The way to SuperOffice: the proxy in between, and the certificates of TLS."""

import os
import ssl
from base64 import b64encode
from urllib.request import getproxies, proxy_bypass

import httpx

from gateway.errors import SettingsError
from gateway.settings import Settings

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_CA_FILE = "SSL_CERT_FILE"  # of OpenSSL, which ignores one that it cannot read


class Proxy:
    """An HTTP proxy.

    Raises:
        ValueError, httpx.InvalidURL: the URL is not `http://`, a login if necessary, and a host.
    """

    def __init__(self, url: str) -> None:
        parsed = httpx.Proxy(url if "://" in url else f"http://{url}")
        is_cut = "@" in parsed.url.path + parsed.url.fragment  # a password with `/` or `#`
        is_port = parsed.url.port is None or 0 < parsed.url.port < 2**16
        if parsed.url.scheme != "http" or not parsed.url.host or is_cut or not is_port:
            raise ValueError
        parsed.url.host.encode("idna")
        self.url = parsed.url
        """Without user and password."""
        login = b64encode(b":".join(parsed.raw_auth or ())).decode()
        self.headers = {"Proxy-Authorization": f"Basic {login}"} if login else {}
        """Headers for the proxy, never for SuperOffice."""


class Route:
    """Has the certificates, and the proxy of the settings or of `HTTPS_PROXY`, if any.

    Raises:
        SettingsError: a file of certificates, or the environment's proxy, cannot be used.
    """

    _tls: ssl.SSLContext | None = None
    _proxy: Proxy | None = None
    _is_set = False

    def __init__(self, settings: Settings | None) -> None:
        """Without settings: directly, and with the system's certificates."""
        if settings is not None:
            self.load(settings)

    def load(self, settings: Settings) -> None:
        """Apply settings and the files that they name to new connections."""
        self._tls, self._proxy = _own_tls(settings), _proxy(settings)
        self._is_set = settings.upstream_proxy is not None

    def tls(self) -> ssl.SSLContext:
        """Return the TLS context, made once: it takes tens of milliseconds."""
        if self._tls is None:
            self._tls = _trusting_tls()
        return self._tls

    def proxy_for(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy for an address; None = a direct connection.

        The environment's proxy is not for this machine, nor for the hosts of `NO_PROXY`.
        """
        is_bypassed = self._proxy and not self._is_set and proxy_bypass(server_of(url))
        return None if is_bypassed else self._proxy


def host_and_port(url: httpx.URL) -> tuple[str, int]:
    """Return the host, as DNS has it, and the port to connect to."""
    return url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80)


def server_of(url: httpx.URL) -> str:
    """Return host and port as text."""
    return "{}:{}".format(*host_and_port(url))


def _proxy(settings: Settings) -> Proxy | None:
    own, address = settings.upstream_proxy, httpx.URL(settings.address)
    # Tenants of SuperOffice Online are at addresses of their own.
    is_bypassed = not settings.environment and proxy_bypass(server_of(address))
    is_direct = address.host in _THIS_MACHINE or is_bypassed
    by_environment = None if is_direct else getproxies().get(address.scheme)
    url = own.get_secret_value() if own else by_environment
    try:
        return Proxy(url) if url else None
    except (ValueError, httpx.InvalidURL):
        name = "GATEWAY_UPSTREAM_PROXY" if own else f"{address.scheme.upper()}_PROXY"
        why = "it must be http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT"
        raise SettingsError(f"{name}: {why}") from None


def _own_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return TLS with the settings' files; None if they name none."""
    systems = os.environ.get(_CA_FILE) if settings.address.startswith("https:") else None
    ca, cert = settings.upstream_ca_file or systems, settings.upstream_client_cert
    key = settings.upstream_client_key
    if key and not cert:
        raise SettingsError("GATEWAY_UPSTREAM_CLIENT_KEY is set: set GATEWAY_UPSTREAM_CLIENT_CERT")
    if not ca and not cert:
        return None
    tls, name = _trusting_tls(), "GATEWAY_UPSTREAM_CA_FILE"
    files = f"{name if settings.upstream_ca_file else _CA_FILE}={ca}"
    wrong = "there is no certificate in PEM format"
    try:
        if ca:
            tls.load_verify_locations(ca)
        if cert:
            files = f"GATEWAY_UPSTREAM_CLIENT_CERT={cert}"
            files += ", GATEWAY_UPSTREAM_CLIENT_KEY" if key else ""  # perhaps the key itself
            wrong += ", no key beside it, or the key is of another one or has a password"
            # Without a password, OpenSSL would ask for one on the terminal.
            tls.load_cert_chain(cert, key, password="")
    except OSError as exc:
        why = wrong if isinstance(exc, ssl.SSLError) else exc.strerror
        raise SettingsError(f"{files}: {why}") from None
    return tls


def _trusting_tls() -> ssl.SSLContext:
    """Return TLS with the system's certificates.

    Python 3.13 would reject private authorities that lack extensions of RFC 5280, as many do.
    """
    tls = ssl.create_default_context()
    tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return tls
