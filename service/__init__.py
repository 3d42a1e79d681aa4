"""The HTTP API: takes imports in, tells what became of them."""

from core.interpreter import require_python

require_python()
