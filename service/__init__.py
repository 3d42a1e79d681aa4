"""The HTTP API: accepts imports and shows their state."""

from core.python_version import require_python

require_python()
