"""The oldest supported Python.

The entry points call ``require_python`` before they import anything else, and ``make setup`` runs
this file, so an older Python ends with one line instead of an error from the first module that it
cannot parse. Any Python 3 must be able to parse this file.
"""

import sys

MINIMUM_PYTHON = (3, 11)
_EXIT_UNSUPPORTED = 2


def require_python() -> None:
    """End the process with one line and exit code 2 if this Python is too old."""
    if sys.version_info < MINIMUM_PYTHON:
        minimum, version = ".".join(map(str, MINIMUM_PYTHON)), sys.version.split()[0]
        sys.stderr.write(f"Python {minimum} or later is needed, not {version}.\n")
        sys.exit(_EXIT_UNSUPPORTED)


if __name__ == "__main__":
    require_python()
