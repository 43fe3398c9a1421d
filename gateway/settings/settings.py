"""The settings, each declared once.

Each has a type, a default, an example and a group; its docstring is the help text. Flags, `--help`
and the manual's table of settings are generated from them.
"""

import secrets
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticUndefined
from pydantic_settings import SettingsConfigDict

from gateway.settings import messages, parse
from gateway.settings.loading import LoadedSettings

_ENVIRONMENT_HOSTS = {
    "sod": "sod.superoffice.com",
    "stage": "qaonline.superoffice.com",
    "online": "online.superoffice.com",
}

WITH_OFFSETS = "UTC, includeTZOffset"
"""The `SO-TimeZone` that makes SuperOffice add the offset to every time."""

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]
Size = Annotated[ByteSize, BeforeValidator(parse.size)]
HeaderValue = Annotated[str, AfterValidator(parse.header_value)]
Host = Annotated[str, AfterValidator(parse.host)]
UpstreamUrl = Annotated[str, AfterValidator(parse.upstream_url)]
RedisUrl = Annotated[SecretStr | None, AfterValidator(parse.redis_url)]
AppToken = Annotated[SecretStr, AfterValidator(parse.app_token)]
WebhookSecret = Annotated[SecretStr, AfterValidator(parse.webhook_secret)]
Secret32 = Annotated[SecretStr, AfterValidator(parse.long_enough)]
Zone = Annotated[ZoneInfo, BeforeValidator(parse.time_zone)]
Tenants = Annotated[frozenset[str] | None, BeforeValidator(parse.tenants)]
Domains = Annotated[frozenset[str], BeforeValidator(parse.domains)]
Origins = Annotated[frozenset[str], BeforeValidator(parse.origins)]
Cookies = Annotated[frozenset[bytes] | None, BeforeValidator(parse.cookies)]
Headers = Annotated[frozenset[str], BeforeValidator(parse.header_names)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(parse.paths)]
Names = Annotated[frozenset[str], BeforeValidator(parse.names)]
TopicNames = Annotated[dict[int, str], BeforeValidator(parse.topic_names)]
Proxies = Annotated[frozenset[parse.Network], BeforeValidator(parse.proxies)]


