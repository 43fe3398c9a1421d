"""Visits a page of the gateway with Chromium, and tells what was seen there."""

import importlib.util
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.npm import link_packages

HOW_TO_INSTALL = "Chromium, Node.js 20 or newer and npm: `apt-get install chromium nodejs npm`"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent


@dataclass(frozen=True)
class Visit:
    """What was seen: `found` by the person, the rest by the browser."""

    found: dict[str, Any]
    console_errors: list[str]
    violations: list[str]
    requests: list[str]


@dataclass(frozen=True)
class Browser:
    """A folder with the scripts and what they need."""

    folder: Path

    @classmethod
    def prepared_in(cls, folder: Path, config: pytest.Config) -> "Browser":
        """Have there what drives Chromium, and copy the scripts."""
        link_packages(config, folder)
        shutil.copytree(_HERE / "scripts", folder, dirs_exist_ok=True)
        return cls(folder)

    def visit(self, page: str, scenario: str, *, authorization: str, folder: Path) -> Visit:
        """Open a page in a new profile and run a scenario; `folder` gets the screenshots."""
        options = {
            "chromium": CHROMIUM,
            "folder": str(folder),
            "page": page,
            "scenario": scenario,
            "authorization": authorization,
        }
        done = subprocess.run(
            ("node", "visit.mjs", json.dumps(options)),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{done.stderr}\nscreenshots in {folder}"
        return Visit(**json.loads(done.stdout))


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
