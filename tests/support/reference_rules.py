"""The importer's rules, written down a second time: slow, obvious, and sharing no code with it.

Tests compare the importer with these. They follow docs/formats.md, the HTML standard (e-mail
addresses), and use the standard library; addresses that are not ASCII are left to email_validator,
which the importer uses for them too.
"""

import re
import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

LONGEST_SOURCE = 200
LONGEST_NAME = 1000
LONGEST_EMAIL = 320
"""Characters; names and addresses are counted after trimming."""

LABEL_LETTERS = string.ascii_letters + string.digits
LOCAL_LETTERS = LABEL_LETTERS + ".!#$%&'*+/=?^_`{|}~-"
LONGEST_LABEL = 63

OPTIONS = ("dryrun", "delimiter", "map", "notify")
PLAIN_OPTIONS = ("encoding", "header", "email", "keep")
"""Options whose names other keys may resemble."""
OPTION_STEMS = ("dry", "delim", "map", "notif")
OPTION_LENGTH = 40
SIMILAR = 0.8

MOST_COLUMNS = 16_384
MOST_KEPT_COLUMNS = 1000
MOST_KEPT_CHARACTERS = 16_384
COLUMNS = {
    "name": "name fullname contactname contact displayname customername customer",
    "email": "email mail emailaddress mailaddress emailaddr contactemail",
    "first_name": "firstname givenname forename",
    "last_name": "lastname familyname surname",
}
MADE_BY_THE_IMPORTER = ("record", "code", "message", "hint")
"""How the header of a file of rejections begins; its cells have apostrophes against formulas."""
FORMULA_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
CELL_ENDS = "\t\r\n;"

# The domain alone decides, so that reserved ones such as example.test are valid too.
SPECIAL_USE_DOMAIN_NAMES.clear()

Outcome = tuple[str, str] | str
"""Name and e-mail address of a contact, empty where there is none, or a rejection's code."""


@dataclass(frozen=True)
class Columns:
    """Where the fields of a contact are in a CSV row, counted from 0."""

    fields: int
    name: int | None
    email: int | None
    header: tuple[str, ...]
    first_name: int | None = None
    last_name: int | None = None
    delimiter: str = ","


def is_valid_source(source: object) -> bool:
    """Whether an import may have this source."""
    return (
        isinstance(source, str)
        and source.strip() != ""
        and len(source) <= LONGEST_SOURCE
        and all(_is_storable_in_a_line(letter) for letter in source)
    )


def _is_storable_in_a_line(letter: str) -> bool:
    """Not a control or invisible character, a separator of lines, or half of a surrogate pair.

    The two joiners, which some scripts and emojis need, are allowed.
    """
    return letter in "\u200c\u200d" or unicodedata.category(letter) not in (
        *("Cc", "Cf", "Zl", "Zp", "Cs"),
    )


def is_option_like(key: str) -> bool:
    """Whether a key of a JSON body looks like an option that belongs into the query."""
    plain = re.sub(r"[\s_.-]", "", key[:OPTION_LENGTH]).casefold()
    if plain in PLAIN_OPTIONS:
        return True
    for stem in OPTION_STEMS:
        if plain.startswith(stem):
            return True
    return any(SequenceMatcher(a=option, b=plain).ratio() >= SIMILAR for option in OPTIONS)


def find_columns(header: Sequence[str]) -> Columns | None:
    """Return the columns of a CSV file by its header, None if it cannot be used."""
    if len(header) > MOST_COLUMNS:
        return None
    found: dict[str, int | None] = dict.fromkeys(COLUMNS)
    for number, column in reversed(list(enumerate(header))):
        for field, known in COLUMNS.items():
            if re.sub(r"[\s_.-]", "", column).casefold() in known.split():
                found[field] = number
    if found["name"] is not None:
        found["first_name"] = found["last_name"] = None
    if all(position is None for position in found.values()):
        return None
    kept = len(header) <= MOST_KEPT_COLUMNS and len("".join(header)) <= MOST_KEPT_CHARACTERS
    names = tuple(column.replace("\0", "\ufffd") for column in header) if kept else ()
    return Columns(len(header), header=names, **found)


def outcome_of_row(row: Sequence[str], columns: Columns) -> Outcome:
    """Return what must become of a CSV row."""
    if len(row) != columns.fields:
        return "wrong_field_count"
    cells = list(row)
    if columns.header[:4] == MADE_BY_THE_IMPORTER:
        cells = [without_apostrophes(cell) for cell in row]
    email = None if columns.email is None else cells[columns.email]
    if columns.name is not None:
        return outcome_of(cells[columns.name], email)
    parts = [columns.first_name, columns.last_name]
    return outcome_of(" ".join(cells[part].strip() for part in parts if part is not None), email)


def outcome_of_value(value: object) -> Outcome:
    """Return what must become of a JSON value."""
    if not isinstance(value, dict):
        return "not_an_object"
    return outcome_of(value.get("name"), value.get("email"))


def outcome_of(name: object, email: object) -> Outcome:
    """Return what must become of a record with this name and e-mail address."""
    for value, code in ((name, "name_not_text"), (email, "email_not_text")):
        if not isinstance(value, str | None):
            return code
    name, email = str(name or "").strip(), str(email or "").strip()
    if name == "" and email == "":
        return "no_name_and_no_email"
    for text, longest, code in (
        (name, LONGEST_NAME, "name_too_long"),
        (email, LONGEST_EMAIL, "email_too_long"),
    ):
        if len(text) > longest:
            return code
        if not is_storable(text):
            return "unstorable_text"
    stored = "" if email == "" else stored_email(email)
    return "email_invalid" if stored is None else (name, stored)


def is_storable(text: str) -> bool:
    """Whether Postgres can store it: without NUL and halves of surrogate pairs."""
    return not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text)


def stored_email(email: str) -> str | None:
    """Return an address as it is stored, with its domain in lower case; None if it is invalid."""
    if not email.isascii():
        try:
            return validate_email(email, check_deliverability=False).normalized
        except (EmailNotValidError, UnicodeError):
            return None
    if email.count("@") != 1:
        return None
    local, domain = email.split("@")
    labels = domain.split(".")
    if local == "" or any(letter not in LOCAL_LETTERS for letter in local) or len(labels) < 2:
        return None
    return f"{local}@{domain.lower()}" if all(map(_is_label, labels)) else None


def _is_label(label: str) -> bool:
    letters = LABEL_LETTERS + "-"
    return (
        1 <= len(label) <= LONGEST_LABEL
        and all(letter in letters for letter in label)
        and label[0] != "-"
        and label[-1] != "-"
    )


def without_apostrophes(cell: str) -> str:
    """Return a cell without the apostrophes that keep spreadsheets from taking it for a formula.

    There is one where a cell begins, which for some spreadsheets is also after a tab, a semicolon
    or a line end: before white space and further apostrophes that a formula sign follows. At the
    very start there is also one before apostrophes that a tab or line end follows.
    """
    kept = ""
    for at, letter in enumerate(cell):
        begins = at == 0 or cell[at - 1] in CELL_ENDS
        if not (letter == "'" and begins and _was_marked(cell[at + 1 :], first=at == 0)):
            kept += letter
    return kept


def _was_marked(rest: str, *, first: bool) -> bool:
    after = rest
    while after and (after[0] == "'" or (after[0].isspace() and after[0] not in CELL_ENDS)):
        after = after[1:]
    if after[:1] and after[0] in FORMULA_SIGNS:
        return True
    after_quotes = rest.lstrip("'")
    return first and after_quotes[:1] in ("\t", "\r", "\n")
