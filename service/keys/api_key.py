"""A key: how it is made, how its line in the file is written and read, how it is recognised."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from config.settings import API_KEY_PREFIX
from service.keys.scopes import Scope

_RANDOM_BYTES: Final = 32
_HASH_PREFIX: Final = "sha256:"
_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch
_is_hash = re.compile(_HASH_PREFIX + "[0-9a-f]{64}").fullmatch


class KeyFileError(Exception):
    """The file of keys cannot be used; the message is one line, and quotes nothing of the file."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key: not the key itself."""

    name: str
    """Shown to clients and in logs. Two keys may have the same name, while one replaces another."""
    scopes: frozenset[Scope]
    sha256: str
    """Of the key, in hexadecimal."""

    @property
    def line(self) -> str:
        """The line of the file, without its end."""
        scopes = ",".join(scope for scope in Scope if scope in self.scopes)
        return f"{self.name} {scopes} {_HASH_PREFIX}{self.sha256}"


def make_key(name: str, scopes: Iterable[Scope]) -> tuple[str, ApiKey]:
    """Return a new key, and what the file has of it.

    The key is 256 random bits after a prefix by which scanners for secrets, and the filter of the
    logs, recognise it. Raises KeyFileError if the name cannot be used.
    """
    if not _is_name(name):
        raise KeyFileError(
            "a name has up to 64 letters, digits, dots, hyphens and underscores, and starts with a "
            "letter or a digit"
        )
    text = API_KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    return text, ApiKey(name, frozenset(scopes), hash_key(text))


def hash_key(text: str) -> str:
    """Return the SHA-256 of a key, in hexadecimal.

    A slow, salted hash protects passwords, which can be guessed. A key is 256 random bits: nobody
    finds it by trying, however fast a try is, and no two are equal, so a salt hides nothing. A fast
    hash also keeps requests with wrong keys from using up the processor.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def find_key(keys: Sequence[ApiKey], text: str) -> ApiKey | None:
    """Return the key that a client has sent, None if it is none of these.

    All of them are compared, in constant time, so that the time tells nothing about any of them.
    """
    digest, found = hash_key(text), None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def parse_keys(content: bytes) -> tuple[ApiKey, ...]:
    """Return the keys in the content of a file.

    A line is a name, scopes with commas between them, and a hash; ``#`` starts a comment. Raises
    KeyFileError with the number of the line.
    """
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        raise KeyFileError("it is not UTF-8") from None
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            key = _parse_key(words)
        except ValueError as error:
            raise KeyFileError(f"line {number}: {error}") from None
        if key.sha256 in keys:
            raise KeyFileError(f"line {number}: the same key as in an earlier line")
        keys[key.sha256] = key
    return tuple(keys.values())


def _parse_key(words: Sequence[str]) -> ApiKey:
    """Return the key of a line; raises ValueError, without words of the line: it may be a key."""
    if len(words) != 3:
        raise ValueError("a line is a name, scopes and a hash, with spaces between them")
    name, scopes, digest = words
    if not _is_name(name):
        raise ValueError("the name has other characters than letters, digits, '.', '-' and '_'")
    if not set(scopes.split(",")) <= set(Scope):
        raise ValueError(f"the scopes are some of {', '.join(Scope)}, with commas between them")
    if not _is_hash(digest):
        raise ValueError(f"the hash is {_HASH_PREFIX} and 64 hexadecimal digits")
    return ApiKey(name, frozenset(map(Scope, scopes.split(","))), digest.removeprefix(_HASH_PREFIX))
