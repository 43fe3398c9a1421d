"""A console of each kind in a browser far from the tenant's time zone."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse
from starlette.routing import Route

from gateway.demo.app import create_demo_app
from tests.browser.visit import CHROMIUM, HOW_TO_INSTALL
from tests.clients.node import Node
from tests.clients.running import AUTHORIZATION, Demo, running
from tests.support import served

pytestmark = pytest.mark.socket

PAGE = """<!doctype html><title>Console</title><link rel="icon" href="data:,">
<div id="root"></div><script src="app.js"></script>"""


@pytest.fixture(scope="module", params=["apollo", "urql"])
def bundle(node: Node, request: pytest.FixtureRequest) -> Path:
    """Return the console's script, as a build makes it."""
    app, made = node.folder / "app" / "console", node.folder / f"{request.param}.console.js"
    build = ("esbuild", "--bundle", "--jsx=automatic", "--log-level=error", f"--outfile={made}")
    node.run(*build, "--define:process.env.NODE_ENV='production'", f"{request.param}.jsx", cwd=app)
    return made


@pytest.fixture(scope="module")
def site(bundle: Path) -> Iterator[str]:
    """Return the address of the console, which is not the gateway's."""
    routes = [
        Route("/", lambda _: HTMLResponse(PAGE)),
        Route("/app.js", lambda _: FileResponse(bundle)),
    ]
    with served(Starlette(routes=routes)) as url:
        yield url


def test_a_console_in_new_york_shows_right_ages(node: Node, site: str, tmp_path: Path) -> None:
    """With the settings of the demo: times are instants, texts are in one language, rows live."""
    if not CHROMIUM:  # pragma: no cover - CI has it
        pytest.skip(f"needs {HOW_TO_INSTALL}")
    started = time.time()
    app = create_demo_app(sessions=20, clock=lambda: time.time() + 10 * (time.time() - started))
    settings = {"so_time_zone": "UTC, includeTZOffset", "accept_language": "en"}
    with (
        served(app) as rest,
        running(
            Demo(rest, app), cors_origins=site, live_interval=1, cache_ttl=1, **settings
        ) as live,
    ):
        login = urlencode({"url": live.url, "authorization": AUTHORIZATION})
        shot = tmp_path / "console.png"
        options = {"chromium": CHROMIUM, "page": f"{site}/#{login}", "shot": str(shot)}
        done = subprocess.run(
            ("node", "console.mjs", json.dumps(options)),
            cwd=node.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    waiting = [row for row in seen["rows"] if row["status"] == "IN_QUEUE"]

    assert len(seen["rows"]) == 20
    assert waiting
    # The demo's clock is ahead by ten times what the test has taken.
    assert all(abs(row["age"] - row["wait"]) < 600 for row in waiting), waiting
    assert not any('"' in row["country"] for row in seen["rows"])
    assert (seen["errors"], seen["hasChanged"]) == ([], True)
