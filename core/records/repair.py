"""Repairs names and addresses that are decorated, where nothing is lost by that."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from core.emails import MAX_EMAIL, normalised_email
from core.reading.rows import is_no_address
from core.records.mojibake import repair_mojibake

MAX_CELL: Final = 4096
"""Characters of a cell of addresses that is looked at; a longer one is none."""
MAX_ADDRESSES: Final = 50
"""Addresses of a cell that are looked at."""

_X500: Final = re.compile(r"/o=", re.IGNORECASE)
_MAILTO: Final = re.compile(r"mailto:\s*([^\"'<>?)\s\\]+)", re.IGNORECASE)
_NAME_AND_ADDRESS: Final = re.compile(r"(?P<name>[^<>]*)<\s*(?P<address>[^<>\s]+)\s*>[\s,;.]*")
_REMARK: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\s[-\u2013\u2014]\s.*\Z", re.DOTALL)
_LABEL: Final = re.compile(r"\s*[^\W\d_][\w .\-]{0,30}:\s*(?=\S+@)")
_SEPARATORS: Final = re.compile(r":::|[\s,;|/]+")
_EDGES: Final = " \t\r\n'\"`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb<>()[]{}.,;:!="
_CONJUNCTIONS: Final = frozenset({"and", "or", "und", "oder", "et", "ou", "y", "o", "e", "&", "i"})
_QUOTES: Final = {"\u201c": "\u201d", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb", '"': '"'}
_LINE_BREAKS: Final = re.compile(r"[ \t]*[\r\n\t\x0b\x0c\u2028\u2029]+[ \t]*")


@dataclass(frozen=True, slots=True)
class AddressCell:
    """What a cell of addresses holds."""

    addresses: tuple[str, ...] = ()
    """The valid ones, normalised, without repetitions."""
    name: str = ""
    """The name that stands before the first address, as in ``Ada Lovelace <ada@example.com>``."""
    is_repaired: bool = False
    """Whether the first address had something around it."""
    is_marked_text: bool = False
    """Whether it has the apostrophe with which spreadsheets mark text."""
    has_others: bool = False
    """Whether there are further addresses, valid or not."""
    is_none: bool = False
    """Whether it stands for no address, such as ``N/A``."""


NO_ADDRESS: Final = AddressCell(is_none=True)
UNREADABLE: Final = AddressCell()


def read_address_cell(text: str) -> AddressCell:  # noqa: PLR0911 -- one for each decoration
    """Return what a cell holds that is not an address as it is; UNREADABLE if that is unclear."""
    if len(text) > MAX_CELL:
        return UNREADABLE
    plain = without_marks(text).strip()
    is_changed = plain != text.strip()
    if not plain or is_no_address(plain) or _X500.match(plain):
        return NO_ADDRESS
    if plain.startswith("'") and (email := normalised_email(plain.strip("'"))):
        return AddressCell((email,), is_repaired=True, is_marked_text=True)
    if len(plain) <= MAX_EMAIL and (email := normalised_email(plain)):
        return AddressCell((email,), is_repaired=is_changed)
    if "@" not in plain:
        return UNREADABLE
    if links := _MAILTO.findall(plain):
        return _cell(links[:MAX_ADDRESSES])
    if "<" in plain:
        return _read_names_and_addresses(plain)
    bare = _LABEL.sub("", _REMARK.sub(" ", plain), count=1)
    texts = [part for part in _SEPARATORS.split(bare) if part][: MAX_ADDRESSES + 1]
    if any("@" not in part and part.casefold() not in _CONJUNCTIONS and part.strip(_EDGES)
           and not is_no_address(part) for part in texts):  # fmt: skip
        return UNREADABLE
    return _cell([part for part in texts if "@" in part])


def _read_names_and_addresses(text: str) -> AddressCell:
    """Read ``Name <address>``, once or several times."""
    found: list[re.Match[str]] = []
    end = 0
    for match in _NAME_AND_ADDRESS.finditer(text):
        if match.start() != end or len(found) > MAX_ADDRESSES:
            return UNREADABLE
        found.append(match)
        end = match.end()
    if not found or text[end:].strip(_EDGES):
        return UNREADABLE
    name = found[0]["name"].strip(" \t,;").strip('"').strip()
    cell = _cell([match["address"] for match in found])
    return AddressCell(
        cell.addresses, "" if "@" in name else name, is_repaired=True, has_others=cell.has_others
    )


def _cell(texts: list[str]) -> AddressCell:
    emails = [normalised_email(text.strip(_EDGES)) for text in texts]
    valid = tuple(dict.fromkeys(email for email in emails if email))
    has_others = len(valid) > 1 or (bool(valid) and None in emails)
    return AddressCell(valid, is_repaired=bool(valid), has_others=has_others)


def without_marks(text: str) -> str:
    """Return a text without characters that have no width, and without NUL at its end."""
    if text.isprintable():
        return text
    text = text.strip("\0")
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def repair_name(text: str, *, is_marked_text: bool = False) -> str:
    """Return a trimmed name without what does not belong to it.

    Removed are quotes around it, characters without width at its ends, NUL at its end, and if
    ``is_marked_text``, the apostrophe with which spreadsheets mark text. Line breaks become blanks.
    A name that was decoded wrongly is decoded again, where that is certain.
    """
    name = text
    if not name.isprintable():
        name = _strip_format_characters(name.strip().strip("\0"))
        name = _LINE_BREAKS.sub(" ", name)
    name = name.strip()
    if name.startswith('="') and name.endswith('"'):
        name = name[1:]
    while len(name) > 2 and name[-1] in _QUOTES.get(name[0], ""):
        inner = name[1:-1]
        if name[0] in inner or name[-1] in inner:
            break
        name = inner.strip()
    if is_marked_text:
        name = name.removeprefix("'").strip()
    return repair_mojibake(name) or name


def _strip_format_characters(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]):
        start += 1
    while end > start and _is_edge(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_edge(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cf"
