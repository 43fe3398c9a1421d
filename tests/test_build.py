"""GraphiQL in what is built: there wherever npm can fetch it, and never in the way."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="needs hatchling: `pip install hatchling`")

ROOT = Path(__file__).parent.parent
FOLDER = "gateway/web/pages/static/vendor/"
FILES = {
    "LICENSES.txt",
    "graphiql.min.css",
    "graphiql.min.js",
    "react-dom.production.min.js",
    "react.production.min.js",
}
SOURCES = (".gitignore", ".hatch_build.py", "README.md", "pyproject.toml", "schema.graphql")

needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None,
    reason="needs npm: `apt-get install npm`, or https://nodejs.org",
)


def checkout(folder: Path) -> Path:
    """Lay the sources out as they come from git, without anything that was ever built."""
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("vendor", "__pycache__")
    shutil.copytree(ROOT / "gateway", folder / "gateway", ignore=ignored)
    return folder


def program(folder: Path, name: str, script: str) -> Path:
    """Write a program and return the folder to find it in."""
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def build(sources: Path, *targets: str, programs: Path | None = None) -> str:
    """Build into `dist`, with no programs to call but those in `programs`; return what it said."""
    environment = dict(os.environ) if programs is None else {"PATH": str(programs)}
    wanted = [word for target in targets for word in ("--target", target)]
    done = subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "--directory", "dist", *wanted),
        cwd=sources,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def built_in(sources: Path, pattern: str) -> set[str]:
    """Name the files of GraphiQL in the archive that was built."""
    (archive,) = (sources / "dist").glob(pattern)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            names = wheel.namelist()
    else:
        with tarfile.open(archive) as sdist:
            names = [name.partition("/")[2] for name in sdist.getnames()]
    return {name.removeprefix(FOLDER) for name in names if name.startswith(FOLDER)}


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return sources from which wheel and sdist were built where npm is at hand."""
    sources = checkout(tmp_path_factory.mktemp("with_npm") / "sources")
    said = build(sources, "wheel", "sdist")
    assert "GraphiQL is left out" not in said, said
    return sources


@needs_npm
@pytest.mark.parametrize("archive", ["*.whl", "*.tar.gz"])
def test_a_build_has_graphiql(fetched: Path, archive: str) -> None:
    """The four files that the page needs, and what they may be used for."""
    assert built_in(fetched, archive) == FILES


@needs_npm
def test_each_licence_is_there(fetched: Path) -> None:
    """Whoever passes the wheel on passes them on as well."""
    text = (fetched / FOLDER / "LICENSES.txt").read_text("utf-8")

    assert text.count("MIT License") == 3
    assert text.startswith("graphiql@4.1.2, react@18.3.1, react-dom@18.3.1\n")


@needs_npm
def test_an_sdist_builds_the_same_without_npm(fetched: Path, tmp_path: Path) -> None:
    """What it has is used, and nothing is fetched."""
    (archive,) = (fetched / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()

    said = build(sources, "wheel", programs=tmp_path / "none")

    assert built_in(sources, "*.whl") == FILES
    assert "GraphiQL" not in said


@needs_npm
def test_files_of_another_version_make_way(tmp_path: Path) -> None:
    """The source tree, which an editable install runs from, has the pinned ones afterwards."""
    sources = checkout(tmp_path / "sources")
    old = sources / FOLDER
    old.mkdir()
    (old / "LICENSES.txt").write_text("graphiql@1.0.0\n")
    (old / "graphiql.old.js").touch()

    build(sources, "wheel")

    assert {file.name for file in old.iterdir()} == FILES


@pytest.mark.parametrize(
    ("npm", "reason"),
    [
        (None, "there is no npm to fetch it with"),
        ("exit 7", "npm could not fetch it (exit status 7)"),
        (
            "for name in graphiql-4.1.2 react-18.3.1 react-dom-18.3.1; do echo > $name.tgz; done",
            "graphiql@4.1.2 has the SHA-512 ",
        ),
    ],
    ids=["no npm", "npm fails", "other bytes"],
)
def test_a_build_goes_on_without_graphiql(tmp_path: Path, npm: str | None, reason: str) -> None:
    """It says so in a line, and takes nothing but the bytes it expects."""
    sources = checkout(tmp_path / "sources")
    programs = program(tmp_path / "programs", "npm" if npm else "other", npm or "")

    said = build(sources, "wheel", programs=programs)

    assert built_in(sources, "*.whl") == set()
    (line,) = (line for line in said.splitlines() if "GraphiQL" in line)
    assert f"GraphiQL is left out of this build: {reason}" in line
