"""The manifests of trusted documents: those of several apps, and of several versions of each."""

from collections.abc import Iterable
from pathlib import Path

from gateway.errors import SettingsError
from gateway.web.read.persisted import read_manifest


def read_manifests(paths: Iterable[Path]) -> dict[str, str]:
    """Read manifests, from files and from all `*.json` files of folders: each id and its text.

    Raises:
        SettingsError: a file cannot be read, a folder has none, or one id has two texts.
    """
    documents: dict[str, str] = {}
    for path in paths:
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise SettingsError(f"GATEWAY_TRUSTED_DOCUMENTS={path}: the folder has no *.json files")
        for file in files:
            for name, text in read_manifest(file).items():
                if documents.setdefault(name, text) != text:
                    raise SettingsError(
                        f"GATEWAY_TRUSTED_DOCUMENTS={file}: the id {name} has another text in "
                        "another file"
                    )
    return documents
