"""Other GraphQL servers over the same REST call, to compare the gateway with."""

import sys
from pathlib import Path

from benchmarks.peers import tailcall
from benchmarks.peers.install import install
from benchmarks.peers.peer import CACHE, Peer

__all__ = ["PEERS", "Peer", "prepare"]

_ROOT = Path(__file__).parents[2]


def _environment(rest_url: str, caches: bool) -> dict[str, str]:
    return {"REST_URL": rest_url, "CACHES": "1" if caches else ""}


def _uvicorn(app: str, port: int) -> list[str]:
    options = ["--host", "127.0.0.1", "--port", str(port), "--lifespan", "off"]
    quiet = ["--no-access-log", "--log-level", "warning"]
    return [sys.executable, "-m", "uvicorn", app, "--app-dir", str(_ROOT), *options, *quiet]


def _floor(port: int, rest_url: str, caches: bool) -> tuple[list[str], dict[str, str]]:
    return _uvicorn("benchmarks.peers.floor:app", port), _environment(rest_url, caches)


def _ordinary(port: int, rest_url: str, caches: bool) -> tuple[list[str], dict[str, str]]:
    environment = {**_environment(rest_url, caches), "PYTHONPATH": str(CACHE / "ordinary")}
    return _uvicorn("benchmarks.peers.ordinary:app", port), environment


def _node(script: str, name: str, key: str, note: str) -> Peer:
    file = CACHE / script

    def start(port: int, rest_url: str, caches: bool) -> tuple[list[str], dict[str, str]]:
        environment = {"NODE_ENV": "production", "PORT": str(port)}
        return ["node", str(file)], {**environment, **_environment(rest_url, caches)}

    return Peer(name, key, start, needs=file.parent / "installed.json", note=note)


_HIVE = CACHE / "hive"


def _hive(port: int, rest_url: str, caches: bool) -> tuple[list[str], dict[str, str]]:
    files = [str(_HIVE / "supergraph.graphql"), "-c", str(_HIVE / "gateway.config.mjs")]
    listen = ["--host", "127.0.0.1", "--port", str(port)]
    command = ["node", str(_HIVE / "node_modules/.bin/hive-gateway"), "supergraph"]
    environment = {"NODE_ENV": "production", "HIVE_ROUTER_RUNTIME": "true"}
    return [*command, *files, *listen], {**environment, **_environment(rest_url, caches)}


PEERS = (
    Peer(
        "floor: uvicorn and ready bytes",
        "floor",
        _floor,
        needs=Path(__file__),
        requires_ready=True,
        note="parses and resolves nothing: what uvicorn and Starlette cost alone",
    ),
    Peer(
        "ordinary Strawberry",
        "strawberry",
        _ordinary,
        needs=Path(__file__),
        note="httpx, objects built eagerly; aiocache keeps a caller's objects",
    ),
    _node(
        "js/apollo.mjs",
        "Apollo Server",
        "apollo",
        "its response cache keeps whole answers, per caller and query",
    ),
    _node(
        "js/yoga.mjs",
        "GraphQL Yoga + graphql-jit",
        "yoga",
        "its response cache keeps whole answers, per caller and query",
    ),
    _node(
        "js/mercurius.mjs",
        "Mercurius + graphql-jit",
        "mercurius",
        "its cache keeps what the resolver gives, per caller; every query is run over it",
    ),
    Peer(
        "Hive Gateway",
        "hive",
        _hive,
        needs=_HIVE / "installed.json",
        note="with the Hive Router runtime; its response cache keeps whole answers, per caller "
        "and query; dates are plain text",
    ),
    Peer(
        "Tailcall",
        "tailcall",
        tailcall.start,
        needs=CACHE / "tailcall/installed.json",
        q3_without=tailcall.LEFT_OUT,
        note="1.0.0, the newest whose binary runs with glibc before 2.39; its cache keeps REST's "
        "answer, per caller; it makes no lists of maps, so its Q3 is without fieldProperties, "
        "extraFields and customFields; dates are plain text",
    ),
)
"""All servers; those that `prepare` could not install are not `is_installed`."""


def prepare() -> None:
    """Install the missing peers."""
    install()
