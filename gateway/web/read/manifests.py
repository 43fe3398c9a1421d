"""Read manifests of trusted documents: of several apps, and of several versions of each."""

import re
from codecs import BOM_UTF8
from collections.abc import Collection, Iterable
from contextlib import suppress
from os.path import isdir
from pathlib import Path
from typing import Literal

import msgspec

from gateway.errors import SettingsError

_KINDS = [re.compile(rf"{kind}[\s,]+(\w+)", re.ASCII) for kind in ("query", "subscription")]


class _Document(msgspec.Struct):
    id: str
    body: str


class _ApolloManifest(msgspec.Struct):
    format: Literal["apollo-persisted-query-manifest"]
    operations: list[_Document]


def read_manifests(paths: Iterable[Path]) -> dict[str, str]:
    """Read manifests, from files and from all `*.json` files of folders: texts by id.

    Raises:
        SettingsError: a file cannot be read, a folder has none, or one id has two texts.
    """
    documents: dict[str, str] = {}
    for path in paths:
        # Not by `Path.is_dir`: it raises PermissionError if a folder on the way is closed.
        files = sorted(path.glob("*.json")) if isdir(path) else [path]  # noqa: PTH112
        if not files:
            raise SettingsError(f"GATEWAY_TRUSTED_DOCUMENTS={path}: the folder has no *.json files")
        for file in files:
            for name, text in read_manifest(file):
                if documents.setdefault(bare(name), text) != text:
                    raise SettingsError(
                        f"GATEWAY_TRUSTED_DOCUMENTS={file}: the id {name} has another text, too"
                    )
    return documents


def bare(name: str) -> str:
    """Remove the prefix that the GraphQL over HTTP draft and some manifests write before a hash."""
    return name.removeprefix("sha256:")


def read_manifest(path: Path) -> Collection[tuple[str, str]]:
    """Read a manifest of trusted documents: ids and texts.

    It is the JSON that GraphQL Code Generator and the Relay compiler write, `{"id": "text"}`, or
    Apollo's: `{"format": "apollo-persisted-query-manifest", "operations": [{"id", "body"}]}`.

    Raises:
        SettingsError: the file cannot be read, or has another format.
    """
    setting = f"GATEWAY_TRUSTED_DOCUMENTS={path}"
    try:
        json = path.read_bytes().removeprefix(BOM_UTF8)
        with suppress(msgspec.ValidationError):
            documents = msgspec.json.decode(json, type=_ApolloManifest).operations
            return [(document.id, document.body) for document in documents]
        return msgspec.json.decode(json, type=dict[str, str]).items()
    except OSError as exc:
        raise SettingsError(f"{setting}: {exc.strerror or 'it cannot be read'}") from exc
    except msgspec.ValidationError as exc:
        raise SettingsError(
            f'{setting}: it has to be a JSON object such as {{"id": "query …"}}, or a manifest '
            "as Apollo writes it"
        ) from exc
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"{setting}: it is not JSON") from exc


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return the names of the operations in documents, and perhaps words of their comments.

    To parse thousands of documents would delay all requests during a reload.
    """
    return frozenset(name for text in texts for kind in _KINDS for name in kind.findall(text))
