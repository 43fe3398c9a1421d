"""Runs JavaScript clients in Node.js, with their packages from npm."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients import readme

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Script:
    """A running script: it answers a line of JSON with a line of JSON (see answer.mjs)."""

    process: subprocess.Popen[str]

    def __call__(self, scenario: str, **more: Any) -> Any:
        """Run one of its scenarios and return the result."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"scenario": scenario, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{scenario}: the script ended; stderr says why"
        return json.loads(line)


@dataclass(frozen=True)
class Node:
    """A folder with the packages, the scripts and the manual's code, where imports find all."""

    folder: Path

    @classmethod
    def prepared_in(cls, folder: Path, packages: Path) -> "Node":
        """Copy the scripts, the app and the manual's code to the packages."""
        (folder / "node_modules").symlink_to(packages)
        shutil.copytree(_HERE / "scripts", folder, dirs_exist_ok=True)
        shutil.copytree(_HERE / "app", folder / "app")
        (folder / "manual").mkdir()
        for name in readme.NAMES:
            (folder / "manual" / name).write_text(readme.code(name), "utf-8")
        return cls(folder)

    @contextlib.contextmanager
    def script(self, name: str, *arguments: str) -> Iterator[Script]:
        """Run a script until the context ends."""
        command = ("node", name, *arguments)
        with subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Script(process)
            finally:
                process.kill()  # a client that reconnects for ever does not end by itself

    def run(self, *command: str, cwd: Path) -> None:
        """Run a command of one of the packages."""
        path = f"{self.folder / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
