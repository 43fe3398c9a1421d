"""Settings: their sources, their valid values, and the messages about invalid ones."""

import itertools
import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ByteSize, SecretStr

from gateway.errors import SettingsError
from gateway.settings import Settings

URL = "https://crm.example.com/superoffice"
SECRET = "s" * 32

# name, text, value
EVERY_SETTING = [
    ("upstream_url", f"{URL}/api/v1/", URL),
    ("environment", "sod", "sod"),
    ("tenants", "Cust1,cust22", frozenset({"Cust1", "Cust22"})),
    ("tenant_hosts", "superoffice.com,a.net", frozenset({"superoffice.com", "a.net"})),
    ("time_zone", "Europe/Oslo", ZoneInfo("Europe/Oslo")),
    ("upstream_connect_timeout", "1", 1.0),
    ("upstream_timeout", "0.5", 0.5),
    ("upstream_proxy", "http://u:p@proxy:3128", SecretStr("http://u:p@proxy:3128")),
    ("upstream_ca_file", "ca.pem", Path("ca.pem")),
    ("upstream_client_cert", "client.pem", Path("client.pem")),
    ("upstream_client_key", "client.key", Path("client.key")),
    ("upstream_connections", "10", 10),
    ("upstream_rate", "10", 10),
    ("caller_rate", "20", 20),
    ("max_upstream_bytes", "2048", 2048),
    ("breaker_failures", "0", 0),
    ("breaker_cooldown", "2.5", 2.5),
    ("app_token", "token", SecretStr("token")),
    ("so_time_zone", "UTC, includeTZOffset", "UTC, includeTZOffset"),
    ("accept_language", "nb", "nb"),
    ("forward_cookies", "a,b", frozenset({b"a", b"b"})),
    ("cors_origins", "https://a.example,http://b:81", {"https://a.example", "http://b:81"}),
    ("cors_headers", "sentry-trace, baggage", frozenset({"sentry-trace", "baggage"})),
    ("cache_ttl", "2.5", 2.5),
    ("stale_while_revalidate", "30", 30.0),
    ("stale_if_error", "300", 300.0),
    ("cache_url", "rediss://redis.example.com/0", SecretStr("rediss://redis.example.com/0")),
    ("cache_max_bytes", "1MiB", 2**20),
    ("cache_secret", SECRET, SecretStr(SECRET)),
    ("client_cache_control", "off", False),
    ("live_interval", "2", 2.0),
    ("webhook_secret", SECRET, SecretStr(SECRET)),
    ("max_sockets", "10", 10),
    ("max_sockets_per_caller", "5", 5),
    ("hidden_fields", "ChatSession.sessionKey", frozenset({"ChatSession.sessionKey"})),
    ("topic_names", "10=Support Norway, 30 = Sales=1", {10: "Support Norway", 30: "Sales=1"}),
    ("persisted_queries", "off", False),
    ("trusted_documents", "queries.json, apps", (Path("queries.json"), Path("apps"))),
    ("trusted_documents_only", "on", True),
    ("introspection", "0", False),
    ("suggestions", "off", False),
    ("graphiql", "off", False),
    ("docs", "off", False),
    ("max_requests", "50", 50),
    ("max_connections", "500", 500),
    ("request_timeout", "12", 12.0),
    ("max_body_bytes", "2MiB", 2**21),
    ("max_batch", "0", 0),
    ("max_variables_bytes", "1KiB", 1024),
    ("max_tokens", "300", 300),
    ("max_depth", "7", 7),
    ("max_aliases", "0", 0),
    ("max_cost", "1000", 1000),
    ("max_work", "1000", 1000),
    ("host", "0.0.0.0", "0.0.0.0"),
    ("port", "8080", 8080),
    (
        "trusted_proxies",
        "10.0.0.1/8,::1,unix",
        {ip_network("10.0.0.0/8"), ip_network("::1"), "unix"},
    ),
    ("keep_alive", "130", 130.0),
    ("workers", "4", 4),
    ("shutdown_delay", "10", 10.0),
    ("ready_check", "10", 10.0),
    ("metrics_port", "9090", 9090),
    ("metrics_host", "[::1]", "::1"),
    ("tracing", "on", True),
    ("log_level", "debug", "debug"),
    ("log_format", "text", "text"),
]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that loads settings, from an environment that has an address."""

    def load(flags: dict[str, Any] | None = None, **environment: str) -> Settings:
        texts = {**environment, **(flags or {})}
        address = {} if "environment" in texts else {"upstream_url": URL}
        with monkeypatch.context() as patch:
            for name, value in {**address, **environment}.items():
                patch.setenv(f"GATEWAY_{name.upper()}", value)
            return Settings.load(**flags or {})

    return load


def message(load: Any, environment: dict[str, str], **flags: str) -> str:
    """Return the error message of invalid settings."""
    with pytest.raises(SettingsError) as caught:
        load(flags, **environment)
    return str(caught.value)


def test_the_table_above_has_every_setting() -> None:
    """Every new setting is tested too."""
    assert [name for name, _, _ in EVERY_SETTING] == list(Settings.model_fields)


ONLINE = {"environment", "tenants", "tenant_hosts"}
ONE_GATEWAY = [setting for setting in EVERY_SETTING if setting[0] not in ONLINE]
ONE_ONLINE = [setting for setting in EVERY_SETTING if setting[0] in ONLINE]


def values_of(loaded: Settings, settings: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """Return the values of these settings."""
    return {name: getattr(loaded, name) for name, _, _ in settings}


@pytest.mark.parametrize("settings", [ONE_GATEWAY, ONE_ONLINE], ids=["on premises", "online"])
def test_every_setting_is_read_from_the_environment(
    load: Any, settings: list[tuple[str, str, Any]]
) -> None:
    """The variable is `GATEWAY_` and the name in capitals."""
    loaded = load(**{name: written for name, written, _ in settings})

    assert values_of(loaded, settings) == {name: value for name, _, value in settings}


@pytest.mark.parametrize("settings", [ONE_GATEWAY, ONE_ONLINE], ids=["on premises", "online"])
def test_every_setting_is_read_from_a_flag(load: Any, settings: list[tuple[str, str, Any]]) -> None:
    """A flag's text has the same meaning as in the environment."""
    loaded = load({name: written for name, written, _ in settings})

    assert values_of(loaded, settings) == {name: value for name, _, value in settings}


