"""Responses that are the same for all clients."""

from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from gateway.web.pages.common import Files


async def test_a_file_is_read_once(tmp_path: Path) -> None:
    """Its type follows from its name, and its ETag from its content alone."""
    routes = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "script.js").write_text("1")
        routes.append(Mount(f"/{name}", Files(folder, "no-cache")))
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://files.invalid") as client:
        answers = [await client.get(path) for path in ("/a/script.js", "/b/script.js")]
        (tmp_path / "a" / "script.js").write_text("2")
        answers.append(await client.get("/a/script.js"))

    assert {answer.text for answer in answers} == {"1"}
    assert len({answer.headers["etag"] for answer in answers}) == 1
    assert answers[0].headers["content-type"] == "text/javascript; charset=utf-8"
    assert answers[0].headers["cache-control"] == "no-cache"
