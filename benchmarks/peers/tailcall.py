"""Tailcall's configuration: the schema with the REST names of its fields."""

from collections.abc import Iterator

from benchmarks.peers.peer import CACHE
from benchmarks.peers.sdl import MAPS, ROOT, Field, Source, source

__all__ = ["LEFT_OUT", "start"]

_BINARY = CACHE / "tailcall/node_modules/@tailcallhq/core-linux-x64-gnu/bin/tailcall"

LEFT_OUT = frozenset({"fieldProperties", "extraFields", "customFields"})
"""The maps, which Tailcall cannot convert to lists."""

_TTL_MS = 3_600_000


def start(port: int, rest_url: str, caches: bool) -> tuple[list[str], dict[str, str]]:
    """Write the configuration, and return the command and its environment."""
    config = CACHE / "tailcall" / f"{port}.graphql"
    config.write_text(_config(source(), port, rest_url, caches), encoding="utf-8")
    quiet = {"TAILCALL_TRACKER": "false", "TC_LOG_LEVEL": "error"}
    return [str(_BINARY), "start", str(config)], quiet


def _config(rest: Source, port: int, rest_url: str, caches: bool) -> str:
    cache = f" @cache(maxAge: {_TTL_MS})" if caches else ""
    url = f"{rest_url}/api/v1/ChatSession/ForCurrentUser"
    head = f"""\
schema
  @server(port: {port}, hostname: "127.0.0.1", workers: 1)
  @upstream(allowedHeaders: ["Authorization"]) {{
  query: Query
}}

type Query {{
  {ROOT}: [ChatSession!] @http(url: "{url}"){cache}
}}
"""
    return "\n".join([head, *_enums(rest), *_types(rest)])


def _enums(rest: Source) -> Iterator[str]:
    for name, members in rest.enums.items():
        lines = [f'  {member} @alias(options: ["{value}"])' for member, value in members.items()]
        yield "\n".join([f"enum {name} {{", *lines, "}", ""])


def _types(rest: Source) -> Iterator[str]:
    for name, fields in rest.types.items():
        if name not in MAPS | {"FieldRight"}:
            lines = [_line(field) for field in fields.values() if field.name not in LEFT_OUT]
            yield "\n".join([f"type {name} {{", *lines, "}", ""])


def _line(field: Field) -> str:
    # Tailcall's own DateTime refuses times without a zone.
    kind = field.kind.replace("DateTime", "String")
    return f'  {field.rest_name}: {kind} @modify(name: "{field.name}")'
