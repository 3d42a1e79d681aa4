"""What the settings allow a client of ``POST /import``: sizes, rates, numbers, webhooks."""

from dataclasses import dataclass
from typing import Self

from config.settings import Settings


@dataclass(frozen=True, slots=True)
class WebhookPolicy:
    """Whether webhooks are sent, and to which addresses."""

    enabled: bool = False
    allow_private: bool = False
    """Whether addresses of private networks and of this machine are allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on uploads."""

    body_bytes: int
    """Largest body, as it is sent and after decompression."""
    record_bytes: int
    """Largest record."""
    part_bytes: int
    """Smallest size of a part; only the last part of an import may be smaller."""
    idle_seconds: float = 30.0
    """How long a client may send nothing; see MinimumRate."""
    compression_ratio: int = 200
    """How many times larger than what was sent the decompressed text may be."""
    webhooks: WebhookPolicy = WebhookPolicy()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the limits that the settings name; webhooks need a key to be signed with."""
        return cls(
            body_bytes=settings.max_body_bytes,
            record_bytes=settings.max_record_bytes,
            part_bytes=settings.part_bytes,
            idle_seconds=settings.idle_timeout,
            compression_ratio=settings.max_compression_ratio,
            webhooks=WebhookPolicy(
                enabled=settings.webhook_secret is not None,
                allow_private=settings.webhook_allow_private,
            ),
        )
