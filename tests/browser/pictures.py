"""Makes the pictures of the README and the manual: `python -m tests.browser.pictures`.

Screenshots come from `gateway demo` in Chromium, charts from `benchmarks/results`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from tests.browser.visit import CHROMIUM, HOW_TO_INSTALL
from tests.npm import FOLDER, install_packages

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "gateway" / "docs" / "img"
_TABLE = _ROOT / "benchmarks" / "results" / "table.json"

_ENGINES = {
    "gateway": "this gateway",
    "mercurius": "Mercurius + graphql-jit",
    "apollo": "Apollo Server",
    "hive": "Hive Gateway",
    "yoga": "GraphQL Yoga + graphql-jit",
    "tailcall": "Tailcall",
    "strawberry": "Strawberry alone",
}
_COLOURS = {
    "light": ("#1f2328", "#9aa4b2", "#1a5fb4"),
    "dark": ("#e6edf3", "#57606a", "#8ab8f5"),
}
"""Text, the other engines' bars, and the gateway's."""
_COLUMN = "warm Q2"
_WIDTH, _ROW, _LEFT = 520, 30, 210  # narrow, so that a phone shows it in a legible size


def charts() -> None:
    """Write the bar chart of the time per cached request, in light and in dark."""
    rows = json.loads(_TABLE.read_text("utf-8"))["rows"]
    costs = {row["engine"]: row["cpu_us"] for row in rows if row["column"] == _COLUMN}
    bars = sorted((costs[engine], name) for engine, name in _ENGINES.items())
    height = _ROW * len(bars) + 8
    for scheme, (text, plain, ours) in _COLOURS.items():
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" font-family="system-ui, sans-serif" font-size="14" fill="{text}">'
        ]
        for index, (cost, name) in enumerate(bars):
            y = index * _ROW + 4
            colour = ours if name == _ENGINES["gateway"] else plain
            longest = _WIDTH - _LEFT - 90
            width = max(2, cost / bars[-1][0] * longest)
            parts += [
                f'<text x="{_LEFT - 10}" y="{y + 18}" text-anchor="end">{escape(name)}</text>',
                f'<rect x="{_LEFT}" y="{y + 3}" width="{width:.0f}" height="{_ROW - 8}" rx="3" '
                f'fill="{colour}"/>',
                f'<text x="{_LEFT + width + 8:.0f}" y="{y + 18}">{cost:,.0f} µs</text>',
            ]
        (_FOLDER / f"speed-{scheme}.svg").write_text("\n".join([*parts, "</svg>\n"]), "utf-8")


def screenshots() -> None:
    """Take a picture of each page of the demo."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache = _ROOT / ".pytest_cache" / "d"  # where the tests install the packages
        cache.mkdir(parents=True, exist_ok=True)
        (folder / "node_modules").symlink_to(install_packages(cache / FOLDER))
        shutil.copy(Path(__file__).with_name("scripts") / "pictures.mjs", folder)
        demo = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", "--port", "0", "--sessions", "30"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            assert demo.stdout is not None
            address = next(line for line in demo.stdout if "http://" in line)
            url = next(word for word in address.split() if word.startswith("http")).rsplit("/", 1)[
                0
            ]
            options = {"chromium": CHROMIUM, "folder": str(_FOLDER), "url": url}
            subprocess.run(("node", "pictures.mjs", json.dumps(options)), cwd=folder, check=True)
        finally:
            demo.terminate()
            demo.wait(20)


if __name__ == "__main__":
    charts()
    if not CHROMIUM:
        sys.exit(f"needs {HOW_TO_INSTALL}")
    screenshots()
