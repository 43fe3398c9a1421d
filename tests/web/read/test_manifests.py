"""Trusted documents of several apps, in files and folders."""

import json
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.web.read.manifests import read_manifests


def write(path: Path, **documents: str) -> Path:
    """Write a manifest as Relay does."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(documents))
    return path


def test_files_and_folders_make_one_manifest(tmp_path: Path) -> None:
    """Web, iOS and Android, and the versions of each that people still have."""
    web = write(tmp_path / "web.json", one="{ a }")
    write(tmp_path / "apps" / "ios-1.json", two="{ b }", one="{ a }")
    write(tmp_path / "apps" / "ios-2.json", three="{ c }")
    (tmp_path / "apps" / "notes.txt").write_text("not a manifest")

    found = read_manifests([web, tmp_path / "apps"])

    assert found == {"one": "{ a }", "two": "{ b }", "three": "{ c }"}


def test_no_files_give_no_documents() -> None:
    """Then there are no trusted documents."""
    assert read_manifests([]) == {}


def test_a_folder_without_manifests_stops_the_start(tmp_path: Path) -> None:
    """It is most likely the wrong folder."""
    with pytest.raises(SettingsError, match=r"the folder has no \*\.json files"):
        read_manifests([tmp_path])


def test_an_id_with_two_texts_stops_the_start(tmp_path: Path) -> None:
    """Which of them runs must not depend on the order of files."""
    one = write(tmp_path / "a.json", one="{ a }")
    other = write(tmp_path / "b.json", one="{ b }")

    with pytest.raises(SettingsError, match=r"b\.json: the id one has another text"):
        read_manifests([one, other])
