"""What the settings name is checked when a gateway is built, before anything is started."""

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
)
def test_what_is_missing_or_invalid_is_named(settings: dict[str, Any], name: str) -> None:
    """In one line that begins with the setting."""
    with pytest.raises(SettingsError) as caught:
        build(**settings)

    assert str(caught.value).startswith(name)
    assert len(str(caught.value).splitlines()) == 1


def test_what_exists_passes() -> None:
    """Nothing is opened for it: neither Redis nor SuperOffice is there."""
    build(hidden_fields="ChatSession.sessionKey", cache_url="redis://redis.invalid", tracing=True)
