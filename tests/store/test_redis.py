"""The client of Redis, where it is more than aiocache's."""

from typing import Any

import pytest

from gateway.errors import SettingsError
from gateway.store.redis import RedisCache, client_for


@pytest.mark.parametrize("answer", [5, [b"a"], "text"])
async def test_what_is_not_bytes_is_no_value(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever answers, nothing else goes on from here."""
    cache = RedisCache("redis://redis.invalid")

    async def get(_: str) -> Any:
        return answer

    monkeypatch.setattr(cache.client, "get", get)

    with pytest.raises(TypeError, match="in the place of bytes"):
        await cache.get("key")


@pytest.mark.parametrize(
    "option",
    ["family=0", "socket_timeout=abc", "decode_responses=true", "retry=1", "encoding=utf-99"],
)
def test_an_option_that_cannot_be_used_is_explained(option: str) -> None:
    """In one line, without the password; no connection is opened for it."""
    with pytest.raises(SettingsError, match="it has an option behind the") as caught:
        client_for(f"redis://:hunter2@redis.invalid?{option}")

    assert "hunter2" not in str(caught.value)
