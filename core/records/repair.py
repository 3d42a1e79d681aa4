"""Repairs addresses that are decorated, where nothing is lost by that."""

import re
import unicodedata
from typing import Final, NamedTuple

from core.emails import MAX_EMAIL, is_plain_email, normalised_email
from core.reading.rows import is_no_address

MAX_CELL: Final = 4096
"""Characters of a cell of addresses that is looked at; a longer one is none."""
MAX_ADDRESSES: Final = 50
"""Addresses of a cell that are looked at."""

_X500: Final = "/o="
"""How addresses of Exchange begin."""
_MAILTO: Final = re.compile(r"mailto:\s*([^\"'<>?)\s\\]+)", re.IGNORECASE)
_REMARK: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\s[-\u2013\u2014]\s.*\Z", re.DOTALL)
_is_label: Final = re.compile(r"[^\W\d_][\w .\-]{0,30}").fullmatch
_NEVER_IN_ADDRESS: Final = re.compile(r"[\s<>:;,]")
_SEPARATORS: Final = re.compile(r":::|[\s,;|/]+")
_EDGES: Final = " \t\r\n'\"`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb<>()[]{}.,;:!="
_CONJUNCTIONS: Final = frozenset({"and", "or", "und", "oder", "et", "ou", "y", "o", "e", "&", "i"})


class AddressCell(NamedTuple):
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
    if not plain or plain[:3].lower() == _X500 or ("@" not in plain and is_no_address(plain)):
        return NO_ADDRESS
    if plain.startswith("'") and (email := normalised_email(plain.strip("'"))):
        return AddressCell((email,), is_repaired=True, is_marked_text=True)
    # The full check of others takes long.
    if is_bare(plain) and len(plain) <= MAX_EMAIL and (email := normalised_email(plain)):
        return AddressCell((email,), is_repaired=is_changed)
    if "@" not in plain:
        return UNREADABLE
    if "mailto:" in plain.lower() and (links := _MAILTO.findall(plain)):
        return _cell(links[:MAX_ADDRESSES])
    if "<" in plain:
        return _read_names_and_addresses(plain)
    bare = _without_label(_REMARK.sub(" ", plain))
    texts = [part for part in _SEPARATORS.split(bare) if part][: MAX_ADDRESSES + 1]
    texts = [_without_label(text) for text in texts if not _is_label(text.removesuffix(":"))
             or not text.endswith(":")]  # fmt: skip
    if any("@" not in part and part.casefold() not in _CONJUNCTIONS and part.strip(_EDGES)
           and not is_no_address(part) for part in texts):  # fmt: skip
        return UNREADABLE
    addresses = [part for part in texts if "@" in part]
    cell = _cell(addresses)
    is_clean_list = cell.has_others and bare == plain and all(map(normalised_email, addresses))
    return cell._replace(is_repaired=cell.is_repaired and not is_clean_list)


def is_bare(text: str) -> bool:
    """Return whether a text has no character that decorates or separates addresses."""
    return _NEVER_IN_ADDRESS.search(text) is None


def _without_label(text: str) -> str:
    """Return a text without what stands before its first colon, as in ``E-mail: ada@x.org``."""
    label, colon, rest = text.partition(":")
    is_before_address = colon and "@" in (rest.split(None, 1) or [""])[0]
    return rest.lstrip() if is_before_address and _is_label(label.strip()) else text


def _read_names_and_addresses(text: str) -> AddressCell:
    """Read ``Name <address>``, once or several times."""
    before, *rest = text.split("<", MAX_ADDRESSES + 2)
    name = before.strip(" \t,;").strip('"').strip()
    addresses: list[str] = []
    for each in rest:
        address, closing, after = each.partition(">")
        address = address.strip()
        if not closing or not address or ">" in after or len(address.split()) > 1:
            return UNREADABLE
        addresses.append(address)
    if ">" in before or len(addresses) > MAX_ADDRESSES + 1 or after.strip(_EDGES):
        return UNREADABLE
    cell = _cell(addresses)
    return AddressCell(cell.addresses, "" if "@" in name else name, True, False, cell.has_others)


def _cell(texts: list[str]) -> AddressCell:
    if len(texts) == 1 and texts[0][0].isalnum() and is_plain_email(texts[0]):
        return AddressCell((texts[0],), "", True)  # the usual case
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
