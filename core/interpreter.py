"""The oldest Python that this runs on, and the refusal of an older one.

The entry points ask before they import anything else, and ``make setup`` runs this file: an older
Python ends with one line instead of an error from the first module that it cannot read. Therefore
any Python 3 has to be able to read this file.
"""

import sys

FLOOR = (3, 11)
_EXIT_UNFIT = 2


def require_python() -> None:
    """End the process with one line if this Python is older than ``FLOOR``."""
    if sys.version_info < FLOOR:
        floor, version = ".".join(map(str, FLOOR)), sys.version.split()[0]
        sys.stderr.write(f"Python {floor} or later is needed, not {version}.\n")
        sys.exit(_EXIT_UNFIT)


if __name__ == "__main__":
    require_python()
