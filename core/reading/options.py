"""What a client specifies about its file; what it does not specify is detected."""

from dataclasses import dataclass
from typing import TypeAlias

from core.reading.plan import Field

Mapping: TypeAlias = tuple[tuple[str, Field], ...]
"""Names of columns, or paths of keys with dots, each with the field that it holds."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How the client says that its file is to be read; None is detected."""

    encoding: str | None = None
    """A canonical name of core.reading.encodings."""
    delimiter: str | None = None
    has_header: bool | None = None
    """False: the first row is a record, and ``mapping`` names columns by their number, from 1."""
    mapping: Mapping = ()
    no_email: bool = False
    """Whether contacts are imported without an e-mail, whatever the columns hold."""
    no_name: bool = False
    """Whether contacts are imported without a name, whatever the columns hold."""
