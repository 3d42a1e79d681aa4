"""The secrets of one stack, generated at its first start and kept."""

import json
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import jwt

from embedded.files import write_private

TEN_YEARS = 10 * 365 * 24 * 3600


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Secrets:
    """The passwords of the database's roles, and the secret that signs API keys."""

    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    admin_password: str = field(default_factory=_password)
    postgres_password: str = field(default_factory=_password)
    authenticator_password: str = field(default_factory=_password)
    issued_at: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def load_or_create(cls, path: Path) -> "Secrets":
        """Read the secrets from a file; generates and writes them if there is none."""
        if path.exists():
            return cls(**json.loads(path.read_text("utf-8")))
        made = cls()
        write_private(path, json.dumps(asdict(made), indent=2) + "\n")
        return made

    def api_key(self, role: str) -> str:
        """Return an API key of Supabase's older kind: a JWT with the name of a database role."""
        claims = {
            "iss": "supabase",
            "role": role,
            "iat": self.issued_at,
            "exp": self.issued_at + TEN_YEARS,
        }
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")
