"""The settings, each declared once, and how they are loaded.

Of each: type, default, description, example and group. Flags, `--help` and the table of settings in
the documentation come from here.
"""

import secrets
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticUndefined
from pydantic_settings import NoDecode, SettingsConfigDict

from gateway.settings import parse
from gateway.settings.loading import LoadedSettings
from gateway.settings.messages import EXAMPLE_URL, NO_UPSTREAM, PREFIX, TWO_UPSTREAMS

_ENVIRONMENT_HOSTS = {
    "sod": "sod.superoffice.com",
    "stage": "qaonline.superoffice.com",
    "online": "online.superoffice.com",
}

WITH_OFFSETS = "UTC, includeTZOffset"
"""The `SO-TimeZone` with which SuperOffice writes every time with its offset."""

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
WebhookSecret = Annotated[SecretStr, AfterValidator(parse.webhook_secret)]
Secret32 = Annotated[SecretStr, AfterValidator(partial(parse.long_enough, shortest=32))]
Tenants = Annotated[frozenset[str] | None, NoDecode, BeforeValidator(parse.tenants)]
Domains = Annotated[frozenset[str], NoDecode, BeforeValidator(parse.domains)]
Cookies = Annotated[frozenset[bytes] | None, NoDecode, BeforeValidator(parse.cookies)]
Headers = Annotated[frozenset[str], NoDecode, BeforeValidator(parse.header_names)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(parse.paths)]
Names = Annotated[frozenset[str], NoDecode, BeforeValidator(parse.names)]
TopicNames = Annotated[dict[int, str], NoDecode, BeforeValidator(parse.topic_names)]
Proxies = Annotated[
    frozenset[IPv4Network | IPv6Network | Literal["unix"]],
    NoDecode,
    BeforeValidator(parse.proxies),
]
Host = Annotated[str, AfterValidator(parse.host)]


def written(default: object) -> str:
    """Return a default as one would write it; "" where there is none."""
    if default is None or default is PydanticUndefined:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _setting(
    group: str, default: object, description: str, example: str = "", **more: Any
) -> Any:  # as pydantic's Field
    """Declare a setting; a text is parsed as if it had been written. The default is an example."""
    more["default_factory" if callable(default) else "default"] = default
    extra: JsonDict = {"group": group}
    examples = [example or written(default)]
    return Field(description=description, examples=examples, json_schema_extra=extra, **more)


_superoffice = partial(_setting, "SuperOffice")
_callers = partial(_setting, "Callers")
_cache = partial(_setting, "Cache")
_live = partial(_setting, "Live")
_api = partial(_setting, "API")
_limits = partial(_setting, "Limits")
_serving = partial(_setting, "Serving")
_observability = partial(_setting, "Observability")


