"""The undocumented parts of uvicorn that this package overrides or uses, each with its reason.

They are checked when the package is imported: a release of uvicorn that renames one would otherwise
switch a feature off without a word. `pyproject.toml` allows the releases that were tested.
"""

from collections.abc import Mapping
from inspect import isfunction

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PROTOCOL_HOOKS = {
    "_start_asgi_task": "answer a request without calling the application",
    "app": "find the cached answers and the limits of the application",
    "connections": "count open connections",
    "cycle": "know whether a request is in progress",
    "flow": "leave clients that read slowly to the application, which waits for them",
    "handle_websocket_upgrade": "refuse handshakes with a body",
    "headers": "read a head again without its request for another protocol, and drop trailers",
    "loop": "start the timer of a head",
    "on_body": "count the progress of a body",
    "on_headers_complete": "stop the timer of a head",
    "on_message_begin": "count the bytes of each head",
    "on_message_complete": "answer as soon as a request is complete",
    "parser": "read requests that ask for another protocol than WebSocket",
    "pipeline": "limit the requests that wait on a connection",
    "send_400_response": "refuse what cannot be a request",
    "server_state": "send the Date header with cached answers",
    "shutdown": "end streams when the server stops",
    "timeout_keep_alive_task": "know whether a connection waits for a request",
    "transport": "close connections, and write cached answers",
}
CYCLE_HOOKS = {
    "body": "look up the cached answer to a request with a body",
    "chunked_encoding": "answer HTTP/1.0 without chunks",
    "expected_content_length": "answer HTTP/1.0 without chunks",
    "keep_alive": "close connections while the server drains",
    "on_response": "go on with the next request after a cached answer",
    "response_complete": "mark a request as answered",
    "response_started": "mark a request as answered",
    "scope": "look up the cached answer to a request",
}
SERVER_HOOKS = {
    "force_exit": "stop at once after a second Ctrl+C",
    "handle_exit": "drain after SIGTERM",
    "main_loop": "drain before the port is closed",
    "on_tick": "notice that the supervisor is gone",
    "server_state": "drain the open connections",
    "should_exit": "drain after SIGTERM",
    "started": "tell a failed start from a failed shutdown",
    "startup": "end with one line when the application does not start",
}
CONFIG_HOOKS = {"loaded_app": "end with one line when the application does not start"}


def check_hooks(owner: type, hooks: Mapping[str, str]) -> None:
    """Check that a class has each of the methods, or a method that names the attribute.

    Raises:
        ImportError: one is missing.
    """
    methods = [method for method in vars(owner).values() if isfunction(method)]
    known = {*dir(owner)}.union(*(method.__code__.co_names for method in methods))
    for name, reason in hooks.items():
        if name not in known:
            raise ImportError(
                f"uvicorn {uvicorn.__version__} has no {owner.__name__}.{name}, which the gateway "
                f"needs to {reason}: install uvicorn>=0.45,<0.55"
            )


check_hooks(HttpToolsProtocol, PROTOCOL_HOOKS)
check_hooks(RequestResponseCycle, CYCLE_HOOKS)
check_hooks(uvicorn.Server, SERVER_HOOKS)
check_hooks(uvicorn.Config, CONFIG_HOOKS)
