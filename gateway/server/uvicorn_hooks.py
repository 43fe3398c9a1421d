"""The undocumented parts of uvicorn that this package overrides or uses, and for what.

They are checked when the package is imported: a release of uvicorn that renames one would otherwise
silently disable a feature. `pyproject.toml` allows the releases that were tested. The
asyncio and httptools callbacks of the protocol, such as `on_body`, are public.
"""

from collections.abc import Iterable
from inspect import isfunction
from types import ModuleType

import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.protocol import Protocol

_HOOKS: dict[type | ModuleType, dict[str, str]] = {
    httptools_impl.HttpToolsProtocol: {
        "_start_asgi_task": "a cached answer is sent instead of calling the application",
        "handle_websocket_upgrade": "handshakes with a body are refused",
        "send_400_response": "requests past a limit, and invalid HTTP, get our error body",
        "expect_100_continue": "HTTP/1.0 gets no 100",
        "headers parser url _should_upgrade": "heads that ask for another protocol are read again",
        "pipeline timeout_keep_alive_task connections loop": "limits, and the timer of a head",
        "app cycle flow server_state transport": "cached answers use them like all others",
        "scope": "the request that is being parsed, to which a refusal belongs",
        "on_response_complete": "an idle connection holds no long head",
        "shutdown": "streams end when the server stops",
    },
    httptools_impl: {"STATUS_LINE HEADER_VALUE_RE": "whole answers are written at once"},
    httptools_impl.RequestResponseCycle: {
        "scope body": "the cached answer of a request is looked up",
        "more_body": "as its end is missing, it can be refused, and its answer is the last",
        "response_started response_complete message_event on_response": "it is marked as answered",
        "disconnected": "a request with others behind it is informed, too",
        "send waiting_for_100_continue": "its head waits for the body",
        "keep_alive": "connections are closed while the server drains",
        "chunked_encoding expected_content_length": "HTTP/1.0 is answered without chunks",
    },
    WebSocketsSansIOProtocol: {
        "handle_connect handle_events handle_parser_exception conn queue read_paused writable "
        "close_sent close_timeout disconnected handshake_initiated": "frames are parsed in pieces",
        "send_keepalive_ping": "silent connections end",
        "receive": "frames are parsed when the application waits for a message",
        "send": "messages count until the client has read them",
        "on_task_complete": "a request that has ended is not held",
    },
    uvicorn.Server: {
        "startup started": "an application that does not start ends the process with one line",
        "main_loop on_tick handle_exit should_exit force_exit server_state": "the drain",
        "shutdown servers lifespan": "connections that wait are accepted",
    },
    uvicorn.Config: {
        "loaded_app": "the application while it starts, and its state",
        "http_protocol_class": "connections that wait are accepted with the first",
    },
    Protocol: {"current_size reader events": "limits on messages"},
    http11: {"MAX_LINE_LENGTH MAX_NUM_HEADERS": "limits on handshakes"},
}


def check_hooks(owner: type | ModuleType, names: Iterable[str]) -> None:
    """Check that a class or module has each of the methods, or a method that names the attribute.

    Raises:
        ImportError: one is missing.
    """
    methods = [method for method in vars(owner).values() if isfunction(method)]
    known = {*dir(owner)}.union(*(method.__code__.co_names for method in methods))
    if missing := [name for name in " ".join(names).split() if name not in known]:
        raise ImportError(
            f"uvicorn {uvicorn.__version__} has no {owner.__name__}.{missing[0]}, which the "
            "gateway needs: install uvicorn>=0.53,<0.55"
        )


for _owner, _names in _HOOKS.items():
    check_hooks(_owner, _names)
