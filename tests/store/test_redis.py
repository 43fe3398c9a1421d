"""The client of Redis, where it is more than aiocache's."""

from typing import Any

import pytest

from gateway.store.redis import RedisCache


@pytest.mark.parametrize("answer", [5, [b"a"], "text"])
async def test_what_is_not_bytes_is_no_value(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever answers, nothing else goes on from here."""
    cache = RedisCache("redis://redis.invalid")

    async def get(_: str) -> Any:
        return answer

    monkeypatch.setattr(cache.client, "get", get)

    with pytest.raises(TypeError, match="in the place of bytes"):
        await cache.get("key")
