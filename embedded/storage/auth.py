"""Authentication: the role in a verified token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from jwt.types import Options

from embedded.storage import errors

SERVICE_ROLE = "service_role"


@dataclass(frozen=True)
class Caller:
    """A role, and whether it comes from a verified token."""

    role: str
    known: bool

    @property
    def may_all(self) -> bool:
        """Whether row level security does not apply; other roles have no policy here."""
        return self.role == SERVICE_ROLE


NOBODY = Caller("anon", known=False)


@dataclass(frozen=True)
class TokenVerifier:
    """Verifies tokens with the stack's secret."""

    secret: str

    def caller(self, request: web.Request) -> Caller:
        """Return the caller. Raises StorageError if the token is missing or invalid."""
        if not (token := _token(request)):
            raise errors.invalid_body("headers must have required property 'authorization'")
        claims = self.claims(token, errors.access_denied)
        return Caller(str(claims.get("role", "anon")), known=True)

    def claims(
        self,
        token: str,
        invalid: Callable[[str], errors.StorageError],
        *,
        required: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Return the claims of a token.

        Raises what ``invalid`` makes of the reason if the token is malformed, expired or signed
        with another secret, or if a ``required`` claim is missing.
        """
        options: Options = {"verify_aud": False, "require": list(required)}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.secret, algorithms=["HS256"], options=options
            )
        except jwt.InvalidTokenError as error:
            raise invalid(_as_the_real_one_says(error)) from error
        return claims

    def caller_or_nobody(self, request: web.Request) -> Caller:
        """Return the caller, or an anonymous one, for the routes that serve public buckets."""
        try:
            return self.caller(request)
        except errors.StorageError:
            return NOBODY


def _token(request: web.Request) -> str:
    """Return the bearer token, or else the ``apikey``, as behind a hosted gateway."""
    headers = request.headers
    given: str = headers.get("Authorization") or headers.get("apikey") or ""
    return given[len("bearer ") :].strip() if given.lower().startswith("bearer ") else given


def _as_the_real_one_says(error: jwt.InvalidTokenError) -> str:
    if isinstance(error, jwt.ExpiredSignatureError):
        return '"exp" claim timestamp check failed'
    if isinstance(error, jwt.InvalidSignatureError):
        return "signature verification failed"
    return "Invalid Compact JWS"
