"""All settings of the service and the workers; nothing else reads the environment."""

import base64
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from config.durations import MAX_KEPT, MIN_KEPT, parse_duration

_MIB = 1024 * 1024
_WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 -- the start of secrets, not one
_TRANSACTION_POOLER_PORT = 6543
API_KEY_PREFIX: Final = "cik_"
"""How each API key begins ("contacts importer key"), so that logs never show one."""
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_is_host_name = re.compile(r"\.?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+|\*").fullmatch
_is_number = re.compile(r"[0-9]+(\.[0-9]+)?").fullmatch
_is_bearer_token = re.compile(r"[A-Za-z0-9._~+/-]+=*").fullmatch


class SettingsError(Exception):
    """Settings are missing or invalid; ``lines`` has one line for each of them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _http_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("must be an http(s) address, such as https://<project>.supabase.co")
    return value.rstrip("/")


def _collector_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("must be an http(s) address, such as http://127.0.0.1:4318")
    return value


def _bearer_token(value: SecretStr) -> SecretStr:
    """Check the key by RFC 6750, section 2.1: libraries quote an invalid header in exceptions."""
    if not _is_bearer_token(value.get_secret_value()):
        raise ValueError("must be the service role key (or a secret key) and nothing else")
    return value


def _signing_secret(value: SecretStr) -> SecretStr:
    """Check the size that Standard Webhooks requires (https://www.standardwebhooks.com)."""
    secret = value.get_secret_value()
    try:
        length = len(base64.b64decode(secret.removeprefix(_WEBHOOK_SECRET_PREFIX), validate=True))
    except ValueError:
        length = 0
    if not secret.startswith(_WEBHOOK_SECRET_PREFIX) or not 24 <= length <= 64:
        raise ValueError("must be whsec_ and 24 to 64 random bytes in base64")
    return value


def _session_database(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        port = url.port
    except ValueError:
        raise ValueError("must be an address such as postgresql://user:password@host/db") from None
    if url.scheme not in {"postgres", "postgresql"}:
        raise ValueError("must be an address such as postgresql://user:password@host:5432/db")
    if port == _TRANSACTION_POOLER_PORT:
        raise ValueError(
            "is Supabase's transaction pooler (port 6543), which supports neither LISTEN nor "
            "session locks; use the direct connection or the session pooler (port 5432)"
        )
    return value


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", value):
        raise ValueError("must be the name of a header, such as X-Forwarded-For")
    return value


def _networks(value: str) -> str:
    try:
        _parse_networks(value)
    except ValueError:
        raise ValueError("must be addresses or networks such as 10.0.0.0/8, with commas") from None
    return value


def _parse_networks(value: str) -> list[IPv4Network | IPv6Network]:
    return [ip_network(each.strip()) for each in value.split(",")]


def _seconds(value: object) -> object:
    """Return the seconds of a text such as ``30d``; other values are numbers of seconds already."""
    is_number = not isinstance(value, str) or _is_number(value.strip()) is not None
    return value if is_number else parse_duration(str(value).strip())


_Duration: TypeAlias = Annotated[float, BeforeValidator(_seconds)]


class _EnvironmentSettings(BaseSettings):
    """Settings that are read from the environment; a field's upper-case name is its variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Read and validate all settings.

        Raises SettingsError with one line for each setting that is missing or invalid.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError([_line(dict(details)) for details in error.errors()]) from None


class MigrationSettings(_EnvironmentSettings):
    """What is needed to apply the migrations: less than for the service and the workers."""

    database_url: Annotated[SecretStr, AfterValidator(_session_database)]
    """Direct or session-mode connection to the project's Postgres, as in ``Settings``."""


class HealthSettings(_EnvironmentSettings):
    """Where the service and the workers of this machine answer, for health checks."""

    host: str = "127.0.0.1"
    """Address of the service, as in ``Settings``."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port of the service, as in ``Settings``."""
    dramatiq_prom_host: str = "0.0.0.0"  # noqa: S104 -- dramatiq's default, which binds it
    """Address of the workers' metrics; the variable is dramatiq's own, in lower case."""
    dramatiq_prom_port: int = Field(default=9191, ge=1, le=65535)
    """Port of the workers' metrics."""


Writer: TypeAlias = Literal["postgrest", "copy"]
PARTS_AT_A_TIME: Final[Mapping[str, int]] = MappingProxyType({"postgrest": 2, "copy": 1})
"""Parts of large imports that one worker process imports at the same time, unless told otherwise.

While PostgREST and Postgres work on a request, a second part keeps the process busy. COPY takes
rows while they are sent: more parts at a time make it slower, and small imports wait longer.
"""


class WorkerSettings(_EnvironmentSettings):
    """What the command that starts the workers needs to know."""

    contacts_writer: Writer = "postgrest"
    """How the workers write contacts, as in ``Settings``."""


class Settings(_EnvironmentSettings):
    """Settings of the service and the workers."""

    supabase_url: Annotated[str, AfterValidator(_http_url)]
    """Address of the Supabase project; Storage and PostgREST are below it."""
    supabase_service_role_key: Annotated[SecretStr, AfterValidator(_bearer_token)]
    """Service role key or secret key; sent as ``apikey`` and as bearer token, never logged."""
    database_url: Annotated[SecretStr, AfterValidator(_session_database)]
    """Direct or session-mode connection to the project's Postgres, for the queue and for COPY."""

    host: str = "127.0.0.1"
    """Address on which the service listens."""
    allowed_hosts: str | None = None
    """Names under which the service may be asked, with commas between; ``*`` for any.

    A page in a visitor's browser could otherwise reach it by a name that it lets lead here (DNS
    rebinding). Required unless ``host`` is a loopback address.
    """
    port: int = Field(default=8000, ge=0, le=65535)
    """Port on which the service listens; 0 picks a free one."""
    max_body_bytes: int = Field(default=50 * 1024 * _MIB, ge=1, le=10_000 * 6 * _MIB)
    """Largest request body in bytes, also after decompression; larger ones are answered with 413.

    S3 accepts at most 10,000 chunks of 6 MiB.
    """
    max_compression_ratio: int = Field(default=200, ge=1, le=100_000)
    """Highest ratio of a body's size after decompression to its compressed size."""
    max_record_bytes: int = Field(default=_MIB, ge=1024, le=4 * _MIB)
    """Largest single record in bytes; bounds the memory that any input can take."""
    part_bytes: int = Field(default=6 * _MIB, ge=1024, le=1024 * _MIB)
    """Smallest size of a part in bytes; the last part of an import may be smaller."""
    max_uploads: int = Field(default=50, ge=1, le=10_000)
    """Uploads that one service process accepts at a time.

    Each takes at most 12 MiB of memory, and 8 MiB more if it is compressed with zstd.
    """
    max_uploads_per_client: int | None = Field(default=None, ge=1, le=10_000)
    """Uploads that one client address may have running at a time, by default all of them.

    An IPv6 client is its /64 network.
    """
    client_address_header: Annotated[str, AfterValidator(_header_name)] | None = None
    """Header in which ``trusted_proxies`` name the client's address, such as X-Forwarded-For."""
    trusted_proxies: Annotated[str, AfterValidator(_networks)] | None = None
    """Addresses or networks of proxies whose header is believed, with commas between."""
    idle_timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that a client may send nothing, and that it has to send a request's whole head."""
    upstream_deadline: float = Field(default=30.0, gt=0, le=600)
    """Seconds that Storage, PostgREST or Postgres may be unavailable before a client gets a 503."""
    shutdown_grace: float = Field(default=30.0, ge=0, le=3600)
    """Seconds that running uploads have to finish when the service is stopped."""
    batch_records: int = Field(default=5000, ge=1, le=50_000)
    """Records that are written to the database in one request."""
    contacts_writer: Writer = "postgrest"
    """How the workers write contacts: through PostgREST, or with COPY over ``database_url``."""
    part_attempts: int = Field(default=5, ge=1, le=100)
    """Attempts at a part during which workers die or hang before the part has failed."""
    part_retries: int = Field(default=20, ge=0, le=1000)
    """Times that a part is retried because Storage or the database was unavailable."""
    sweep_after: float = Field(default=86_400.0, gt=0, le=31 * 86_400)
    """Age in seconds from which an object that belongs to no import is removed.

    It must be longer than any upload takes; a resumable upload lives for at most 24 hours.
    """
    keep_objects: _Duration | None = Field(default=None, ge=MIN_KEPT, le=MAX_KEPT)
    """Seconds for which an object stays in Storage after its import's end; None is for ever."""
    keep_rejections: _Duration | None = Field(default=None, ge=MIN_KEPT, le=MAX_KEPT)
    """Seconds for which rejections are kept after their import's end; None is for ever."""
    keep_imports: _Duration | None = Field(default=None, ge=MIN_KEPT, le=MAX_KEPT)
    """Seconds for which an import is known after its end, with its object and its rejections."""
    keep_messages: _Duration = Field(default=86_400.0, ge=3600, le=366 * 86_400)
    """Seconds for which finished messages stay in the queue's table."""
    webhook_secret: Annotated[SecretStr, AfterValidator(_signing_secret)] | None = None
    """Key that signs webhooks; without it webhooks are disabled."""
    webhook_allow_private: bool = False
    """Whether webhooks may go to private addresses, and to this machine without TLS."""
    api_keys_file: Path | None = None
    """File with the API keys of clients; without it everybody may do everything."""
    api_keys_protect_metrics: bool = False
    """Whether the service's ``/metrics`` needs a key with the scope ``metrics``, too."""
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_collector_url)] | None = None
    """Address of a collector, which receives traces at ``/v1/traces``; if unset, none are made.

    The names of this and the next ones are OpenTelemetry's, whose packages read further ones.
    """
    otel_exporter_otlp_traces_endpoint: Annotated[str, AfterValidator(_collector_url)] | None = None
    """Whole address for traces, in place of the one above."""
    otel_exporter_otlp_headers: SecretStr | None = None
    """Headers for the collector, such as ``api-key=...``, with commas between; never logged."""
    otel_exporter_otlp_traces_headers: SecretStr | None = None
    """Headers for traces, in place of those above; never logged."""
    otel_sdk_disabled: bool = False
    """Turns traces off, even if the other variables name a collector."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the events that are logged."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """Format of the logs; ``auto`` is ``console`` on a terminal and ``json`` everywhere else."""

    @property
    def is_public(self) -> bool:
        """Whether the service listens on more than this machine's own addresses."""
        return not _is_loopback(self.host)

    @property
    def traces_url(self) -> str | None:
        """Address to which traces are sent; None if there are none."""
        if self.otel_sdk_disabled:
            return None
        if self.otel_exporter_otlp_traces_endpoint is not None:
            return self.otel_exporter_otlp_traces_endpoint
        collector = self.otel_exporter_otlp_endpoint
        return None if collector is None else f"{collector.removesuffix('/')}/v1/traces"

    def known_hosts(self) -> frozenset[str]:
        """Return the names under which the service may be asked, in lower case."""
        if self.allowed_hosts is None:
            return _LOOPBACK_NAMES
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(","))

    def proxy_networks(self) -> list[IPv4Network | IPv6Network]:
        """Return the networks of ``trusted_proxies``."""
        return _parse_networks(self.trusted_proxies) if self.trusted_proxies else []

    def secrets(self) -> set[str]:
        """Return all texts that must not be logged.

        They are the keys, the database's address and its passwords, and what may authorise at a
        collector of traces, both as they are and as the variables encode them.
        """
        address = self.database_url.get_secret_value()
        url = urlsplit(address)
        query = parse_qs(url.query)
        passwords = [url.password or "", *query.get("password", []), *query.get("sslpassword", [])]
        signing = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        keys = {
            self.supabase_service_role_key.get_secret_value(),
            signing,
            signing.removeprefix(_WEBHOOK_SECRET_PREFIX),
        }
        secrets = {*keys, address, *passwords, *self._collector_secrets()}
        return {form for secret in secrets for form in (secret, unquote(secret)) if form}

    def _collector_secrets(self) -> set[str]:
        """Return the values of headers for collectors, and passwords and queries of addresses."""
        addresses = self.otel_exporter_otlp_endpoint, self.otel_exporter_otlp_traces_endpoint
        urls = [urlsplit(address) for address in addresses if address is not None]
        headers = self.otel_exporter_otlp_headers, self.otel_exporter_otlp_traces_headers
        values = [
            header.partition("=")[2].strip()
            for each in headers
            if each is not None
            for header in each.get_secret_value().split(",")
        ]
        return {*values, *(url.password or "" for url in urls), *(url.query for url in urls)}

    @field_validator("allowed_hosts")
    @classmethod
    def _host_names(cls, value: str | None) -> str | None:
        for name in (value or "*").split(","):
            if not _is_host_name(name.strip().lower()):
                raise ValueError("must be names without ports, with commas between, or *")
        return value

    @model_validator(mode="after")
    def _header_of_proxies(self) -> Self:
        if (self.client_address_header is None) != (self.trusted_proxies is None):
            raise ValueError(
                "CLIENT_ADDRESS_HEADER and TRUSTED_PROXIES need each other: anybody could send the "
                "header, and without it proxies cannot name their clients"
            )
        return self

    @model_validator(mode="after")
    def _names_of_a_public_service(self) -> Self:
        if self.allowed_hosts is None and self.is_public:
            raise ValueError(
                "ALLOWED_HOSTS is missing: HOST is not a loopback address, so name the hosts under "
                "which the service may be asked (or * for any)"
            )
        return self

    @field_validator("sweep_after")
    @classmethod
    def _longer_than_recording(cls, value: float, info: ValidationInfo) -> float:
        """Between the upload of an object and its import's record, Supabase may be unavailable."""
        if value < 2 * info.data.get("upstream_deadline", 0):
            raise ValueError("must be at least twice UPSTREAM_DEADLINE")
        return value


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _line(details: dict[str, Any]) -> str:
    if not details["loc"]:  # of several settings together
        return str(details["msg"]).removeprefix("Value error, ")
    name = str(details["loc"][0]).upper()
    if details["type"] == "missing":
        return f"{name} is missing: set it in the environment (see .env.example)"
    reason = str(details["msg"]).removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return f"{name} {reason}" if reason.startswith(("must", "is ")) else f"{name}: {reason}"
