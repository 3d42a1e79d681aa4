"""How the rows of a CSV file are written."""

import re
from typing import Any, Final

import msgspec

_is_delimiter: Final = re.compile(r"[\t!#-/:-@[-`{-~]").fullmatch


class CsvDialect(msgspec.Struct, frozen=True, omit_defaults=True):
    """The delimiter and the quotes of a CSV file; by default those of RFC 4180."""

    delimiter: str = ","
    quote: str = '"'
    """``"`` or ``'``."""
    backslash_escapes: bool = False
    r"""Whether ``\"`` in a quoted field is a quote."""
    skip_initial_space: bool = False
    """Whether a quote after a delimiter and blanks opens a quoted field."""

    def options(self) -> dict[str, Any]:
        """Return the arguments for csv.reader, which sees a text after ``replace_escapes``."""
        return {
            "delimiter": self.delimiter,
            "quotechar": self.quote,
            "skipinitialspace": self.skip_initial_space,
        }


def is_delimiter(text: str) -> bool:
    """Whether this can separate fields: one ASCII punctuation mark except the quote, or a tab."""
    return _is_delimiter(text) is not None
