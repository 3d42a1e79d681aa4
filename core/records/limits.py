"""Limits of a record that the service and the workers share."""

from typing import Final

MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""The highest limit that the service can be set to: a record that it has accepted is parsed."""
