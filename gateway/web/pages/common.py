"""Responses that are the same for all clients: made once, and compressed once for each coding."""

import hashlib
from collections.abc import Mapping
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles


class CommonResponse(Response):
    """A response to many requests, whose ETag is a digest of its content on every machine."""

    def __init__(self, content: str | bytes, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(content, 200, headers, media_type)
        self.headers["ETag"] = f'"{hashlib.blake2b(self.body, digest_size=16).hexdigest()}"'


class Files(StaticFiles):
    """The files of a folder with this `Cache-Control`, each read when it is first requested."""

    def __init__(self, directory: Path, cache_control: str) -> None:
        super().__init__(directory=directory)
        self._cache_control = cache_control

    def file_response(self, full_path: Any, *_: Any, **__: Any) -> Response:
        """Return the response with a file."""
        return _file(Path(full_path), self._cache_control)


@cache
def _file(path: Path, cache_control: str) -> Response:
    kind = guess_type(path)[0] or "text/plain"
    return CommonResponse(path.read_bytes(), kind, {"Cache-Control": cache_control})
