"""Codes of warnings: what happened to a file or its records that the client should know.

A warning never means that a record is missing: that is a rejection or a skipped row.
"""

from typing import Final

# About the file as a whole; from the plan.
ENCODING_GUESSED: Final = "encoding_guessed"
ROWS_ABOVE_HEADER: Final = "rows_above_header"
COLUMN_GUESSED: Final = "column_guessed"
ADDRESSES_UNUSED: Final = "addresses_unused"
"""A column holds addresses, and is not used."""
HEADER_MISSING: Final = "header_missing"

# About records; from their import.
ADDRESS_DROPPED: Final = "address_dropped"
"""What stood in place of the address is none, such as ``N/A``; the person was imported."""
ADDRESS_REPAIRED: Final = "address_repaired"
FURTHER_ADDRESSES: Final = "further_addresses"
"""The record has more addresses than the one that was imported."""
NAME_REPAIRED: Final = "name_repaired"
NAME_BROKEN: Final = "name_broken"
"""The name looks as if it was decoded wrongly before, and could not be repaired."""
NAME_DROPPED: Final = "name_dropped"
"""What stood in place of the name is none, such as ``NULL``."""
ROW_PADDED: Final = "row_padded"
"""The row has fewer fields than the header; the missing ones are empty."""

# Rows that are no records of contacts: counted as skipped.
BLANK_ROW: Final = "blank_row"
REPEATED_HEADER: Final = "repeated_header"
FOOTER: Final = "footer"
SKIPPED_ROWS: Final = frozenset({BLANK_ROW, REPEATED_HEADER, FOOTER})
