"""Signs webhooks as Standard Webhooks does: version 1, HMAC-SHA256.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac

from core.webhook_targets import WHSEC_PREFIX


class Signer:
    """Signs with a secret: ``whsec_`` followed by a key in base64."""

    def __init__(self, secret: str) -> None:
        self._key = base64.b64decode(secret.removeprefix(WHSEC_PREFIX))

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Return the headers with which a receiver verifies ``body``.

        ``timestamp`` is in seconds since 1970.
        """
        signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
        signature = base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{signature}",
        }
