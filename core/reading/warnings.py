"""Codes of warnings: what happened to a file or its records that the client should know.

A warning never means that a record is missing: that is a rejection or a skipped row.
"""

from typing import Final

MAX_WARNED_RECORDS: Final = 5
"""Records whose numbers are kept of each warning."""

# About the file as a whole; from the plan.
ENCODING_GUESSED: Final = "encoding_guessed"
ROWS_ABOVE_HEADER: Final = "rows_above_header"
COLUMN_GUESSED: Final = "column_guessed"
ADDRESSES_UNUSED: Final = "addresses_unused"
"""A column holds addresses, and is not used."""
NAMES_UNUSED: Final = "names_unused"
"""A column holds names of other people than the contacts, and is not used."""

# About records; from their import.
ADDRESS_DROPPED: Final = "address_dropped"
"""What stood in place of the address is none, such as ``N/A``, or one of several is invalid."""
ADDRESS_REPAIRED: Final = "address_repaired"
FURTHER_ADDRESSES: Final = "further_addresses"
"""The record has more addresses than the one that was imported."""
NAME_REPAIRED: Final = "name_repaired"
NAME_BROKEN: Final = "name_broken"
"""The name looks as if it was decoded wrongly before, and could not be repaired."""
NAME_DROPPED: Final = "name_dropped"
"""What stood in place of the name is none, such as ``NULL``."""
CELLS_MISSING: Final = "cells_missing"
"""The row ends before the cells of the name or of the address, or has no address and ends early:
it may be half of a row that was broken in two."""
QUOTES_GUESSED: Final = "quotes_guessed"
"""The quotes of the row are not those of CSV; its fields are the most likely ones."""

# Rows that are no records of contacts: counted as skipped.
BLANK_ROW: Final = "blank_row"
REPEATED_HEADER: Final = "repeated_header"
FOOTER: Final = "footer"
SKIPPED_ROWS: Final = frozenset({BLANK_ROW, REPEATED_HEADER, FOOTER})

MESSAGES: Final = {
    ENCODING_GUESSED: "The file does not name its encoding, and it was guessed. Look at names with "
    "foreign letters; if they are wrong, send the file again with its encoding named.",
    ROWS_ABOVE_HEADER: "Rows above the names of the columns were skipped.",
    COLUMN_GUESSED: "The names of these columns are not known, and they were taken for what their "
    "values look like. Name others with map if they are the wrong ones.",
    ADDRESSES_UNUSED: "These columns hold addresses and were not used. Name one with map if it is "
    "the contacts' own.",
    NAMES_UNUSED: "These columns hold names of other people in the records and were not used. Name "
    "one with map if it is the contacts' own.",
    ADDRESS_DROPPED: "What stood in place of an address is none, or one of several addresses is "
    "invalid; these people were imported without it.",
    ADDRESS_REPAIRED: "Characters around an address were removed, such as those of a link.",
    FURTHER_ADDRESSES: "These records have several addresses; only the first valid one was "
    "imported.",
    NAME_REPAIRED: "Characters that do not belong to a name were removed, or a name that was "
    "decoded wrongly before was put right.",
    NAME_BROKEN: "These names look as if they were decoded wrongly before. Correct them in the "
    "program that wrote the file.",
    NAME_DROPPED: "What stood in place of a name is none, such as NULL; these contacts were "
    "imported without a name.",
    CELLS_MISSING: "These rows have fewer cells than the header and no e-mail, or end before the "
    "columns of the name; missing cells were read as empty. If a cell has a line break, quote it.",
    QUOTES_GUESSED: "The quotes of these rows are not those of CSV, and where their fields end was "
    "guessed. Double each quote inside a field.",
    BLANK_ROW: "Blank rows.",
    REPEATED_HEADER: "Rows that repeat the names of the columns.",
    FOOTER: "Totals and notes, which are no records.",
}
"""What each code means, and what to do; those of skipped rows, what they are."""