@pytest.mark.parametrize("settings", [ONE_GATEWAY, ONE_ONLINE], ids=["on premises", "online"])
def test_a_flag_wins_over_the_environment(load: Any, settings: list[tuple[str, str, Any]]) -> None:
    """A flag even wins over an invalid value in the environment."""
    flags = {name: written for name, written, _ in settings}
    loaded = load(flags, **dict.fromkeys(flags, "\x7f"))

    assert values_of(loaded, settings) == {name: value for name, _, value in settings}


def test_an_empty_variable_is_not_set(load: Any) -> None:
    """Compose files and units leave variables empty for settings that they do not use."""
    assert load(port="", app_token="", cache_ttl="").model_dump(exclude={"cache_secret"}) == load(
        {}
    ).model_dump(exclude={"cache_secret"})


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("host", "127.0.0.1"),
        ("port", 8000),
        ("workers", 1),
        ("cache_ttl", 5.0),
        ("cache_max_bytes", 256 * 2**20),
        ("upstream_timeout", 10.0),
        ("app_token", None),
        ("forward_cookies", None),
        ("time_zone", None),
        ("hidden_fields", frozenset()),
        ("cors_origins", frozenset()),
        ("persisted_queries", True),
        ("trusted_documents", ()),
        ("trusted_documents_only", False),
        ("client_cache_control", True),
        ("request_timeout", 30.0),
        ("max_body_bytes", 2**20),
        ("max_batch", 8),
        ("max_variables_bytes", 64 * 2**10),
        ("max_tokens", 2_000),
        ("max_depth", 15),
        ("max_aliases", 50),
        ("max_cost", 500_000),
        ("max_work", 2_000_000),
        ("suggestions", True),
        ("graphiql", True),
        ("introspection", True),
    ],
)
def test_a_setting_that_is_not_set_has_its_default(load: Any, name: str, default: object) -> None:
    """Only the address is required."""
    assert getattr(load(), name) == default


