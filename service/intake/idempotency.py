"""The ``Idempotency-Key`` header: of all requests with one key, the first makes an import.

The header is that of draft-ietf-httpapi-idempotency-key-header: a string of structured fields
(RFC 9651, 3.3.3). Most clients leave the quotes out, so that is accepted, too.
"""

import re
from collections.abc import Sequence
from typing import Final

from service.problems import ProblemError

HEADER: Final = "Idempotency-Key"
MAX_KEY_LENGTH: Final = 255
"""Characters."""

_quoted: Final = re.compile(r' *"((?:[!#-\[\]-~]|\\["\\])+)" *', re.ASCII).fullmatch
_ESCAPED: Final = re.compile(r'\\(["\\])')
# Without a comma or a semicolon: with one it could be two headers in one, or a parameter.
_unquoted: Final = re.compile(r" *([!#-+\--:<-\[\]-~]+) *", re.ASCII).fullmatch


def parse_idempotency_key(headers: Sequence[str]) -> str | None:
    """Return the key in a request's ``Idempotency-Key`` headers; None if there is no header.

    Raises ProblemError (``idempotency_key_invalid``) for a malformed key or several headers.
    """
    if not headers:
        return None
    if match := _quoted(headers[0]):
        key = _ESCAPED.sub(r"\1", match[1])
    else:
        match = _unquoted(headers[0])
        key = match[1] if match else ""
    if len(headers) > 1 or not 0 < len(key) <= MAX_KEY_LENGTH:
        raise ProblemError(
            "idempotency_key_invalid",
            f"Send one {HEADER} of 1 to {MAX_KEY_LENGTH} visible ASCII characters, in quotes, such "
            'as "8e03978e-40d5-43dd-bc93-6894a57f9324".',
        )
    return key
