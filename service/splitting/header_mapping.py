"""Which columns of a CSV file hold what: the client has said so, or their names tell."""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from core.errors import MalformedInputError
from core.formats.csv import COMMA
from core.models import Layout

Mapping: TypeAlias = tuple[tuple[str, str], ...]
"""Columns that the client has named, each with the field of a contact that it holds."""

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
"""Names by which a field's column is known, without what stands between their words."""
MAX_COLUMNS: Final = 16_384
"""As many as a spreadsheet can have."""
_PARTS_OF_NAME: Final = frozenset({"first_name", "last_name"})
_KEPT_COLUMNS: Final = 1000
_KEPT_CHARACTERS: Final = 16_384
"""Of a header: each worker gets it with each part."""
_BETWEEN_WORDS: Final = re.compile(r"[\s_.-]+")
_SHOWN: Final = 10
_SHOWN_LENGTH: Final = 40


def read_layout(header: Sequence[str], mapping: Mapping = (), delimiter: str = COMMA) -> Layout:
    """Where the fields of a contact stand in a row.

    Raises MalformedInputError (``csv_header_unusable``) if there is neither a name nor an email, if
    there are too many columns, or if one that the client has named is missing.
    """
    if len(header) > MAX_COLUMNS:
        raise unusable(f"There are more than {MAX_COLUMNS} columns.")
    found = find_fields(header, mapping)
    for column, field in mapping:
        if field not in found:
            raise unusable(f"No column is named {column!r}. {_seen(header, delimiter)}")
    if not found:
        raise unusable(
            f"None of the columns is a name or an email. {_seen(header, delimiter)} Say which is "
            f"which in the address, such as ?map={_example(header)}:name, or rename them."
        )
    return Layout(
        fields=len(header),
        header=_kept(header),
        name=found.get("name"),
        email=found.get("email"),
        first_name=found.get("first_name"),
        last_name=found.get("last_name"),
        delimiter=delimiter,
    )


def find_fields(header: Sequence[str], mapping: Mapping) -> dict[str, int]:
    """The column of each field that has one; of two columns of the same name the first counts."""
    keys = [_key(column) for column in header]
    found = {field: at for column, field in mapping if (at := _position(header, keys, column)) >= 0}
    mapped = set(found.values())
    for field in _left_to_find({field for _, field in mapping}):
        for at, key in enumerate(keys):
            if key in HEADERS[field] and at not in mapped:
                found[field] = at
                break
    if "name" in found:
        return {field: at for field, at in found.items() if field not in _PARTS_OF_NAME}
    return found


def unusable(detail: str) -> MalformedInputError:
    """The refusal of a file for its header."""
    return MalformedInputError("csv_header_unusable", detail)


def _kept(header: Sequence[str]) -> tuple[str, ...]:
    """The names for those who read the rejections; all of them or none."""
    if len(header) > _KEPT_COLUMNS or sum(map(len, header)) > _KEPT_CHARACTERS:
        return ()
    return tuple(name.replace("\0", "\ufffd") for name in header)


def _left_to_find(named: set[str]) -> set[str]:
    """What the client says of the name is all there is to it."""
    if named & {"name", *_PARTS_OF_NAME}:
        return set(HEADERS) - named - {"name"} - _PARTS_OF_NAME
    return set(HEADERS) - named


def _position(header: Sequence[str], keys: list[str], column: str) -> int:
    """Where a column is that the client has named: as it is written, or nearly so; or -1."""
    if column in header:
        return header.index(column)
    return keys.index(_key(column)) if _key(column) in keys else -1


def _key(column: str) -> str:
    return _BETWEEN_WORDS.sub("", column).casefold()


def _seen(header: Sequence[str], delimiter: str) -> str:
    shown = ", ".join(repr(column[:_SHOWN_LENGTH]) for column in header[:_SHOWN])
    more = ", ..." if len(header) > _SHOWN else ""
    divided = f", divided by {delimiter!r}" if len(header) > 1 else ""
    return f"The columns seen are {shown or 'none'}{more}{divided}."


def _example(header: Sequence[str]) -> str:
    return next((column for column in header if column.isalnum() and len(column) < 40), "Column")
