"""The HTTP API: accepts imports and shows their state."""

from core.interpreter import require_python

require_python()
