"""The only reader of the environment: every setting of both processes, read once and validated."""

import base64
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

_MIB = 1024 * 1024
_WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 -- what secrets begin with
_TRANSACTION_POOLER_PORT = 6543
_is_bearer_token = re.compile(r"[A-Za-z0-9._~+/-]+=*").fullmatch


def _http_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("must be an http(s) address, such as https://<project>.supabase.co")
    return value.rstrip("/")


def _bearer_token(value: SecretStr) -> SecretStr:
    """RFC 6750, 2.1. Libraries quote a header that they cannot send in their exceptions."""
    if not _is_bearer_token(value.get_secret_value()):
        raise ValueError("must be the service role key (or a secret key) and nothing else")
    return value


def _signing_secret(value: SecretStr) -> SecretStr:
    """As Standard Webhooks has it: 24 to 64 bytes (https://www.standardwebhooks.com)."""
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
            "is Supabase's transaction pooler (port 6543), which has no LISTEN and no session "
            "locks; take the direct connection or the session pooler (port 5432)"
        )
    return value


class SettingsError(Exception):
    """One or more settings are missing or nonsensical; ``lines`` has one line for each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Settings(BaseSettings):
    """Settings of the service and the workers; a field's upper-case name is its variable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    supabase_url: Annotated[str, AfterValidator(_http_url)]
    """Address of the Supabase project: Storage and PostgREST are below it."""
    supabase_service_role_key: Annotated[SecretStr, AfterValidator(_bearer_token)]
    """Key that may do everything; sent as ``apikey`` and as bearer token, never logged."""
    database_url: Annotated[SecretStr, AfterValidator(_session_database)]
    """Direct or session-mode connection to the same Postgres, for the queue."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    """Where the service listens; port 0 takes any free one."""
    max_body_bytes: int = Field(default=50 * 1024 * _MIB, ge=1, le=10_000 * 6 * _MIB)
    """Largest request body, also when unpacked; larger ones are refused with 413.

    S3 takes 10,000 chunks of 6 MiB.
    """
    max_compression_ratio: int = Field(default=200, ge=1, le=100_000)
    """How many times larger than what came a body may become when it is unpacked."""
    max_record_bytes: int = Field(default=_MIB, ge=1024, le=4 * _MIB)
    """Largest single record, so that memory stays bounded whatever comes."""
    part_bytes: int = Field(default=6 * _MIB, ge=1024, le=1024 * _MIB)
    """Least size of a part; the last one of an import may be smaller."""
    max_uploads: int = Field(default=50, ge=1, le=10_000)
    """Uploads that one service process takes at a time, of at most 12 MiB memory each.

    One that comes in zstd takes 8 more.
    """
    idle_timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that a client may send nothing, and that it has for the whole head of a request."""
    upstream_deadline: float = Field(default=30.0, gt=0, le=600)
    """Seconds that Storage, PostgREST or the database may be away before a client gets a 503."""
    shutdown_grace: float = Field(default=30.0, ge=0, le=3600)
    """Seconds that running uploads get to finish when the service is told to stop."""
    batch_records: int = Field(default=5000, ge=1, le=50_000)
    """Records that are written at a time."""
    contacts_writer: Literal["postgrest", "copy"] = "postgrest"
    """How the workers write contacts: through PostgREST, or by COPY over ``database_url``."""
    part_attempts: int = Field(default=5, ge=1, le=100)
    """Attempts of a part whose workers may die or hang before it is given up."""
    part_retries: int = Field(default=20, ge=0, le=1000)
    """How often a part may be put off because something it needs was away."""
    sweep_after: float = Field(default=86_400.0, gt=0, le=31 * 86_400)
    """Age in seconds from which an object that no import names is removed.

    Longer than any upload takes; a resumable one lives 24 hours at most.
    """
    webhook_secret: Annotated[SecretStr, AfterValidator(_signing_secret)] | None = None
    """Key that the ends of imports are signed with for those who want to be told; None: nobody."""
    webhook_allow_private: bool = False
    """Whether webhooks may go to private addresses, and to this machine without TLS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    """``auto``: for people on a terminal, JSON everywhere else."""

    def secrets(self) -> set[str]:
        """All that must not be told: the keys, and the database's address and passwords.

        The passwords both as the address writes them and as they are.
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
        found = {*keys, address, *passwords}
        return {text for each in found for text in (each, unquote(each)) if text}

    @field_validator("sweep_after")
    @classmethod
    def _longer_than_recording(cls, value: float, info: ValidationInfo) -> float:
        """Between an object's upload and its import's record, Supabase may be away for a while."""
        if value < 2 * info.data.get("upstream_deadline", 0):
            raise ValueError("must be at least twice UPSTREAM_DEADLINE")
        return value

    @classmethod
    def from_environment(cls) -> Self:
        """Read and validate all settings.

        Raises SettingsError with one line for each setting that is missing or nonsensical.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError([_line(dict(problem)) for problem in error.errors()]) from None


def _line(problem: dict[str, Any]) -> str:
    name = str(problem["loc"][0]).upper()
    if problem["type"] == "missing":
        return f"{name} is missing: set it in the environment (see .env.example)"
    reason = str(problem["msg"]).removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    return f"{name} {reason}" if reason.startswith(("must", "is ")) else f"{name}: {reason}"
