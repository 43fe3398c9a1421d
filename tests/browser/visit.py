"""Visits a page of the gateway with Chromium, and returns the findings."""

import contextlib
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOW_TO_INSTALL = "Chromium, Node.js 20 or newer and npm: `apt-get install chromium nodejs npm`"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


@dataclass(frozen=True)
class Visit:
    """The findings of a visit: `found` comes from the scenario, the rest from the browser."""

    found: dict[str, Any]
    console_errors: list[str]
    violations: list[str]
    requests: list[str]


@dataclass(frozen=True)
class Browser:
    """A running Chromium, and the script that drives it."""

    process: subprocess.Popen[str]

    @classmethod
    @contextlib.contextmanager
    def prepared_in(cls, folder: Path, packages: Path) -> Iterator["Browser"]:
        """Copy the scripts to the packages that drive Chromium, and start both."""
        (folder / "node_modules").symlink_to(packages)
        shutil.copytree(_HERE / "scripts", folder, dirs_exist_ok=True)
        with subprocess.Popen(
            ("node", "visit.mjs", str(CHROMIUM)),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield cls(process)

    def visit(self, page: str, scenario: str, *, authorization: str, folder: Path) -> Visit:
        """Open a page in a new profile and run a scenario; `folder` is for screenshots."""
        options = {
            "folder": str(folder),
            "page": page,
            "scenario": scenario,
            "authorization": authorization,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps(options)}\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"failed": "it took too long"}')
        assert "failed" not in answer, f"{answer['failed']}\na screenshot is in {folder}"
        return Visit(**answer)


def fetch_graphiql() -> None:
    """Fetch GraphiQL into the source tree as a build does.

    Raises:
        OSError: npm could not fetch it.
    """
    spec = importlib.util.spec_from_file_location("hatch_build", _ROOT / ".hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    build.fetch_graphiql(_ROOT)
