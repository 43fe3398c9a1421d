"""The client of Redis, where it differs from aiocache's."""

import pytest

from gateway.errors import SettingsError
from gateway.store.redis import client_for


@pytest.mark.parametrize(
    "option",
    ["family=0", "socket_timeout=abc", "decode_responses=true", "retry=1", "encoding=utf-99"],
)
def test_an_invalid_option_is_a_settings_error(option: str) -> None:
    """The error is one line without the password, and no connection is opened."""
    with pytest.raises(SettingsError, match="it has an option behind the") as caught:
        client_for(f"redis://:hunter2@redis.invalid?{option}")

    assert "hunter2" not in str(caught.value)
