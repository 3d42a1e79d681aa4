"""Decides whether the fields of one record are a valid contact, and how they are stored."""

from typing import Final

from core.emails import MAX_EMAIL, is_plain_email, normalised_email
from core.reading.vocabulary import vocabulary
from core.reading.warnings import ADDRESS_DROPPED, ADDRESS_REPAIRED, FURTHER_ADDRESSES
from core.records.models import Candidates, Contact
from core.records.names import is_storable, read_name
from core.records.rejection_reasons import (
    EMAIL_INVALID,
    EMAIL_NOT_TEXT,
    EMAIL_TOO_LONG,
    NO_NAME_AND_NO_EMAIL,
    UNSTORABLE_TEXT,
    Reason,
)
from core.records.repair import AddressCell, is_bare, read_address_cell

_NO_ADDRESS: Final = AddressCell(is_none=True)


def validate(candidates: Candidates, *, family_name_first: bool = False) -> Contact | Reason:
    """Return the contact as it is stored, or the reason why the record is not a valid one.

    Both fields are trimmed and repaired, and the e-mail is normalised. Of several values, the first
    one that is filled and valid counts. ``family_name_first`` is the order in which first and last
    name are joined.
    """
    warnings = list(candidates.warnings)
    cell = _NO_ADDRESS
    problem: Reason | None = None
    has_marks = False
    for value in candidates.emails:
        read = _read_email(value)
        if isinstance(read, Reason):
            problem = problem or read
        elif read.is_none:
            has_marks = has_marks or (isinstance(value, str) and bool(value.strip()))
        elif cell.is_none:
            cell = read
            warnings += _warnings_about(cell)
        else:
            warnings += [FURTHER_ADDRESSES] * (read.addresses != cell.addresses[:1])
    email = "" if cell.is_none else cell.addresses[0]
    if problem is not None if email else has_marks:
        warnings.append(ADDRESS_DROPPED)

    read_names = read_name(
        candidates,
        cell.name,
        family_name_first=family_name_first,
        is_marked_text=cell.is_marked_text,
    )
    if isinstance(read_names, Reason):
        return read_names
    name, name_warnings = read_names
    if not email and problem is not None:
        return problem
    if not name and not email:
        return NO_NAME_AND_NO_EMAIL
    return Contact(name, email, tuple(dict.fromkeys([*warnings, *name_warnings])))


def with_address(  # noqa: PLR0911 -- one for each kind
    name: str, email: str
) -> Contact | Reason | None:
    """Do the same for a name that is stored as it is; None if that takes the whole record."""
    if not name or not email:
        return None
    if "@" not in email and email.isascii() and email[0].isalnum() and email[-1].isalnum():
        # The usual invalid address: there may be millions of them.
        if email.isprintable() and email.lower() not in vocabulary().no_values:
            return EMAIL_TOO_LONG if len(email) > MAX_EMAIL else EMAIL_INVALID
        return None
    if (international := _plain_international(email)) is not None:
        return Contact(name, international)
    read = _read_email(email)
    if isinstance(read, Reason):
        return read
    if read.is_none or read.is_marked_text:
        return None
    return Contact(name, read.addresses[0], _warnings_about(read))


def _plain_international(email: str) -> str | None:
    """Return an international address without decorations; None for any other text."""
    if email.isascii() or "@" not in email or email[0] in "/'" or not email.isprintable():
        return None
    return normalised_email(email) if is_bare(email) else None


def _warnings_about(cell: AddressCell) -> tuple[str, ...]:
    repaired = (ADDRESS_REPAIRED,) if cell.is_repaired else ()
    return (*repaired, FURTHER_ADDRESSES) if cell.has_others else repaired


def _read_email(value: object) -> AddressCell | Reason:  # noqa: PLR0911 -- one for each kind
    """Return what an e-mail holds; the reason if that is no address."""
    if value is None:
        return _NO_ADDRESS
    if not isinstance(value, str):
        return EMAIL_NOT_TEXT
    text = value.strip()
    if not text:
        return _NO_ADDRESS
    if is_plain_email(text):
        return AddressCell((text,))
    if not is_storable(text.strip("\0")):
        return UNSTORABLE_TEXT
    cell = read_address_cell(text)
    if cell.addresses or cell.is_none:
        return cell
    return EMAIL_TOO_LONG if len(text) > MAX_EMAIL else EMAIL_INVALID
