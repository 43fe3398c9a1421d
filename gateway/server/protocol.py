"""uvicorn's HTTP protocol as the gateway runs it: limits, cached answers, and upgrades.

Of requests for another protocol, those for WebSocket are supported, and all others ignored. A
server may ignore the Upgrade header (RFC 9110, section 7.8) and answer in HTTP/1.1. Java's client
asks for HTTP/2 in its first request. httptools ends these requests with their head and does not
read their body. So the head is parsed again, without the headers that ask for it.
"""

import asyncio

from httptools import HttpParserUpgrade, HttpRequestParser

from gateway.server import uvicorn_hooks  # noqa: F401  fails on a uvicorn that lacks a hook
from gateway.server.fast_lane import FastLaneProtocol
from gateway.web.read.accept import LONGEST_LIST

_LISTS = frozenset({b"connection", b"sec-websocket-extensions", b"sec-websocket-protocol"})
"""websockets parses these slowly."""

_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class GatewayProtocol(FastLaneProtocol):
    """One connection to a client; it is handed over to a WebSocket."""

    _is_read_again = False
    """Whether the request asks for a protocol that is not supported."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read heads with a parser that ignores other protocols."""
        super().connection_made(transport)
        self.parser = _Parser(self)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the protocol of WebSockets, which cannot read a body."""
        if any(name in _BODY_HEADERS and value != b"0" for name, value in self.headers):
            self.send_400_response("A handshake has no body.")
        elif any(name in _LISTS and len(value) > LONGEST_LIST for name, value in self.headers):
            self.send_400_response("The handshake has a header that is too long.")
        else:
            super().handle_websocket_upgrade()
            self.parser = None  # type: ignore[assignment]  # it would keep this object alive

    def _should_upgrade(self) -> bool:
        """Return whether a head asks for a WebSocket.

        A pipelined one does not: the connection cannot change before earlier requests are answered.
        """
        return self.is_between_requests and super()._should_upgrade()

    def on_headers_complete(self) -> None:
        """Go on with the request, unless its head is read again."""
        is_upgrade = self.parser.should_upgrade()
        if is_upgrade:  # one list in several lines (RFC 9110, section 5.3): uvicorn reads the last
            values = [value for name, value in self.headers if name == b"connection"]
            self.headers[:] = [header for header in self.headers if header[0] != b"connection"]
            self.headers.append((b"connection", b",".join(values)[: LONGEST_LIST + 1]))
        self._is_read_again = is_upgrade and not self._should_upgrade()
        if not self._is_read_again:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Go on with the request, unless its head is read again."""
        if not self._is_read_again:
            super().on_message_complete()


class _Parser(HttpRequestParser):
    """Reads a head again if it asks for another protocol than WebSocket."""

    def __init__(self, protocol: GatewayProtocol) -> None:
        super().__init__(protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn passes bytes
        """Parse received data.

        Raises:
            HttpParserUpgrade: it ends with the handshake of a WebSocket.
        """
        protocol, parser = self._protocol, self
        while True:
            try:
                HttpRequestParser.feed_data(parser, data)
                return
            except HttpParserUpgrade as exc:
                if protocol._should_upgrade():
                    raise
                if parser.get_method() == b"CONNECT":  # it needs no Upgrade header
                    protocol.send_400_response("CONNECT is not supported.")
                if protocol.transport.is_closing():
                    return
                data = _plain_head(parser, protocol) + data[exc.args[0] :]
                protocol.parser = parser = _Parser(protocol)


def _plain_head(parser: HttpRequestParser, protocol: GatewayProtocol) -> bytes:
    """Write a head without the headers that ask for another protocol."""
    version = parser.get_http_version().encode()
    head = [b"%s %s HTTP/%s\r\n" % (parser.get_method(), protocol.url, version)]
    for name, value in protocol.headers:
        if name == b"connection":
            tokens = [token.strip().lower() for token in value.split(b",")]
            value = b"close" if b"close" in tokens else b""
        if name not in {b"upgrade", b"http2-settings"}:
            head.append(b"%s: %s\r\n" % (name, value))
    return b"".join((*head, b"\r\n"))
