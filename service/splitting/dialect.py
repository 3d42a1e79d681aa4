"""How a client says its file is written; what it does not say is detected."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core.errors import MalformedInputError
from core.formats.csv import is_delimiter
from service.splitting.header_mapping import HEADERS, Mapping

UTF_8: Final = "utf-8"
UTF_16: Final = "utf-16"
UTF_16_LE: Final = "utf-16le"
UTF_16_BE: Final = "utf-16be"
WINDOWS_1252: Final = "windows-1252"

_CHARSETS: Final = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), UTF_8),
    **dict.fromkeys(("utf-16", "utf16"), UTF_16),
    "utf-16le": UTF_16_LE,
    "utf-16be": UTF_16_BE,
    # Latin-1 means Windows-1252 (https://encoding.spec.whatwg.org/#names-and-labels).
    **dict.fromkeys(("windows-1252", "cp1252", "iso-8859-1", "latin-1", "latin1"), WINDOWS_1252),
}
_DELIMITERS: Final = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written; None is detected."""

    delimiter: str | None = None
    charset: str | None = None
    mapping: Mapping = ()


def parse_delimiter(text: str) -> str:
    """Return the delimiter that a character or a name means.

    Raises MalformedInputError (``delimiter_invalid``).
    """
    delimiter = _DELIMITERS.get(text.lower(), text)
    if not is_delimiter(delimiter):
        raise MalformedInputError(
            "delimiter_invalid",
            "Name one of the characters , ; | or tab (or another ASCII mark that is not a quote).",
        )
    return delimiter


def parse_charset(text: str) -> str | None:
    """Return the encoding that one of its names means; None if it is not supported."""
    return _CHARSETS.get(text.strip().lower())


def parse_mapping(texts: Iterable[str]) -> Mapping:
    """Return the mapping of texts ``Column:field``.

    Raises MalformedInputError (``mapping_invalid``).
    """
    mapping = tuple(_parse_mapped_column(text) for text in texts)
    fields = [field for _, field in mapping]
    if len(set(fields)) < len(fields):
        raise _invalid_mapping("Each field can be mapped to one column only.")
    if "name" in fields and {"first_name", "last_name"} & set(fields):
        raise _invalid_mapping("Map either the name, or the first and the last name.")
    return mapping


def _parse_mapped_column(text: str) -> tuple[str, str]:
    column, _, field = text.rpartition(":")
    if not column or field not in HEADERS:
        raise _invalid_mapping(f"Write map=Column:field; the fields are {', '.join(HEADERS)}.")
    return column, field


def _invalid_mapping(detail: str) -> MalformedInputError:
    return MalformedInputError("mapping_invalid", detail)