def test_an_unset_cache_secret_is_random(load: Any) -> None:
    """The random secret is as long as a configured one has to be."""
    one, other = load().cache_secret, load().cache_secret

    assert one != other
    assert len(one.get_secret_value()) >= 32


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("memory://", None),
        (" redis://redis.example.com ", "redis://redis.example.com"),
        (
            "rediss://:hunter2@redis.example.com:6380/1",
            "rediss://:hunter2@redis.example.com:6380/1",
        ),
        ("valkey://valkey.example.com", "redis://valkey.example.com"),
        ("valkeys://u:p@valkey.example.com/1", "rediss://u:p@valkey.example.com/1"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
    ],
)
def test_a_cache_is_shared_if_its_url_is_that_of_a_redis(
    load: Any, written: str, url: str | None
) -> None:
    """Without a Redis each process has its own memory."""
    assert load(cache_url=written).redis_url == url


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, []),
        ({"cache_secret": SECRET}, []),
        ({"cache_url": "redis://redis:6379"}, ["GATEWAY_CACHE_SECRET"]),
        ({"cache_url": "redis://redis:6379?db=2", "cache_secret": SECRET}, []),
        ({"webhook_secret": SECRET}, []),
        ({"webhook_secret": SECRET, "workers": "2"}, ["GATEWAY_CACHE_URL"]),
        (
            {"webhook_secret": SECRET, "workers": "2", "cache_url": "redis://redis:6379"},
            ["GATEWAY_CACHE_SECRET"],
        ),
        ({"tenants": "Cust12345"}, ["GATEWAY_TENANTS"]),
        ({"tenants": "Cust12345", "environment": "sod"}, []),
        ({"metrics_host": "::1"}, ["GATEWAY_METRICS_HOST"]),
        ({"metrics_host": "::1", "metrics_port": "0"}, []),
        ({"time_zone": ""}, ["Neither"]),
        ({"so_time_zone": "UTC"}, ["Neither"]),
        ({"time_zone": "", "so_time_zone": "NO,includetzoffset"}, []),
    ],
    ids=str,
)
def test_settings_that_do_not_work_well_together_cause_a_warning(
    load: Any, settings: dict[str, str], missing: list[str]
) -> None:
    """Such settings are no error: each may be intended."""
    warnings = load(**{"time_zone": "Europe/Oslo", **settings}).warnings

    assert [warning.partition(" ")[0] for warning in warnings] == missing
    assert "redis:6379" not in str(warnings)


def test_settings_show_no_secret(load: Any) -> None:
    """The repr and the text of settings may be logged."""
    settings = load(
        app_token="hunter2", cache_secret="hunter3" * 5, cache_url="redis://:hunter2@localhost"
    )

    shown = f"{settings!r} {settings} {settings.model_dump()}"

    assert "hunter2" not in shown
    assert "hunter3" not in shown


def test_settings_cannot_be_changed(load: Any) -> None:
    """A process keeps the settings that it was started with."""
    settings = load()

    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


@pytest.mark.parametrize(
    "written",
    [
        URL,
        f"{URL}/",
        f"{URL}//",
        f"{URL}/api",
        f"{URL}/api/",
        f"{URL}/api/v1",
        f"{URL}/api/v1/",
        f"  {URL} ",
        "HTTPS://crm.example.com/superoffice",
    ],
)
def test_the_address_is_the_part_before_api_v1(load: Any, written: str) -> None:
    """The documented address may be pasted in full or in part."""
    assert load(upstream_url=written).upstream_url == URL


@pytest.mark.parametrize(
    "written",
    [
        "http://localhost",
        "http://localhost:5000",
        "http://localhost/v1",
        "http://[::1]:5000/so",
        "https://bücher.example",
        "https://crm.example.com/napi",
        "https://xn--strae-oqa.de",
    ],
)
def test_other_addresses_stay_as_they_are(load: Any, written: str) -> None:
    """Ports, IPv6 addresses and custom paths are not changed."""
    assert load(upstream_url=written).upstream_url == written