class Settings(LoadedSettings):
    """How one gateway process behaves; `load` raises `SettingsError`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    upstream_url: Annotated[str, AfterValidator(parse.upstream_url)] | None = _superoffice(
        None, "SuperOffice's address: what comes before `/api/v1`", EXAMPLE_URL
    )
    environment: Literal["sod", "stage", "online"] | None = _superoffice(
        None,
        "Environment of SuperOffice Online whose tenants are served, in place of one address",
        "online",
    )
    tenants: Tenants = _superoffice(
        "",
        "Tenants of the environment that are served, separated by commas; unset = all",
        "Cust12345,Cust67890",
    )
    tenant_hosts: Domains = _superoffice(
        "superoffice.com",
        "Domains that a tenant's address may be in, separated by commas; callers' credentials "
        "go to no host outside them",
    )
    time_zone: Annotated[ZoneInfo, BeforeValidator(parse.time_zone)] | None = _superoffice(
        None,
        "Zone of the times that SuperOffice sends without one, where no `SO-TimeZone` is sent; "
        "unset = unknown",
        "Europe/Oslo",
    )
    upstream_connect_timeout: Timeout = _superoffice(3.0, "Seconds to connect to SuperOffice")
    upstream_timeout: Timeout = _superoffice(
        10.0, "Seconds for a whole REST call, its retry included"
    )
    upstream_proxy: SecretStr | None = _superoffice(
        None,
        "HTTP proxy to SuperOffice; unset = as `HTTPS_PROXY` says",
        "http://proxy.example:3128",
    )
    upstream_ca_file: Path | None = _superoffice(
        None, "File of certificates (PEM) to trust for SuperOffice, beside the system's", "ca.pem"
    )
    upstream_client_cert: Path | None = _superoffice(
        None, "File of the client certificate (PEM) that SuperOffice requires", "client.pem"
    )
    upstream_client_key: Path | None = _superoffice(
        None, "File of its key (PEM, no password); unset = in the same file", "client.key"
    )
    upstream_connections: int = _superoffice(
        64, "REST calls at the same time, per process", ge=1, le=10_000
    )
    upstream_rate: int | None = _superoffice(
        None,
        "REST calls per second and tenant, of all processes that share a Redis, or of all workers; "
        "unset = any number",
        "10",
        ge=1,
    )
    caller_rate: int | None = _superoffice(
        None,
        "Requests per second and caller, per process; those answered from ready bytes are free; "
        "unset = any number",
        "20",
        ge=1,
    )
    max_upstream_bytes: ByteSize = _superoffice(
        "16MiB", "Largest answer of SuperOffice, after decompression", ge=1
    )
    breaker_failures: int = _superoffice(
        20,
        "Callers in a row whose REST calls failed, after which no calls are made for a while; "
        "0 = never",
        ge=0,
    )
    breaker_cooldown: Timeout = _superoffice(
        5.0, "Seconds without calls after that; up to six times as long while calls keep failing"
    )
    app_token: Annotated[SecretStr, AfterValidator(parse.app_token)] | None = _callers(
        None,
        "`SO-AppToken`, the application's client secret, added for callers that send none",
        "your application's client secret",
    )
    so_time_zone: Annotated[str, AfterValidator(parse.header_value)] | None = _callers(
        None,
        "`SO-TimeZone` for callers that send none; with `UTC, includeTZOffset`, every time says "
        "its zone",
        WITH_OFFSETS,
    )
    accept_language: Annotated[str, AfterValidator(parse.header_value)] | None = _callers(
        None, "`Accept-Language` for callers that send neither that nor `SO-Language`", "en"
    )
    forward_cookies: Cookies = _callers(
        "*",
        "Names of the cookies that are forwarded in session mode, separated by commas; `*` = all",
        "ASP.NET_SessionId,XSRF-TOKEN",
    )
    cors_origins: Annotated[frozenset[str], NoDecode, BeforeValidator(parse.origins)] = _callers(
        "",
        "Other sites whose pages may use the gateway, separated by commas; `*` = any, but without "
        "cookies",
        "https://console.example.com,https://wallboard.example.com",
    )
    cors_headers: Headers = _callers(
        "",
        "More request headers that pages of those sites may send, separated by commas",
        "sentry-trace,baggage",
    )
    cache_ttl: Seconds = _cache(
        5.0,
        "Seconds for which SuperOffice's answer is used again for the same caller; 0 = only by "
        "requests that wait for it at the same time",
    )
    stale_while_revalidate: Seconds = _cache(
        0.0,
        "Seconds past the TTL in which the old answer is sent at once while a new one is fetched",
        "30",
    )
    stale_if_error: Seconds = _cache(
        0.0,
        "Seconds past the TTL in which the old answer is sent when SuperOffice fails; never when "
        "it rejects the caller",
        "300",
    )
    cache_url: Annotated[SecretStr | None, AfterValidator(parse.redis_url)] = _cache(
        "memory://",
        "`memory://`, or the Redis or Valkey that processes share: `redis://…`, `rediss://…`, "
        "`valkey://…`, `valkeys://…`, `unix://…`; entries there are compressed and sealed",
        "redis://:password@redis.example.com:6379/0",
    )
    cache_max_bytes: ByteSize = _cache(
        "256MiB", "Memory for cached answers; the least recently used goes first"
    )
    cache_secret: Secret32 = _cache(
        lambda: SecretStr(secrets.token_urlsafe(32)),
        "Key for the digests that name callers in the cache, and for sealing their answers; "
        "random at each start unless set, and the same wherever a Redis is shared",
        "32 or more random characters",
    )
    client_cache_control: bool = _cache(
        True,
        "Obey `Cache-Control: no-cache` and `max-age` of requests: they can ask for a fresh answer",
        "off",
    )
    live_interval: Timeout | None = _live(
        None,
        "Seconds between two polls of SuperOffice for a caller's subscriptions; unset = "
        "`GATEWAY_CACHE_TTL`, or 5 where that is 0",
        "5",
    )
    webhook_secret: WebhookSecret | None = _live(
        None,
        "Secret of SuperOffice's webhooks, which `/webhooks/superoffice` then accepts; several "
        "with commas, a tenant's own as `Cust12345=secret`",
        "16 or more random characters",
    )
    max_sockets: int = _live(
        5_000, "WebSockets and event streams at the same time, per process", ge=0
    )
    max_sockets_per_caller: int = _live(50, "WebSockets and event streams per caller", ge=1)
    hidden_fields: Names = _api(
        "",
        "Fields to leave out of the schema, separated by commas; fields computed from them stay",
        "ChatSession.sessionKey,ChatSession.customerHost",
    )
    topic_names: TopicNames = _api(
        "",
        "Names of chat channels by their ids, for `topicName`; names with commas as a JSON object",
        "10=Support Norway,30=Sales",
    )
    persisted_queries: bool = _api(
        True, "Store queries that clients then name by their SHA-256 (Apollo's protocol)", "off"
    )
    trusted_documents: Paths = _api(
        "",
        "Files, or folders of `*.json` files, of queries that clients name by their id, as GraphQL "
        "Code Generator, the Relay compiler or Apollo write them; separated by commas",
        "web.json,/etc/gateway/apps",
    )
    trusted_documents_only: bool = _api(False, "Run nothing but the trusted documents", "on")
    introspection: bool = _api(
        True, "Answer introspection queries; `/schema.graphql` is served either way", "off"
    )
    suggestions: bool = _api(True, "Suggest names of fields in errors", "off")
    graphiql: bool = _api(True, "Serve the query page to browsers at `/graphql`", "off")
    docs: bool = _api(True, "Serve the manual at `/docs`", "off")
    max_requests: int = _limits(
        1_000,
        "GraphQL requests in progress at the same time, per process; more are answered with 503",
        ge=1,
        le=100_000,
    )
    max_connections: int = _limits(
        10_000,
        "Open connections, per process; at the limit, one without a request is closed for another",
        ge=1,
        le=1_000_000,
    )
    request_timeout: Timeout = _limits(30.0, "Seconds for a whole request")
    max_body_bytes: ByteSize = _limits(
        "1MiB", "Largest request body, or message on a WebSocket", ge=1
    )
    max_batch: int = _limits(8, "Most operations in one request; 0 = no batches", ge=0, le=100)
    max_variables_bytes: ByteSize = _limits("64KiB", "Largest `variables`", ge=1)
    max_tokens: int = _limits(2_000, "Most tokens of a query", ge=10)
    max_depth: int = _limits(15, "Deepest nesting of a query's fields", ge=1)
    max_aliases: int = _limits(50, "Most aliases of a query", ge=0)
    max_cost: int = _limits(
        500_000,
        "Most points a query may cost: one per field, times the size of the lists around it; a "
        "list of sessions counts as its `limit`, `first` or `last`, or as 100, others as 10; and "
        "20 per value of introspection, of which tools need 140000",
        ge=1,
    )
    max_work: int = _limits(
        2_000_000,
        "Most points of work on a request's sessions: the caller's sessions times the parts of a "
        "filter, the keys of an order, 18 for a summary, 1 for each kind of link that `nodes` goes "
        "through; equal arguments count once",
        ge=1,
    )
    host: Host = _serving(
        "127.0.0.1",
        "Address to listen on; `::` = all, of IPv6 and IPv4; `unix:/path` = a unix socket",
        "0.0.0.0",  # noqa: S104
    )
    port: int = _serving(8000, "Port to listen on; 0 takes a free one", ge=0, le=65535)
    trusted_proxies: Proxies = _serving(
        "",
        "Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For`, `-Proto` "
        "and `-Host` count; `unix` = those that connect through the unix socket",
        "10.0.0.0/8,127.0.0.1",
    )
    keep_alive: Seconds = _serving(
        75.0,
        "Seconds an idle connection stays open; longer than the proxy in front keeps it, which "
        "would otherwise use one that is being closed",
        "130",
        gt=0,
    )
    workers: int = _serving(
        1, "Processes that serve requests, each with its own memory", "4", ge=1, le=64
    )
    shutdown_delay: Seconds = _serving(
        1.0,
        "Seconds between SIGTERM, when `/readyz` turns to 503, and the end of new connections",
        "10",
    )
    ready_check: Seconds = _serving(
        0.0,
        "Seconds between two checks that SuperOffice can be reached, for `/readyz`; 0 = no checks",
        "10",
    )
    metrics_port: int | None = _observability(
        None,
        "Separate port for `/metrics`, which is then served nowhere else",
        "9090",
        ge=0,
        le=65535,
    )
    metrics_host: Host | None = _observability(
        None, "Address of that port; unset = `GATEWAY_HOST`, or 127.0.0.1 for a unix socket", "::1"
    )
    tracing: bool = _observability(
        False, "Send traces as the OTEL_* variables say; needs the extra `tracing`", "on"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _observability(
        "info", "Least important message that is logged"
    )
    log_format: Literal["auto", "json", "text"] = _observability(
        "auto", "`auto` = text on a terminal, JSON elsewhere", "json"
    )

    @model_validator(mode="after")
    def _check_upstream(self) -> Self:
        if self.upstream_url is None and self.environment is None:
            raise ValueError(NO_UPSTREAM)
        if self.upstream_url is not None and self.environment is not None:
            raise ValueError(TWO_UPSTREAMS)
        return self

    @classmethod
    def shown_defaults(cls) -> dict[str, str]:
        """Return, for each setting, its default as one would write it; "" where there is none."""
        return {name: written(field.default) for name, field in cls.model_fields.items()}

    @property
    def warnings(self) -> list[str]:
        """What works less well than it could, in a sentence each."""
        found = [
            f"--{name.replace('_', '-')}: other users of this machine can read command lines; set "
            f"{PREFIX}{name.upper()}_FILE instead"
            for name in self.exposed()
        ]
        if self.cache_url is not None and "cache_secret" not in self.model_fields_set:
            found.append(
                "GATEWAY_CACHE_SECRET is not set: entries in Redis cannot be read after a restart, "
                "or by other processes"
            )
        if self.cache_url is None and self.webhook_secret is not None and self.workers > 1:
            found.append(
                "GATEWAY_CACHE_URL is not set: only the worker that receives a webhook knows of "
                "it, the others go on polling every few seconds"
            )
        if not self.has_zones:
            found.append(
                "Neither GATEWAY_SO_TIME_ZONE with includeTZOffset nor GATEWAY_TIME_ZONE is set: "
                "waitSeconds, idleSeconds, durationSeconds and customerAwaySeconds are null where "
                "SuperOffice sends times without a zone, unless the caller sends SO-TimeZone; set "
                f"GATEWAY_SO_TIME_ZONE='{WITH_OFFSETS}'"
            )
        return found

    @property
    def metrics_address(self) -> str:
        """Where `metrics_port` is listened on."""
        is_unix = self.host.startswith(parse.UNIX)
        return self.metrics_host or ("127.0.0.1" if is_unix else self.host)

    @property
    def has_zones(self) -> bool:
        """Whether the zone of times is known for callers that send no `SO-TimeZone`."""
        if self.so_time_zone is None:
            return self.time_zone is not None
        return "includetzoffset" in self.so_time_zone.lower()

    @property
    def address(self) -> str:
        """SuperOffice's address: the one that is set, or that of the environment."""
        return self.upstream_url or f"https://{_ENVIRONMENT_HOSTS[str(self.environment)]}"

    @property
    def redis_url(self) -> str | None:
        """The URL of the Redis that processes share, with its password."""
        return self.cache_url.get_secret_value() if self.cache_url else None
