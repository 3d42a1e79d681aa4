"""The ``contacts-importer`` command, and the files to run the importer with other programs."""

from core.python_version import require_python

require_python()