def written(default: object) -> str:
    """Return a default as a user would write it; "" if there is none."""
    if default is None or default is PydanticUndefined or callable(default):
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _setting(group: str, default: object, example: str = "", **more: Any) -> Any:  # as Field
    """Declare a setting; a default in text form is parsed like a user's text.

    If there is no example, it is the default; for a switch, the opposite of the default. A secret
    has none, unless it is a URL: users could set that public text.
    """
    more["default_factory" if callable(default) else "default"] = default
    other = not default if isinstance(default, bool) else default
    extra: JsonDict = {"group": group}
    return Field(examples=[example or written(other)], json_schema_extra=extra, **more)


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

    model_config = SettingsConfigDict(
        env_prefix=messages.PREFIX,
        env_ignore_empty=True,
        enable_decoding=False,  # values are text, not JSON
        frozen=True,
        use_attribute_docstrings=True,
    )

    upstream_url: UpstreamUrl | None = _superoffice(None, messages.EXAMPLE_URL)
    """SuperOffice's address: what comes before `/api/v1`."""

    environment: Literal["sod", "stage", "online"] | None = _superoffice(None, "online")
    """Environment of SuperOffice Online whose tenants are served, in place of one address."""

    tenants: Tenants = _superoffice("", "Cust12345,Cust67890")
    """Tenants of the environment that are served, separated by commas; unset = all."""

    tenant_hosts: Domains = _superoffice("superoffice.com")
    """Domains that a tenant's address may be in, separated by commas; callers' credentials go to no
    host outside them.
    """

    time_zone: Zone | None = _superoffice(None, "Europe/Oslo")
    """Zone of SuperOffice's times without offset, of all tenants, if no `SO-TimeZone` is sent;
    unset = unknown.
    """

    upstream_connect_timeout: Timeout = _superoffice(3.0)
    """Seconds to connect to SuperOffice."""

    upstream_timeout: Timeout = _superoffice(10.0)
    """Seconds for a whole REST call, its retry included."""

    upstream_proxy: SecretStr | None = _superoffice(None, "http://proxy.example:3128")
    """HTTP proxy to SuperOffice; unset = that of `HTTPS_PROXY`."""

    upstream_ca_file: Path | None = _superoffice(None, "ca.pem")
    """File of certificates (PEM) to trust for SuperOffice, beside the system's."""

    upstream_client_cert: Path | None = _superoffice(None, "client.pem")
    """File of the client certificate (PEM) that SuperOffice requires."""

    upstream_client_key: Path | None = _superoffice(None, "client.key")
    """File of the client certificate's key (PEM, no password); unset = the certificate's file."""

    upstream_connections: int = _superoffice(64, ge=1, le=10_000)
    """REST calls at the same time, per process and tenant."""

    upstream_rate: int | None = _superoffice(None, "10", ge=1, le=1_000_000)
    """REST calls per second and tenant, of all processes that share a Redis, or of all workers;
    unset = any number.
    """

    caller_rate: int | None = _superoffice(None, "20", ge=1, le=1_000_000)
    """Requests per second and caller, per process, without subscriptions and those that the
    response cache answers; unset = any number.
    """

    max_upstream_bytes: Size = _superoffice("16MiB", ge=1)
    """Largest answer of SuperOffice, after decompression."""

    breaker_failures: int = _superoffice(20, ge=0)
    """Number of callers whose calls fail in a row before the circuit breaker opens; 0 = never."""

    breaker_cooldown: Timeout = _superoffice(5.0)
    """Seconds until the circuit breaker allows a call; up to six times as long while calls fail."""

    app_token: AppToken | None = _callers(None)
    """`SO-AppToken`, the application's client secret, added to requests without one."""

    so_time_zone: HeaderValue | None = _callers(None, WITH_OFFSETS)
    """`SO-TimeZone` for requests without one; with `UTC, includeTZOffset`, every time has an
    offset.
    """

    accept_language: HeaderValue | None = _callers(None, "en")
    """`Accept-Language` for requests whose own is missing or `*`, without `SO-Language`."""

    forward_cookies: Cookies = _callers("*", "ASP.NET_SessionId,XSRF-TOKEN")
    """Names of the cookies that are forwarded in session mode, separated by commas; `*` = all."""

    cors_origins: Origins = _callers(
        "", "https://console.example.com,https://wallboard.example.com"
    )
    """Other sites whose pages may use the gateway, separated by commas; `*` = any, but without
    cookies.
    """

    cors_headers: Headers = _callers("", "sentry-trace,baggage")
    """More request headers that pages of those sites may send, separated by commas."""

    cache_ttl: Seconds = _cache(5.0)
    """Seconds for which SuperOffice's answer is reused for the same caller, language and time zone;
    0 = only for requests that wait for it at the same time.
    """

    stale_while_revalidate: Seconds = _cache(0.0, "30")
    """Seconds past the TTL in which the old answer is sent at once while a new one is fetched."""

    stale_if_error: Seconds = _cache(0.0, "300")
    """Seconds past the TTL in which the old answer is sent when SuperOffice fails; never when it
    rejects the caller.
    """

    cache_url: RedisUrl = _cache("memory://", "redis://:password@redis.example.com:6379/0")
    """`memory://`, or the Redis or Valkey that processes share: `redis://…`, `rediss://…`,
    `valkey://…`, `valkeys://…`, `unix://…`; entries there are compressed and sealed.
    """

    cache_max_bytes: Size = _cache("256MiB")
    """Memory for cached answers; the least recently used are evicted first."""

    cache_secret: Secret32 = _cache(lambda: SecretStr(secrets.token_urlsafe(32)))
    """Key that encrypts cached answers and cursors, and hashes the names of answers; 32 characters
    or more. Unset = random at each start. Set the same in all processes that share a Redis.
    """

    client_cache_control: bool = _cache(True)
    """Obey `Cache-Control: no-cache` and `max-age` of requests: they can ask for a fresh answer."""

    live_interval: Timeout | None = _live(None, "5")
    """Seconds between two polls of SuperOffice for a caller's subscriptions; unset =
    `GATEWAY_CACHE_TTL`, or 5 where that is 0.
    """

    webhook_secret: WebhookSecret | None = _live(None)
    """Secret of SuperOffice's webhooks, which `/webhooks/superoffice` then accepts; several with
    commas or line breaks, a tenant's own as `Cust12345=secret`.
    """

    max_sockets: int = _live(5_000, ge=0)
    """WebSockets and event streams at the same time, per process."""

    max_sockets_per_caller: int = _live(50, ge=1)
    """WebSockets and event streams per caller and process."""

    hidden_fields: Names = _api("", "ChatSession.sessionKey,ChatSession.customerHost")
    """Fields to leave out of the schema, separated by commas; fields computed from them stay."""

    topic_names: TopicNames = _api("", "10=Support Norway,30=Sales")
    """Names of chat channels by their ids, for `topicName`; names with commas as a JSON object; not
    for several tenants.
    """

    persisted_queries: bool = _api(True)
    """Store queries that clients then name by their SHA-256 (Apollo's protocol). Where it is off,
    apps with Apollo iOS or Apollo Kotlin must not use it.
    """

    trusted_documents: Paths = _api("", "web.json,/etc/gateway/apps")
    """Files, or folders of `*.json` files, of queries that clients name by their id, as GraphQL
    Code Generator, the Relay compiler or Apollo write them; separated by commas.
    """

    trusted_documents_only: bool = _api(False)
    """Run only trusted documents."""

    introspection: bool = _api(True)
    """Answer introspection queries; `/schema.graphql` is served either way."""

    suggestions: bool = _api(True)
    """Suggest names of fields in errors."""

    graphiql: bool = _api(True)
    """Serve the query page to browsers at `/graphql`."""

    docs: bool = _api(True)
    """Serve the manual at `/docs`."""

    max_requests: int = _limits(1_000, ge=1, le=100_000)
    """GraphQL requests in progress at the same time, per process; more are answered with 503."""

    max_connections: int = _limits(10_000, ge=1, le=1_000_000)
    """Open connections, per process; one past the limit replaces one without a whole request."""

    request_timeout: Timeout = _limits(30.0)
    """Seconds for a whole request."""

    max_body_bytes: Size = _limits("1MiB", ge=1)
    """Largest request body, or message on a WebSocket."""

    max_batch: int = _limits(8, ge=0, le=100)
    """Most operations in one request; 0 = no batches."""

    max_variables_bytes: Size = _limits("64KiB", ge=1)
    """Largest `variables`."""

    max_tokens: int = _limits(2_000, ge=10)
    """Most tokens of a query."""

    max_depth: int = _limits(15, ge=1)
    """Deepest nesting of a query's fields."""

    max_aliases: int = _limits(50, ge=0)
    """Most aliases of a query."""

    max_cost: int = _limits(500_000, ge=1)
    """Most points a query may cost: one per field, times the size of the lists around it; a list of
    sessions counts as its `limit`, `first` or `last`, or as 100, others as 10; introspection counts
    nine times, and tools need 160000.
    """

    max_work: int = _limits(2_000_000, ge=1)
    """Most points of work on a request's sessions: the caller's sessions times the parts of a
    filter, the keys of an order, 18 for a summary, 1 for each kind of link that `nodes` goes
    through; equal arguments count once.
    """

    host: Host = _serving("127.0.0.1", "0.0.0.0")  # noqa: S104
    """Address to listen on; `::` = all, of IPv6 and IPv4; `unix:/path` = a unix socket."""

    port: int = _serving(8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    trusted_proxies: Proxies = _serving("", "10.0.0.0/8,127.0.0.1")
    """Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For`, `-Proto` and
    `-Host` count; `unix` = those that connect through the unix socket.
    """

    keep_alive: Seconds = _serving(75.0, "130", gt=0)
    """Seconds an idle connection stays open; set it higher than the proxy's, which could otherwise
    use a connection that is closing.
    """

    workers: int = _serving(1, "4", ge=1, le=64)
    """Processes that serve requests, each with its own memory."""

    shutdown_delay: Seconds = _serving(1.0, "10")
    """Seconds between SIGTERM, when `/readyz` turns to 503, and the end of new connections."""

    ready_check: Seconds = _serving(0.0, "10")
    """Seconds between two checks that SuperOffice can be reached, for `/readyz`; 0 = no checks."""

    metrics_port: int | None = _observability(None, "9090", ge=0, le=65535)
    """Separate port for `/metrics`, which is then served nowhere else."""

    metrics_host: Host | None = _observability(None, "::1")
    """Address of `GATEWAY_METRICS_PORT`; unset = `GATEWAY_HOST`, or 127.0.0.1 for a unix socket."""

    tracing: bool = _observability(False)
    """Send traces to the collector in the OTEL_* variables; needs the extra `tracing`."""

    log_level: Literal["debug", "info", "warning", "error"] = _observability("info")
    """Least important message that is logged."""

    log_format: Literal["auto", "json", "text"] = _observability("auto", "json")
    """`auto` = text on a terminal, JSON elsewhere."""

    @model_validator(mode="after")
    def _check_upstream(self) -> Self:
        if (self.upstream_url is None) is (self.environment is None):
            raise ValueError(messages.TWO_UPSTREAMS if self.environment else messages.NO_UPSTREAM)
        if self.has_several_tenants and self.topic_names:
            raise ValueError(messages.ONE_TENANT)
        return self

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """Return the help text of each setting, on one line and without a full stop."""
        texts = {name: str(field.description) for name, field in cls.model_fields.items()}
        return {name: " ".join(text.split()).removesuffix(".") for name, text in texts.items()}

    @classmethod
    def shown_defaults(cls) -> dict[str, str]:
        """Return the default of each setting as a user would write it; "" if there is none."""
        return {name: written(field.default) for name, field in cls.model_fields.items()}

    @property
    def warnings(self) -> list[str]:
        """Warnings about the settings, a sentence each."""
        found = [
            f"--{name.replace('_', '-')}: other users of this machine can read command lines; set "
            f"{messages.variable(name)}_FILE instead"
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
        for name, needed in (("tenants", "environment"), ("metrics_host", "metrics_port")):
            if getattr(self, name) and getattr(self, needed) is None:
                names = messages.variable(name), messages.variable(needed)
                found.append(" does nothing without ".join(names))
        if not self.has_zones:
            found.append(
                "Neither GATEWAY_SO_TIME_ZONE with includeTZOffset nor GATEWAY_TIME_ZONE is set: "
                "waitSeconds, idleSeconds, durationSeconds and customerAwaySeconds are null where "
                "SuperOffice sends times without a zone, unless the caller sends SO-TimeZone; set "
                f"GATEWAY_SO_TIME_ZONE to {WITH_OFFSETS}"
            )
        return found

    @property
    def metrics_address(self) -> str:
        """The address of `metrics_port`."""
        is_unix = self.host.startswith(parse.UNIX)
        return self.metrics_host or ("127.0.0.1" if is_unix else self.host)

    @property
    def has_zones(self) -> bool:
        """Whether the zone of times is known for callers that send no `SO-TimeZone`."""
        if self.so_time_zone is None:
            return self.time_zone is not None
        return "includetzoffset" in self.so_time_zone.lower()

    @property
    def has_several_tenants(self) -> bool:
        """Whether requests may be for different tenants."""
        return self.environment is not None and len(self.tenants or ()) != 1

    @property
    def address(self) -> str:
        """SuperOffice's address: the one that is set, or that of the environment."""
        return self.upstream_url or f"https://{_ENVIRONMENT_HOSTS[str(self.environment)]}"

    @property
    def redis_url(self) -> str | None:
        """The URL of the Redis that processes share, with its password."""
        return self.cache_url.get_secret_value() if self.cache_url else None
