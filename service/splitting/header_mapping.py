"""Which columns of a CSV file hold which field: by the client's mapping, else by their names."""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from core.errors import MalformedInputError
from core.formats.csv import COMMA
from core.models import Layout

Mapping: TypeAlias = tuple[tuple[str, str], ...]
"""Names of columns, each with the field of a contact that it holds."""

HEADERS: Final = {
    "name": frozenset(
        {"name", "fullname", "contactname", "contact", "displayname", "customername", "customer"}
    ),
    "email": frozenset(
        {"email", "mail", "emailaddress", "mailaddress", "emailaddr", "contactemail"}
    ),
    "first_name": frozenset({"firstname", "givenname", "forename"}),
    "last_name": frozenset({"lastname", "familyname", "surname"}),
}
"""Names of columns that hold a field, in lower case and without separators."""
MAX_COLUMNS: Final = 16_384
"""As many as a spreadsheet can have."""
_PARTS_OF_NAME: Final = frozenset({"first_name", "last_name"})
_MAX_STORED_COLUMNS: Final = 1000
_MAX_STORED_CHARACTERS: Final = 16_384
"""Of a header that is stored: workers get it with each part."""
_SEPARATORS: Final = re.compile(r"[\s_.-]+")
_QUOTED_COLUMNS: Final = 10
_QUOTED_CHARACTERS: Final = 40
"""Of a header that is quoted in an error."""


def read_layout(header: Sequence[str], mapping: Mapping = (), delimiter: str = COMMA) -> Layout:
    """Return which columns hold the fields of a contact.

    Raises MalformedInputError (``csv_header_unusable``) if there is neither a name nor an email, if
    there are too many columns, or if a mapped column is missing.
    """
    if len(header) > MAX_COLUMNS:
        raise unusable_header(f"There are more than {MAX_COLUMNS} columns.")
    positions = find_fields(header, mapping)
    for column, field in mapping:
        if field not in positions:
            raise unusable_header(f"No column is named {column!r}. {_quoted(header, delimiter)}")
    if not positions:
        raise unusable_header(
            f"None of the columns is a name or an email. {_quoted(header, delimiter)} Say which is "
            f"which in the address, such as ?map={_example(header)}:name, or rename them."
        )
    return Layout(
        fields=len(header),
        header=_stored(header),
        name=positions.get("name"),
        email=positions.get("email"),
        first_name=positions.get("first_name"),
        last_name=positions.get("last_name"),
        delimiter=delimiter,
    )


def find_fields(header: Sequence[str], mapping: Mapping) -> dict[str, int]:
    """Return the position of each field's column; of columns with the same name, the first."""
    names = [_normalised(column) for column in header]
    positions = {
        field: at for column, field in mapping if (at := _position(header, names, column)) >= 0
    }
    mapped = set(positions.values())
    for field in _unmapped({field for _, field in mapping}):
        for at, name in enumerate(names):
            if name in HEADERS[field] and at not in mapped:
                positions[field] = at
                break
    if "name" in positions:
        return {field: at for field, at in positions.items() if field not in _PARTS_OF_NAME}
    return positions


def unusable_header(detail: str) -> MalformedInputError:
    """Return the error of a file whose header cannot be used."""
    return MalformedInputError("csv_header_unusable", detail)


def _position(header: Sequence[str], names: list[str], column: str) -> int:
    """Return the position of a mapped column, by its exact name, else normalised; -1 if missing."""
    if column in header:
        return header.index(column)
    return names.index(_normalised(column)) if _normalised(column) in names else -1


def _unmapped(mapped: set[str]) -> set[str]:
    """Return the fields to be found by name; if any part of the name is mapped, no other is."""
    if mapped & {"name", *_PARTS_OF_NAME}:
        return set(HEADERS) - mapped - {"name"} - _PARTS_OF_NAME
    return set(HEADERS) - mapped


def _normalised(column: str) -> str:
    return _SEPARATORS.sub("", column).casefold()


def _stored(header: Sequence[str]) -> tuple[str, ...]:
    """Return the names to store, for the readers of rejections: all of them, or none."""
    if len(header) > _MAX_STORED_COLUMNS or sum(map(len, header)) > _MAX_STORED_CHARACTERS:
        return ()
    return tuple(name.replace("\0", "\ufffd") for name in header)


def _quoted(header: Sequence[str], delimiter: str) -> str:
    columns = ", ".join(repr(column[:_QUOTED_CHARACTERS]) for column in header[:_QUOTED_COLUMNS])
    more = ", ..." if len(header) > _QUOTED_COLUMNS else ""
    divided = f", divided by {delimiter!r}" if len(header) > 1 else ""
    return f"The columns are {columns or 'none'}{more}{divided}."


def _example(header: Sequence[str]) -> str:
    return next((column for column in header if column.isalnum() and len(column) < 40), "Column")
