"""The contacts-import command: sends a file of contacts to a contacts importer.

It uses only the HTTP API of the service, and shares no code with it.
"""

from typing import Final

__version__: Final = "0.1.0"