BAD_VALUES = [
    ("environment", "production", "'sod', 'stage' or 'online'"),
    ("tenants", "12345", "`Cust` and a number"),
    ("tenants", "Cust1;Cust2", "`Cust` and a number"),
    ("tenants", ",", "`Cust` and a number"),
    ("tenant_hosts", ",", "in small letters"),
    ("tenant_hosts", "com", "in small letters"),
    ("tenant_hosts", "*.superoffice.com", "in small letters"),
    ("tenant_hosts", "https://superoffice.com", "in small letters"),
    ("tenant_hosts", "superoffice.com:443", "in small letters"),
    ("tenant_hosts", "SuperOffice.com", "in small letters"),
    ("upstream_url", "crm.example.com", "http:// or https://"),
    ("upstream_url", "ftp://crm.example.com", "http:// or https://"),
    ("upstream_url", "https://", "http:// or https://"),
    ("upstream_url", "https:///superoffice", "http:// or https://"),
    ("upstream_url", "http://[::1", "IPv6"),
    ("upstream_url", "https://crm.example.com/?a=b", "the ? or #"),
    ("upstream_url", "https://crm.example.com/#top", "the ? or #"),
    ("upstream_url", "https://crm.example.com:99999", "its port"),
    ("upstream_url", "https://crm.example.com:abc", "its port"),
    ("upstream_url", "https://crm.example.com:0", "its port"),
    ("upstream_url", "https://crm example.com", "spaces or control characters"),
    ("upstream_url", "https://crm.example.com/\x7f", "spaces or control characters"),
    ("upstream_url", "https://crm.\nexample.com", "spaces or control characters"),
    ("upstream_url", "https://127.1", "its host"),
    ("upstream_url", "https://xn--a", "its host"),
    ("upstream_url", "https://xn--n3h.de", "its host"),
    ("upstream_url", "https://☃.de", "its host"),
    ("host", "unix:", "unix: and a path"),
    ("host", "[]", "unix: and a path"),
    ("forward_cookies", "a=b", "has no `=`"),
    ("forward_cookies", "a; b", "has no `=`"),
    ("trusted_proxies", "10.0.0.0/40", "addresses or networks"),
    ("trusted_proxies", "proxy.example.com", "addresses or networks"),
    ("port", "http", "valid integer"),
    ("port", "-1", "greater than or equal to 0"),
    ("port", "65536", "less than or equal to 65535"),
    ("keep_alive", "0", "greater than 0"),
    ("workers", "0", "greater than or equal to 1"),
    ("workers", "65", "less than or equal to 64"),
    ("stale_if_error", "-1", "greater than or equal to 0"),
    ("max_requests", "0", "greater than or equal to 1"),
    ("max_connections", "0", "greater than or equal to 1"),
    ("shutdown_delay", "-1", "greater than or equal to 0"),
    ("time_zone", "Oslo", "IANA database"),
    ("so_time_zone", "UTC\n", "printable ASCII"),
    ("accept_language", "norsk bokmål", "printable ASCII"),
    ("cors_origins", "console.example.com", "a scheme and a host"),
    ("time_zone", "europe/oslo", "IANA database"),
    ("cors_headers", "sentry trace", "letters, digits and hyphens"),
    ("cors_origins", "https://console.example.com/", "a scheme and a host"),
    ("cors_origins", "https://console.example.com,null", "a scheme and a host"),
    ("cors_origins", "https://a.example;https://b.example", "a scheme and a host"),
    ("cors_origins", "https://a.example https://b.example", "a scheme and a host"),
    ("cors_origins", "https://*.example.com", "a scheme and a host"),
    ("cors_origins", "https://Console.example.com", "a scheme and a host"),
    ("cors_origins", "https://bücher.example", "a scheme and a host"),
    ("cors_origins", "https://console.example.com:443", "without path, default port or `*`"),
    ("cors_origins", "http://[::1]:80", "without path, default port or `*`"),
    ("cors_origins", "https://", "a scheme and a host"),
    ("cors_origins", "://", "a scheme and a host"),
    ("persisted_queries", "perhaps", "on or off"),
    ("trusted_documents_only", "perhaps", "on or off"),
    ("client_cache_control", "perhaps", "on or off"),
    ("suggestions", "perhaps", "on or off"),
    ("request_timeout", "0", "greater than 0"),
    ("request_timeout", "301", "less than or equal to 300"),
    ("max_body_bytes", "0", "greater than or equal to 1"),
    ("max_body_bytes", "lots", "a number of bytes"),
    ("max_body_bytes", "-1", "a number of bytes"),
    ("max_body_bytes", "1.5.5MiB", "a number of bytes"),
    ("max_body_bytes", "16MiB # why", "a number of bytes"),
    ("max_body_bytes", "1e-3", "a number of bytes"),
    ("max_body_bytes", f"{'9' * 400}MiB", "a number of bytes"),
    ("max_batch", "-1", "greater than or equal to 0"),
    ("max_batch", "101", "less than or equal to 100"),
    ("max_variables_bytes", "0", "greater than or equal to 1"),
    ("max_variables_bytes", "-1", "a number of bytes"),
    ("max_tokens", "9", "greater than or equal to 10"),
    ("max_depth", "0", "greater than or equal to 1"),
    ("max_aliases", "-1", "greater than or equal to 0"),
    ("max_cost", "0", "greater than or equal to 1"),
    ("max_work", "0", "greater than or equal to 1"),
    ("max_cost", "cheap", "valid integer"),
    ("cache_ttl", "soon", "valid number"),
    ("cache_ttl", "-1", "greater than or equal to 0"),
    ("cache_ttl", "nan", "finite number"),
    ("cache_ttl", "inf", "finite number"),
    ("cache_ttl", "86401", "less than or equal to 86400"),
    ("cache_max_bytes", "lots", "a number of bytes"),
    ("cache_max_bytes", "-5", "a number of bytes"),
    ("upstream_connect_timeout", "0", "greater than 0"),
    ("upstream_timeout", "0", "greater than 0"),
    ("upstream_timeout", "301", "less than or equal to 300"),
    ("upstream_connections", "0", "greater than or equal to 1"),
    ("max_upstream_bytes", "0", "greater than or equal to 1"),
    ("max_upstream_bytes", "1 furlong", "a number of bytes"),
    ("graphiql", "perhaps", "on or off"),
    ("introspection", "2", "on or off"),
    ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("log_format", "xml", "'auto', 'json' or 'text'"),
    ("topic_names", "Sales", "ids and names"),
    ("topic_names", "ten=Sales", "ids and names"),
    ("topic_names", "10=", "ids and names"),
    ("topic_names", "10=Sales,10=Support", "each id once"),
    ("topic_names", '{"10": "Sales", "010": "Support"}', "each id once"),
    ("topic_names", '{"10": null}', "ids and names"),
    ("topic_names", '{"10": "Sales"', "ids and names"),
    ("topic_names", '{"10": "\\ud83d"}', "ids and names"),
    ("upstream_rate", "9" * 20, "less than or equal to 1000000"),
    ("caller_rate", "9" * 20, "less than or equal to 1000000"),
    *(
        (name, size, "a number of bytes")
        for name, field in Settings.model_fields.items()
        if field.annotation is ByteSize
        for size in ("1,5MiB", "1,000,000")
    ),
]


