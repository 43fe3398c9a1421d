"""A console with each client, in a browser far from the tenant's time zone."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from gateway.demo.app import create_demo_app
from tests.browser.visit import CHROMIUM, HOW_TO_INSTALL
from tests.clients.node import Node
from tests.clients.running import AUTHORIZATION, Demo, running
from tests.support import served

pytestmark = pytest.mark.socket

PAGE = """<!doctype html><title>Console</title><link rel="icon" href="data:,">
<div id="root"></div><script src="{0}.js"></script>"""
CONSOLES = ("apollo", "urql")


@pytest.fixture(scope="module")
def folder(node: Node) -> Path:
    """Return the folder of the built consoles."""
    app = node.folder / "app" / "console"
    build = ("esbuild", "--bundle", "--jsx=automatic", "--log-level=error", "--outdir=built")
    define = "--define:process.env.NODE_ENV='production'"
    node.run(*build, define, *(f"{name}.jsx" for name in CONSOLES), cwd=app)
    for name in CONSOLES:
        (app / "built" / f"{name}.html").write_text(PAGE.format(name))
    return app / "built"


@pytest.fixture(scope="module")
def site(node: Node, folder: Path) -> Iterator[str]:
    """Return the address of the consoles and Altair, a site other than the gateway's."""
    altair = node.folder / "node_modules" / "altair-static" / "build" / "dist"
    routes = [
        Mount("/altair", StaticFiles(directory=altair)),
        Mount("/", StaticFiles(directory=folder)),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url


@pytest.fixture(scope="module")
def findings(node: Node, site: str, folder: Path) -> dict[str, Any]:
    """Return the findings of a person in New York, with the settings of the demo."""
    if not CHROMIUM:  # pragma: no cover - CI has it
        pytest.skip(f"needs {HOW_TO_INSTALL}")
    started = time.time()
    app = create_demo_app(sessions=20, clock=lambda: time.time() + 10 * (time.time() - started))
    settings = {
        "so_time_zone": "UTC, includeTZOffset",
        "accept_language": "en",
        "cors_origins": site,
        "live_interval": 1,
        "cache_ttl": 1,
    }
    with served(app) as rest, running(Demo(rest, app), **settings) as live:
        options = {
            "chromium": CHROMIUM,
            "site": site,
            "login": {"url": live.url, "authorization": AUTHORIZATION},
            "folder": str(folder),
        }
        done = subprocess.run(
            ("node", "console.mjs", json.dumps(options)),
            cwd=node.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", CONSOLES)
def test_a_console_in_new_york_shows_right_ages(findings: dict[str, Any], name: str) -> None:
    """Times are instants, texts are in one language, and rows change live."""
    console = findings[name]
    waiting = [row for row in console["rows"] if row["status"] == "IN_QUEUE"]

    assert len(console["rows"]) == 20
    assert waiting
    # The demo's clock is ahead by ten times the duration of the test.
    assert all(abs(row["age"] - row["wait"]) < 600 for row in waiting), waiting
    assert not any('"' in row["country"] for row in console["rows"])
    assert (console["errors"], console["hasChanged"]) == ([], True)


def test_altair_shows_docs_answers_and_events(findings: dict[str, Any]) -> None:
    """Altair runs on another site, with its own settings for headers and connection parameters."""
    assert findings["altair"] == {"errors": []}
