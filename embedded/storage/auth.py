"""Authentication: the role in a verified token."""

from dataclasses import dataclass

import jwt
from aiohttp import web

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
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=["HS256"],
                options={"verify_aud": False},
            )
        except jwt.InvalidTokenError as error:
            raise errors.access_denied(_as_the_real_one_says(error)) from error
        return Caller(str(claims.get("role", "anon")), known=True)

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