def test_a_bad_value_is_explained_in_one_line(load: Any) -> None:
    """The line has the setting, the problem with its value, and an example."""
    for name, written, reason in BAD_VALUES:
        line = message(load, {name: written})

        assert line.startswith(f"GATEWAY_{name.upper()}=")
        assert reason in line
        (example,) = Settings.model_fields[name].examples or []
        assert line.endswith(f"; for example GATEWAY_{name.upper()}={example}")
        assert len(line.splitlines()) == 1


def test_text_that_is_not_utf8_is_refused(load: Any) -> None:
    """Such bytes could not be hashed, sent or answered; a secret is not shown."""
    for name in Settings.model_fields:
        line = message(load, {name: os.fsdecode(b"hunter2" * 5 + b"\xff")})

        assert re.match(rf"GATEWAY_{name.upper()}\b.*: it is not UTF-8(; for example |$)", line)
        assert ("hunter2" in line) == (name not in Settings.secrets())


@pytest.mark.parametrize("quote", ["'", '"'])
def test_text_in_quotes_is_refused(load: Any, quote: str) -> None:
    """Docker keeps the quotes of an --env-file: SuperOffice would not know the text."""
    for name, written, _ in EVERY_SETTING:
        line = message(load, {name: f"{quote}{written}{quote}"})

        assert line.startswith(f"GATEWAY_{name.upper()}")
        assert "it is in quotes: remove them" in line


