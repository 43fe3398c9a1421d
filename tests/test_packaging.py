"""The declared requirements: every imported package, within tested bounds."""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NAME = PROJECT["name"]
OURS = {"benchmarks", "chat_types", "gateway", "tests"}  # chat_types: written by a benchmark
PINNED_BY = {"pydantic": "pydantic_core"}  # each release of pydantic requires one of its core
NOT_IMPORTED = {
    "tzdata": "zoneinfo reads it where the system has no time zones",
    "uvloop": "uvicorn takes it for its event loop",
}


def requirements(*extras: str) -> list[Requirement]:
    """Return what the project requires, with these extras."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def declared(*extras: str) -> set[str]:
    """Return the names of the packages that the project requires, with these extras."""
    return {canonicalize_name(requirement.name) for requirement in requirements(*extras)}


def imports(folder: str) -> Iterator[str]:
    """Yield the full name of each import from outside in the modules of a folder."""
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                if name.partition(".")[0] not in OURS | sys.stdlib_module_names:
                    yield name


@functools.cache
def modules_of(package: str) -> set[str]:
    """Return the full names of the modules that an installed package contains."""
    return {
        ".".join((*file.parts[:-1], file.name.partition(".")[0])).removesuffix(".__init__")
        for file in distribution(package).files or ()
        if file.suffix in {".py", ".so"}
    }


def is_from(name: str, package: str) -> bool:
    """Return whether an imported name is a module of this package, or in one."""
    if name.partition(".")[0] == PINNED_BY.get(package):
        return True
    parts = name.split(".")
    return any(".".join(parts[:end]) in modules_of(package) for end in range(len(parts), 0, -1))


def pins(file: str) -> dict[str, str]:
    """Return the version of each package in a file of constraints."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), file
    assert lines == sorted(lines, key=str.lower), file
    return {
        canonicalize_name(name): version
        for name, _, version in (li.partition("==") for li in lines)
    }


def installed_with(*extras: str) -> set[str]:
    """Return all packages that an installation with these extras has, on this Python."""
    waiting = requirements(*extras)
    visited: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        names = {
            (canonicalize_name(requirement.name), extra) for extra in ("", *requirement.extras)
        }
        if requirement.name == NAME or names <= visited:
            continue
        visited |= names
        for line in distribution(requirement.name).requires or ():
            further = Requirement(line)
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for _, extra in names
            ):
                waiting.append(further)
    return {name for name, _ in visited}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("gateway", ["tracing"]),
        ("tests", ["tracing", "test"]),
        ("benchmarks", ["tracing", "test"]),  # matplotlib is optional: only plots need it
    ],
)
def test_every_imported_package_is_declared(folder: str, extras: list[str]) -> None:
    """No module relies on a package that only another package requires."""
    packages, names = declared(*extras), set(imports(folder))

    assert not {name for name in names if not any(is_from(name, package) for package in packages)}


def test_every_declared_package_is_imported() -> None:
    """An unused dependency is removed, unless it is listed here with a reason."""
    names = set(imports("gateway"))
    packages = declared("tracing")

    unused = {package for package in packages if not any(is_from(name, package) for name in names)}
    assert unused == set(NOT_IMPORTED)


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    """The tests of the lower bounds install exactly the lower bounds of pyproject.toml."""
    bounds = {}
    for requirement in requirements("tracing"):
        (lowest,) = [spec for spec in requirement.specifier if spec.operator == ">="]
        bounds[canonicalize_name(requirement.name)] = Version(lowest.version)
    lowest_pins = pins(".constraints-lowest.txt")

    assert {name: Version(lowest_pins[name]) for name in bounds} == bounds


def test_the_constraints_are_within_the_bounds() -> None:
    """The versions that the README installs are allowed by pyproject.toml."""
    pinned = pins(".constraints.txt") | pins(".constraints-dev.txt")

    assert not [
        str(requirement)
        for requirement in requirements("tracing", "test", "bench", "check")
        if requirement.name != NAME
        and pinned[canonicalize_name(requirement.name)] not in requirement.specifier
    ]


def test_the_constraints_pin_all_installed_packages() -> None:
    """The runtime's file is enough for `pip install .`; the other adds the development packages."""
    runtime, development = pins(".constraints.txt"), pins(".constraints-dev.txt")

    assert installed_with("tracing") <= set(runtime)
    assert installed_with("tracing", "test") <= set(runtime) | set(development)
    assert not set(runtime) & set(development)


def test_this_python_is_declared() -> None:
    """The Python that runs the tests is in the classifiers."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
