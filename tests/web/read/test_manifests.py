"""Manifests of trusted documents in files and folders."""

import errno
import json
import os
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.web.read.manifests import names_in, read_manifests


def write_manifest(path: Path, **documents: str) -> Path:
    """Write a manifest as Relay does."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(documents))
    return path


def test_files_and_folders_are_merged(tmp_path: Path) -> None:
    """The manifests of several apps and versions are merged."""
    web = write_manifest(tmp_path / "web.json", one="{ a }")
    write_manifest(tmp_path / "apps" / "ios-1.json", two="{ b }", one="{ a }")
    write_manifest(tmp_path / "apps" / "ios-2.json", three="{ c }")
    (tmp_path / "apps" / "notes.txt").write_text("not a manifest")

    documents = read_manifests([web, tmp_path / "apps"])

    assert documents == {"one": "{ a }", "two": "{ b }", "three": "{ c }"}


def test_no_files_give_no_documents() -> None:
    """Without files there are no trusted documents."""
    assert read_manifests([]) == {}


def test_a_folder_without_manifests_is_an_error(tmp_path: Path) -> None:
    """A folder without manifests, probably the wrong one, stops the start."""
    with pytest.raises(SettingsError, match=r"the folder has no \*\.json files"):
        read_manifests([tmp_path])


def test_an_id_with_two_texts_is_an_error(tmp_path: Path) -> None:
    """An id with two texts stops the start: the order of files must not decide."""
    one = write_manifest(tmp_path / "a.json", one="{ a }")
    other = write_manifest(tmp_path / "b.json", one="{ b }")

    with pytest.raises(SettingsError, match=r"b\.json: the id one has another text, too"):
        read_manifests([one, other])


def test_an_id_with_and_without_the_prefix_of_a_hash_is_one_id(tmp_path: Path) -> None:
    """Clients may name a document by either."""
    path = tmp_path / "a.json"
    path.write_text('{"one": "{ a }", "sha256:one": "{ b }"}')

    with pytest.raises(SettingsError, match="the id sha256:one has another text, too"):
        read_manifests([path])


def test_an_id_twice_in_an_apollo_manifest_is_an_error(tmp_path: Path) -> None:
    """A client would get the data of the other document."""
    path = tmp_path / "a.json"
    operations = [{"id": "one", "body": "{ a }"}, {"id": "one", "body": "{ b }"}]
    manifest = {"format": "apollo-persisted-query-manifest", "operations": operations}
    path.write_text(json.dumps(manifest))

    with pytest.raises(SettingsError, match=r"a\.json: the id one has another text, too"):
        read_manifests([path])


def test_the_names_of_operations_are_found_in_any_layout() -> None:
    """Commas and line breaks are blanks in GraphQL; fragments and fields give no name."""
    texts = [
        "query A($a: Int) { a }\nquery\n,B{ b }",
        "fragment F on C{a} subscription S{ c }",
        "{",
    ]

    assert names_in(texts) == {"A", "B", "S"}


def test_a_folder_that_cannot_be_entered_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the setting, as for a missing file; a stale mount gives it too."""

    def refuse(path: Path, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    for name in ("stat", "read_bytes"):  # root may enter any folder
        monkeypatch.setattr(Path, name, refuse)

    with pytest.raises(SettingsError, match=r"^GATEWAY_TRUSTED_DOCUMENTS=.*: Permission denied$"):
        read_manifests([tmp_path / "documents"])