def test_a_text_can_begin_with_a_quote(load: Any) -> None:
    """Only a pair of quotes around it comes from a file."""
    assert load(app_token="'hunter2").app_token == SecretStr("'hunter2")


def test_blanks_around_a_text_for_a_header_are_removed(load: Any) -> None:
    """They are no part of a header's value."""
    assert load(so_time_zone=" UTC, includeTZOffset ").so_time_zone == "UTC, includeTZOffset"


def test_names_with_commas_are_a_json_object(load: Any) -> None:
    """Names of channels may have any characters."""
    settings = load({"topic_names": '{"10": "Support, Norway", "30": "Sales"}'})

    assert settings.topic_names == {10: "Support, Norway", 30: "Sales"}


@pytest.mark.parametrize(
    ("name", "written", "reason"),
    [
        ("cache_secret", "hunter2", "at least 32 characters"),
        ("webhook_secret", "hunter2", "at least 16 characters"),
        ("webhook_secret", f"{SECRET},hunter2", "at least 16 characters"),
        ("webhook_secret", f"{SECRET},", "at least 16 characters"),
        ("webhook_secret", f'"{SECRET},hunter2{SECRET}"', "it is in quotes: remove them"),
        ("webhook_secret", f"{SECRET},Cust12345678=hunter2", "at least 16 characters"),
        ("cache_url", "memcached://hunter2", "redis:// or rediss://"),
        ("cache_url", "redis://", "redis:// or rediss://"),
        ("cache_url", "valkey://", "redis:// or rediss://"),
        ("cache_url", "unix://", "unix:// and a path"),
        ("cache_url", "redis://:hunter2@redis.example.com:0", "redis:// or rediss://"),
        ("cache_url", "redis://:hunter2@[redis", "redis:// or rediss://"),
        ("cache_url", "redis://redis.example.com/hunter2", "the number of a database"),
        ("cache_url", "redis://default:2024/hunter2@redis.example.com", "redis:// or rediss://"),
        ("cache_url", "redis://default:/hunter2#3@redis.example.com", "redis:// or rediss://"),
        ("cache_url", "redis://default:2024#hunter2@redis.example.com", "redis:// or rediss://"),
        ("app_token", "hunter2\n", "printable ASCII"),
        ("app_token", "hunter2\0", "printable ASCII"),
        ("app_token", "hunter2æ", "printable ASCII"),
        ("upstream_url", "https://kari:hunter2@crm.example.com", "must not hold credentials"),
        ("upstream_url", "https://hunter2@crm.example.com", "must not hold credentials"),
        ("upstream_url", "https://kari:hunter2/@crm.example.com", "its port"),
        ("upstream_url", "ftp://kari:hunter2@crm.example.com", "http:// or https://"),
    ],
)
def test_a_secret_is_never_quoted(load: Any, name: str, written: str, reason: str) -> None:
    """The message is written to journals and screens."""
    line = message(load, {}, **{name: written})

    assert line.startswith(f"GATEWAY_{name.upper()}: ")
    assert reason in line
    assert "hunter2" not in line


def test_a_long_value_is_cut(load: Any) -> None:
    """The message stays short enough to read."""
    assert len(message(load, {"port": "9" * 10_000})) < 300


def test_a_missing_address_is_explained() -> None:
    """The message shows both settings, and suggests the demo."""
    with pytest.raises(SettingsError) as caught:
        Settings.load()

    assert f"GATEWAY_UPSTREAM_URL={URL}" in str(caught.value)
    assert "GATEWAY_ENVIRONMENT=online" in str(caught.value)
    assert str(caught.value).endswith("gateway demo")


def test_an_address_and_an_environment_exclude_each_other(load: Any) -> None:
    """With both it would be ambiguous which one to use."""
    line = message(load, {"upstream_url": URL, "environment": "online"})

    assert line.startswith("GATEWAY_UPSTREAM_URL and GATEWAY_ENVIRONMENT are both set: ")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("tenants", ["", "Cust1,Cust2"])
