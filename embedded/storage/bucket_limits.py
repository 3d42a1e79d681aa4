"""The limits of a bucket, as clients send them."""

import re
from dataclasses import dataclass
from typing import Any, Final

from embedded.storage import errors
from embedded.storage.schema import Boolean, Check, Integer, Record, Text, Texts

_PATTERN: Final = r"^[0-9]+(?:\.[0-9]+)?(?:[gG][bB]|[mM][bB]|[kK][bB]|[bB])$"
_MIME_TYPE: Final = re.compile(
    r"^[a-zA-Z0-9\-+.]+/[a-zA-Z0-9\-+.]+(;\s{0,100}charset=[a-zA-Z0-9\-]+)?$|\*$"
)
_LONGEST_MIME_TYPE: Final = 1000


@dataclass(frozen=True)
class SizeLimit:
    """A number of bytes, or a size with a unit; null means no limit."""

    def coerced(self, value: object, path: str) -> int | str | None:
        """Return a limit. The messages are those of both kinds of limit, as with ``anyOf``."""
        if value is None:
            return None
        reasons: list[str] = []
        for check in (Integer(minimum=0), Text()):
            try:
                found = check.coerced(value, path)
            except errors.StorageError as error:
                reasons.append(error.message)
                if error.message.endswith("be integer"):
                    reasons.append(f'{path} must pass "finite" keyword validation')
                continue
            if isinstance(found, int) or re.match(_PATTERN, found):
                return found
            reasons.append(f'{path} must match pattern "{_PATTERN}"')
        raise errors.invalid_body(", ".join([*reasons, f"{path} must match a schema in anyOf"]))


_LIMITS: Final[dict[str, Check]] = {
    "public": Boolean(),
    "file_size_limit": SizeLimit(),
    "allowed_mime_types": Texts(nullable=True),
}
NEW_BUCKET: Final = Record(
    {"name": Text(), "id": Text(), "type": Text(choices=("STANDARD", "ANALYTICS")), **_LIMITS},
    required=("name",),
)
CHANGED_BUCKET: Final = Record(_LIMITS)


def check_changes(body: dict[str, Any]) -> None:
    """Raise StorageError if the body changes nothing."""
    if not _LIMITS.keys() & body.keys():
        missing = [f"body must have required property '{name}'" for name in _LIMITS]
        raise errors.invalid_body(", ".join([*missing, "body must match a schema in anyOf"]))


def limits_in(body: dict[str, Any]) -> dict[str, Any]:
    """Return the limits that a checked body has, by the names of a Bucket's fields.

    Raises StorageError for a content type that Storage does not accept.
    """
    limits = {name: body[name] for name in _LIMITS if name in body}
    if isinstance(limits.get("file_size_limit"), str):
        limits["file_size_limit"] = parse_size(limits["file_size_limit"])
    for kind in limits.get("allowed_mime_types") or ():
        if len(kind) > _LONGEST_MIME_TYPE or not _MIME_TYPE.search(kind):
            raise errors.invalid_mime_type(kind)
    return limits


_is_number = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15}").fullmatch


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 20MB; the units of Storage are decimal."""
    units = {"GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1}
    for unit, factor in units.items():
        number = text.upper().removesuffix(unit)
        if number != text.upper() and _is_number(number):
            return int(float(number) * factor)
    raise errors.invalid_request("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B")
