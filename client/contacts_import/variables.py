"""The environment variables of the command."""

from typing import Final

URL_VARIABLE: Final = "CONTACTS_IMPORT_URL"
KEY_VARIABLE: Final = "CONTACTS_IMPORT_KEY"
