"""The way to SuperOffice: the proxy in between, and the certificates of TLS."""

import asyncio
import ssl
from base64 import b64encode
from urllib.request import getproxies, proxy_bypass

import httpx

from gateway.errors import SettingsError
from gateway.settings import Settings

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class ProxyError(OSError):
    """The proxy cannot be reached, or does not connect to SuperOffice."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """`proxy answers 407`, or what else is wrong."""


class Proxy:
    """An HTTP proxy.

    Raises:
        ValueError: the URL is not one of a host, perhaps with user and password.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = httpx.Proxy(url if "://" in url else f"http://{url}")
        except httpx.InvalidURL as exc:
            raise ValueError from exc
        if parsed.url.scheme != "http" or not parsed.url.host:
            raise ValueError
        self.url = parsed.url
        """Without user and password."""
        login = b64encode(b":".join(parsed.raw_auth or ())).decode()
        self.headers = {"Proxy-Authorization": f"Basic {login}"} if login else {}
        """For the proxy alone."""


class Route:
    """How SuperOffice is reached: as the settings say, or the environment's `HTTPS_PROXY`.

    Raises:
        SettingsError: a file of certificates cannot be used, or the environment's proxy.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Without settings: directly, and with the system's certificates."""
        self._tls: ssl.SSLContext | None = None
        self._proxies: dict[str, Proxy] = {}
        self._is_set = False
        if settings is not None:
            self.load(settings)

    def load(self, settings: Settings) -> None:
        """Take what the settings and their files say now, for new connections."""
        self._tls, self._proxies = _own_tls(settings), _proxies(settings)
        self._is_set = settings.upstream_proxy is not None

    def tls(self) -> ssl.SSLContext:
        """Return the client's side of TLS, made once: it takes tens of milliseconds."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def proxy_for(self, url: httpx.URL) -> Proxy | None:
        """Return the proxy for an address; None = a direct connection.

        The environment's proxies are for other machines, and not for those of `NO_PROXY`.
        """
        proxy = self._proxies.get(url.scheme)
        if proxy is None or self._is_set:
            return proxy
        host, port = host_and_port(url)
        return None if host in _THIS_MACHINE or proxy_bypass(f"{host}:{port}") else proxy

    async def connect(self, url: httpx.URL) -> asyncio.StreamWriter:
        """Connect to SuperOffice, with TLS for https, and send no request; `abort` it.

        For http, the proxy is connected to.

        Raises:
            OSError: ProxyError, ssl.SSLError and others.
            UnicodeError: the name of the host is invalid.
        """
        tls = self.tls() if url.scheme == "https" else None
        proxy = self.proxy_for(url)
        if proxy is None:
            return (await asyncio.open_connection(*host_and_port(url), ssl=tls))[1]
        try:
            reader, writer = await asyncio.open_connection(*host_and_port(proxy.url))
        except OSError as exc:
            raise ProxyError("proxy cannot be reached") from exc
        try:
            if tls:
                await _tunnel(url, proxy, reader, writer)
                await writer.start_tls(tls, server_hostname=host_and_port(url)[0])
        except BaseException:
            writer.transport.abort()
            raise
        return writer


def host_and_port(url: httpx.URL) -> tuple[str, int]:
    """Return what to connect to; the name as DNS has it."""
    return url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80)


async def _tunnel(
    url: httpx.URL, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send CONNECT (RFC 9110, section 9.3.6)."""
    host = f"{url.copy_with(port=None).netloc.decode()}:{host_and_port(url)[1]}"
    fields = {"Host": host, **proxy.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"CONNECT {host} HTTP/1.1\r\n{head}\r\n".encode())
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
    except (OSError, EOFError, asyncio.LimitOverrunError) as exc:
        raise ProxyError("proxy does not speak HTTP") from exc
    status = answer[9:12].decode(errors="replace")  # HTTP/1.1 200
    if status != "200":
        raise ProxyError(f"proxy answers {status}")


def _proxies(settings: Settings) -> dict[str, Proxy]:
    """Return the proxies by the scheme of the address."""
    urls, name = getproxies(), "{}_PROXY"
    if settings.upstream_proxy:
        name = "GATEWAY_UPSTREAM_PROXY"
        urls = dict.fromkeys(("http", "https"), settings.upstream_proxy.get_secret_value())
    found = {}
    for scheme in urls.keys() & {"http", "https"}:
        try:
            found[scheme] = Proxy(urls[scheme])
        except ValueError:
            why = "it must be http://, perhaps user:password@, and a host and a port"
            raise SettingsError(f"{name.format(scheme.upper())}: {why}") from None
    return found


def _own_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return TLS with the settings' files; None if they name none."""
    ca, cert = settings.upstream_ca_file, settings.upstream_client_cert
    key = settings.upstream_client_key
    if key and not cert:
        raise SettingsError("GATEWAY_UPSTREAM_CLIENT_KEY is set: set GATEWAY_UPSTREAM_CLIENT_CERT")
    if not ca and not cert:
        return None
    tls, files = ssl.create_default_context(), f"GATEWAY_UPSTREAM_CA_FILE={ca}"
    try:
        if ca:
            tls.load_verify_locations(ca)
        if cert:
            files = f"GATEWAY_UPSTREAM_CLIENT_CERT={cert}"
            files += f", GATEWAY_UPSTREAM_CLIENT_KEY={key}" if key else ""
            # Without a password, OpenSSL would ask for one on the terminal.
            tls.load_cert_chain(cert, key, password="")
    except ssl.SSLError as exc:
        is_other = exc.reason == "KEY_VALUES_MISMATCH"
        why = "the key is another's" if is_other else "PEM is needed, without a password"
        raise SettingsError(f"{files}: {why}") from None
    except OSError as exc:
        raise SettingsError(f"{files}: cannot be read: {exc.strerror}") from None
    return tls
