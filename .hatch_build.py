"""Puts GraphiQL into what is built from this project: wheel, sdist and editable install.

Nothing of it is in the repository: npm gives the packages, and what does not have the SHA-512
noted here is not taken. Where npm, the network or the right bytes are missing, the build goes on
without: the gateway then serves its own small query page.
"""

import base64
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("gateway", "web", "pages", "static", "vendor")
LICENSES = "LICENSES.txt"
NPM_TIMEOUT_S = 60

PACKAGES = {
    "graphiql@4.1.2": (
        "rNlzQIAzm6i2KBXmVQWBgLvt0TloxFVB2d18bukvdsvjEuFDHsKx5IVOomL1W1o5WW+tE54+ioHb2AEKzO2cUg==",
        ("graphiql.min.js", "graphiql.min.css"),
    ),
    "react@18.3.1": (
        "wS+hAgJShR0KhEvPJArfuPVN1+Hz1t0Y6n5jLrGQbkb4urgPE/0Rve+1kMB1v/oWgHgm4WIcV+i7F2pTVj+2iQ==",
        ("umd/react.production.min.js",),
    ),
    "react-dom@18.3.1": (
        "5m4nQKp+rZRb09LNH59GM4BxTh9251/ylbKIbpe7TpGxfJ+9kv6BLkLBXIjjspbgbnIBNqlI23tRnTWT0snUIw==",
        ("umd/react-dom.production.min.js",),
    ),
}


class GraphiQLHook(BuildHookInterface[Any]):
    """What hatchling runs before it collects the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch GraphiQL, or say in a line why it is left out."""
        try:
            fetch_graphiql(Path(self.root))
        except OSError as exc:
            self.app.display_warning(f"GraphiQL is left out of this build: {exc}")


def fetch_graphiql(root: Path) -> None:
    """Have these versions of GraphiQL in the source tree; nothing is done where they are already.

    Raises:
        OSError: npm is missing or failed, gave other bytes than expected, or writing failed.
    """
    folder = root / FOLDER
    licenses = folder / LICENSES
    heading = ", ".join(PACKAGES) + "\n"
    if licenses.is_file() and licenses.read_text("utf-8").startswith(heading):
        return
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        _download(Path(scratch))
        files = {package: _unpacked(Path(scratch), package) for package in PACKAGES}
    folder.mkdir(parents=True)
    texts = [heading]
    for package, (_, names) in PACKAGES.items():
        for name in names:
            (folder / Path(name).name).write_bytes(files[package][name])
        texts.append(f"{package}\n\n{files[package]['LICENSE'].decode()}")
    # Last, as it says that the others are there.
    licenses.write_text("\n".join(texts), "utf-8")


def _download(scratch: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("there is no npm to fetch it with")
    options = ("--silent", "--ignore-scripts", "--prefer-offline")
    patience = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")
    try:
        subprocess.run(  # noqa: S603  no shell, and nothing in it comes from outside
            [npm, "pack", *options, *patience, *PACKAGES],
            cwd=scratch,
            check=True,
            capture_output=True,
            timeout=NPM_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as exc:
        raise OSError(f"npm could not fetch it (exit status {exc.returncode})") from exc
    except subprocess.TimeoutExpired as exc:
        raise OSError(f"npm did not fetch it within {NPM_TIMEOUT_S} s") from exc


def _unpacked(scratch: Path, package: str) -> dict[str, bytes]:
    """Return the wanted files of a package by name, its licence included; no other is looked at."""
    pinned, names = PACKAGES[package]
    archive = (scratch / f"{package.replace('@', '-')}.tgz").read_bytes()
    found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != pinned:
        raise OSError(f"{package} has the SHA-512 {found}, not the pinned one")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {name: _member(opened, f"package/{name}") for name in (*names, "LICENSE")}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    opened = archive.extractfile(name)
    assert opened is not None  # noqa: S101  the pinned bytes have it as a file
    return opened.read()
