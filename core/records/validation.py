"""Decides whether the fields of a record are a valid contact, and how they are stored.

``validate`` decides about one record. Most contacts are valid as they are: ``all_plain`` sees that
for many records at a quarter of the time, and ``needs_validation`` finds the others.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from core.emails import MAX_EMAIL, are_plain_emails, is_plain_email
from core.reading.rows import NULL_NAMES, is_null_name
from core.reading.warnings import (
    ADDRESS_DROPPED,
    ADDRESS_REPAIRED,
    FURTHER_ADDRESSES,
    NAME_BROKEN,
    NAME_DROPPED,
    NAME_REPAIRED,
)
from core.records.models import Candidates, Contact
from core.records.mojibake import has_mojibake, looks_broken
from core.records.rejection_reasons import (
    EMAIL_INVALID,
    EMAIL_NOT_TEXT,
    EMAIL_TOO_LONG,
    MAX_NAME,
    NAME_NOT_TEXT,
    NAME_TOO_LONG,
    NO_NAME_AND_NO_EMAIL,
    UNSTORABLE_TEXT,
    Reason,
)
from core.records.repair import AddressCell, read_address_cell, repair_name

_NO_CELL: Final = AddressCell()
_QUESTION_MARK: Final = re.compile(r"[^\W\d_]\?[^\W\d_]")
_SPECIAL_STARTS: Final = ('|"', '|="', "|\u201c", "|\u201e", "|\u00ab")
"""Beginnings of names that ``repair_name`` may change."""


def validate(candidates: Candidates, *, family_name_first: bool = False) -> Contact | Reason:
    """Return the contact as it is stored, or the reason why the record is not a valid one.

    Both fields are trimmed and repaired, and the e-mail is normalised. Of several values, the first
    one that is filled and valid counts. ``family_name_first`` is the order in which first and last
    name are joined.
    """
    warnings: list[str] = []
    email, cell = "", _NO_CELL
    problem: Reason | None = None
    for value in candidates.emails:
        read = _read_email(value)
        if isinstance(read, Reason):
            problem = problem or read
        elif read.is_none:
            warnings += [ADDRESS_DROPPED] * (isinstance(value, str) and bool(value.strip()))
        elif email:
            warnings += [FURTHER_ADDRESSES] * (read.addresses != (email,))
        else:
            email, cell = read.addresses[0], read
            warnings += [ADDRESS_REPAIRED] * cell.is_repaired
            warnings += [FURTHER_ADDRESSES] * cell.has_others

    name = _read_name(candidates, warnings, family_name_first=family_name_first, cell=cell)
    if isinstance(name, Reason):
        return name
    if not email and problem is not None:
        return problem
    if not name and not email:
        return NO_NAME_AND_NO_EMAIL
    if email:
        warnings = [each for each in warnings if each != ADDRESS_DROPPED]
    return Contact(name, email, tuple(dict.fromkeys(warnings)))


def _read_email(value: object) -> AddressCell | Reason:  # noqa: PLR0911 -- one for each kind
    """Return what an e-mail holds; the reason if that is no address."""
    if value is None:
        return AddressCell(is_none=True)
    if not isinstance(value, str):
        return EMAIL_NOT_TEXT
    text = value.strip()
    if not text:
        return AddressCell(is_none=True)
    if is_plain_email(text):
        return AddressCell((text,))
    if not _is_storable(text.strip("\0")):
        return UNSTORABLE_TEXT
    cell = read_address_cell(text)
    if cell.addresses or cell.is_none:
        return cell
    return EMAIL_TOO_LONG if len(text) > MAX_EMAIL else EMAIL_INVALID


def _read_name(  # noqa: C901 -- full name, else its halves
    candidates: Candidates, warnings: list[str], *, family_name_first: bool, cell: AddressCell
) -> str | Reason:
    """Return the name, or the reason why it cannot be stored; adds to the warnings."""
    texts: list[str] = []
    for value in candidates.names:
        text = _as_text(value)
        if text is None:
            return NAME_NOT_TEXT
        if text and is_null_name(text):
            warnings.append(NAME_DROPPED)
        elif text:
            texts.append(text)
            break
    if not texts:
        halves = [_first_filled(candidates.first_names), _first_filled(candidates.last_names)]
        if None in halves:
            return NAME_NOT_TEXT
        if family_name_first:
            halves.reverse()
        texts = [half for half in halves if half]
        if len(texts) > 1 and all(map(is_null_name, texts)):
            warnings.append(NAME_DROPPED)
            texts = []
    joined = " ".join(texts)
    name = repair_name(joined, is_marked_text=cell.is_marked_text)
    if name != joined:
        warnings.append(NAME_REPAIRED)
    name = name or repair_name(cell.name)
    if len(name) > MAX_NAME:
        return NAME_TOO_LONG
    if not _is_storable(name):
        return UNSTORABLE_TEXT
    if looks_broken(name):
        warnings.append(NAME_BROKEN)
    return name


def _first_filled(values: Sequence[object]) -> str | None:
    """Return the first text that is not empty, trimmed; None for anything but text."""
    for value in values:
        text = _as_text(value)
        if text is None or text:
            return text
    return ""


def _as_text(value: object) -> str | None:
    """Return trimmed text, of whole numbers too; empty for null, None for anything else."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def all_plain(names: Sequence[object], emails: Sequence[object]) -> bool:
    """Return whether ``validate`` would return each of these records unchanged, without warnings.

    The names are full names. False means that at least one of the records has to be validated, or
    may have to be.
    """
    try:
        return (
            _are_plain_names(names)  # type: ignore[arg-type]
            and are_plain_emails(emails)  # type: ignore[arg-type]
            and not ("" in names and ("", "") in zip(names, emails, strict=True))
        )
    except TypeError:  # a field is not text
        return False


def needs_validation(names: Sequence[Any], emails: Sequence[Any]) -> Sequence[int]:
    """Return the positions of the records that ``validate`` may change, reject or warn about."""
    try:
        if _are_plain_names(names):
            return [
                position
                for position, (name, email) in enumerate(zip(names, emails, strict=True))
                if not (is_plain_email(email) if email else name and email == "")
            ]
    except TypeError:  # a field is not text
        pass
    return range(len(names))


def _are_plain_names(names: Sequence[str]) -> bool:
    """Return whether ``validate`` leaves all names unchanged, without a warning.

    Printable text has no NUL, no lone surrogate, and no white space other than blanks.
    """
    text = f"|{'|'.join(names)}|"
    return (
        text.isprintable()
        and " |" not in text
        and "| " not in text
        and max(map(len, names), default=0) <= MAX_NAME
        and NULL_NAMES.isdisjoint(names)
        and not ('"' in text and any(start in text for start in _SPECIAL_STARTS[:2]))
        and not ("?" in text and _QUESTION_MARK.search(text))
        and (text.isascii() or _is_plain_foreign(text))
    )


def _is_plain_foreign(text: str) -> bool:
    """Return whether a text of names in other letters than ASCII needs no repair."""
    return (
        not any(start in text for start in _SPECIAL_STARTS[2:])
        and "\ufffd" not in text
        and not has_mojibake(text)
    )


def _is_storable(text: str) -> bool:
    """Postgres stores neither NUL nor lone surrogates."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