def test_names_of_channels_are_not_for_several_tenants(load: Any, tenants: str) -> None:
    """One tenant's names would be shown at the others, whose channels have the same ids."""
    several = {"environment": "online", "tenants": tenants}
    line = message(load, {**several, "topic_names": "10=Sales"})

    assert line.startswith("GATEWAY_TOPIC_NAMES and GATEWAY_ENVIRONMENT are both set: ")
    assert "GATEWAY_TENANTS" in line
    assert len(line.splitlines()) == 1
    assert load(**{**several, "topic_names": ""}).topic_names == {}
    one = load(environment="online", tenants="Cust1", topic_names="10=Sales")
    assert one.topic_names == {10: "Sales"}


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, URL),
        ({"environment": "sod"}, "https://sod.superoffice.com"),
        ({"environment": "stage"}, "https://qaonline.superoffice.com"),
        ({"environment": "online"}, "https://online.superoffice.com"),
    ],
    ids=str,
)
def test_an_environment_has_an_address(load: Any, settings: dict[str, str], address: str) -> None:
    """The address is that of the state service; tenants have other hosts."""
    assert load(**settings).address == address


@pytest.mark.parametrize(
    ("written", "served"),
    [("", None), ("Cust1", {"Cust1"}), (" cust1 , CUST22,,", {"Cust1", "Cust22"})],
)
def test_tenants_are_a_list_or_all(load: Any, written: str, served: set[str] | None) -> None:
    """Case, spaces and empty names do not matter."""
    assert load({"tenants": written}, environment="sod").tenants == served


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("upstream_ulr", "did you mean GATEWAY_UPSTREAM_URL?"),
        ("cache_tll", "did you mean GATEWAY_CACHE_TTL?"),
        ("ports", "did you mean GATEWAY_PORT?"),
        ("zzzzzzzzzzzzzzzz", "`gateway serve --help` lists the settings."),
    ],
)
def test_an_unknown_name_stops_the_start(load: Any, name: str, hint: str) -> None:
    """Otherwise a misspelt setting would silently have its default."""
    line = message(load, {name: "hunter2"})

    assert line == f"GATEWAY_{name.upper()}: there is no such setting; {hint}"


@pytest.mark.parametrize("name", ["gateway_port", "Gateway_Port", "GATEWAY_port"])
def test_a_name_in_another_case_stops_the_start(
    name: str, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be a second value of the same setting; another program's name is ignored."""
    monkeypatch.setenv("gateway_ip", "192.0.2.1")
    monkeypatch.setenv(name, "8001")

    assert message(load, {}) == f"{name}: there is no such setting; did you mean GATEWAY_PORT?"


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("*", None),
        (" * ", None),
        ("a", {b"a"}),
        (" a , b,,", {b"a", b"b"}),
        (",", set()),
    ],
)
def test_cookie_names_are_a_list_or_all(load: Any, written: str, names: set[bytes] | None) -> None:
    """Spaces around a name and empty names are ignored."""
    assert load(forward_cookies=written).forward_cookies == names


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://a.example",
        "http://localhost:3000",
        "http://[::1]:3000",
        "capacitor://localhost",
    ],
)
def test_origins_are_those_that_browsers_and_web_views_send(load: Any, origin: str) -> None:
    """Spaces around an origin and empty origins are ignored."""
    loaded = load(cors_origins=f" {origin} ,, https://b.example,")

    assert loaded.cors_origins == {origin, "https://b.example"}


def test_defaults_are_shown_in_the_form_of_a_setting() -> None:
    """Defaults are printed in the help and in the README."""
    shown = Settings.shown_defaults()

    assert (shown["cache_ttl"], shown["graphiql"], shown["port"]) == ("5", "on", "8000")
    assert (shown["trusted_documents_only"], shown["max_batch"]) == ("off", "8")
    assert (shown["upstream_url"], shown["app_token"], shown["cache_secret"]) == ("", "", "")


def test_every_setting_is_in_a_group() -> None:
    """Help and manual are divided by groups, so the settings of a group follow each other."""
    groups = [
        field.json_schema_extra["group"]
        for field in Settings.model_fields.values()
        if isinstance(field.json_schema_extra, dict)
    ]

    assert len(groups) == len(Settings.model_fields)
    assert len([*itertools.groupby(groups)]) == len(set(groups))
