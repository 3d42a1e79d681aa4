"""The HTTP API: takes imports in, tells what became of them."""

from config.interpreter import require_python

require_python()
