"""The headers with which browsers may use resumable uploads from any page."""

from typing import Final

_KNOWN: Final = (
    "Authorization, Content-Type, Location, Tus-Extension, Tus-Max-Size, Tus-Resumable, "
    "Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, "
    "Upload-Offset, X-HTTP-Method-Override, X-Requested-With, X-Forwarded-Host, "
    "X-Forwarded-Proto, Forwarded,"
)

ANSWER_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": _KNOWN,
}
"""Of each answer."""

PREFLIGHT_HEADERS: Final = {
    "Access-Control-Allow-Headers": f"{_KNOWN} X-Upsert, Upload-Expires, ApiKey, x-signature",
    "Access-Control-Allow-Methods": "POST, HEAD, PATCH, OPTIONS, DELETE",
    "Access-Control-Max-Age": "86400",
}
"""Of answers to OPTIONS, besides the others."""
