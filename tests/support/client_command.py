"""How tests run the contacts-import command: this checkout's own, whatever is installed."""

import os
import sys
from typing import Final

from local.processes import PROJECT

CLIENT_COMMAND: Final = (sys.executable, "-m", "contacts_import")
CLIENT_FOLDER: Final = PROJECT / "client"


def client_environment() -> dict[str, str]:
    """Return the environment in which ``CLIENT_COMMAND`` runs the code of this checkout."""
    return {**os.environ, "PYTHONPATH": str(CLIENT_FOLDER)}
