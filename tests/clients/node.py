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

__all__ = ["HOW_TO_INSTALL", "Node", "Script"]

HOW_TO_INSTALL = "Node.js 20 or newer and npm: `apt-get install nodejs npm`, or https://nodejs.org"
_HERE = Path(__file__).parent
_PACKAGES = (
    "@apollo/client@4.3.8",
    "@apollo/generate-persisted-query-manifest@1.4.0",
    "@apollo/persisted-query-lists@1.1.0",
    "@graphql-codegen/cli@7.4.3",
    "@graphql-codegen/client-preset@6.2.0",
    "@urql/core@6.0.3",
    "@urql/exchange-persisted@5.0.1",
    "apollo-client-3@npm:@apollo/client@3.14.1",
    "crypto-hash@4.0.1",
    "graphql@16.15.0",  # 17 needs Node.js 22
    "graphql-http@1.23.1",
    "graphql-request@7.4.0",
    "graphql-sse@2.6.1",
    "graphql-ws@6.4.2",
    "relay-compiler@21.0.1",
    "relay-runtime@21.0.1",
    "rxjs@7.8.2",
    "ws@8.23.0",
)
_INSTALL = ("npm", "install", "--no-save", "--no-audit", "--no-fund", "--silent")


@dataclass(frozen=True)
class Script:
    """A running script: it answers a line of JSON with a line of JSON (see answer.mjs)."""

    process: subprocess.Popen[str]

    def __call__(self, scenario: str, **more: Any) -> Any:
        """Run one of its scenarios and return what came of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"scenario": scenario, **more}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{scenario}: the script ended; stderr says why"
        return json.loads(line)


@dataclass(frozen=True)
class Node:
    """A folder with the packages and the scripts in it, where imports find both."""

    folder: Path

    @classmethod
    def installed_in(cls, folder: Path) -> "Node":
        """Install the packages and copy the scripts and the app."""
        subprocess.run((*_INSTALL, *_PACKAGES), cwd=folder, check=True)
        shutil.copytree(_HERE / "scripts", folder, dirs_exist_ok=True)
        shutil.copytree(_HERE / "app", folder / "app")
        return cls(folder)

    @contextlib.contextmanager
    def script(self, name: str, *arguments: str) -> Iterator[Script]:
        """Run a script for as long as it is asked."""
        command = ("node", name, *arguments)
        with subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield Script(process)

    def run(self, *command: str, cwd: Path) -> None:
        """Run a command of one of the packages."""
        path = f"{self.folder / 'node_modules' / '.bin'}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
