"""Settings are checked when a gateway is built, before any part starts."""

from typing import Any

import pytest

from gateway import Settings, create_app
from gateway.errors import SettingsError


def build(**settings: Any) -> None:
    """Build a gateway with these settings, and an address."""
    create_app(Settings.load(upstream_url="http://rest.invalid", **settings))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"trusted_documents": "nowhere.json"}, "GATEWAY_TRUSTED_DOCUMENTS="),
        ({"trusted_documents_only": True}, "GATEWAY_TRUSTED_DOCUMENTS_ONLY="),
        ({"hidden_fields": "ChatSession.nope"}, "GATEWAY_HIDDEN_FIELDS="),
        ({"cache_url": "redis://redis.invalid?retry=1"}, "GATEWAY_CACHE_URL: "),
    ],
    ids=str,
)
def test_a_missing_or_invalid_target_is_an_error(settings: dict[str, Any], name: str) -> None:
    """One line begins with the setting."""
    with pytest.raises(SettingsError) as caught:
        build(**settings)

    assert str(caught.value).startswith(name)
    assert len(str(caught.value).splitlines()) == 1


def test_valid_settings_are_accepted() -> None:
    """No connection is opened: neither Redis nor SuperOffice is running."""
    build(hidden_fields="ChatSession.sessionKey", cache_url="redis://redis.invalid", tracing=True)
