"""Rows of a CSV file that are no records of contacts: its header once more, totals and notes."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from core.reading.header_text import words_of
from core.reading.plan import ReadingPlan
from core.reading.rows import is_count, is_footer, is_repeated_header
from core.reading.vocabulary import vocabulary
from core.reading.warnings import FOOTER, REPEATED_HEADER

_UNITS: Final = (("eur",), ("usd",), ("gbp",))
"""Names that may be an amount of money in the eyes of ``is_footer``."""
_MAX_WORD: Final = 40
"""Letters of the first word of a name that is looked at."""
_MAX_WORDS: Final = 4096
"""First words about which the decision is kept."""


class SkippedRows:
    """Finds rows that are no records. A row with an address is always one."""

    def __init__(self, plan: ReadingPlan) -> None:
        """Only a file with e-mails has footers: elsewhere a name may look like one.

        Counts such as ``400 members`` look like no name.
        """
        self._header = plan.header if plan.has_header else ()
        self._has_emails = bool(plan.places.email)
        texts = [words_of(name) for name in self._header]
        if self._has_emails:
            texts += [*vocabulary().footers, *vocabulary().counted, *_UNITS]
        self._first_words = frozenset(words[0] for words in texts if words)
        self._may_begin_one = lru_cache(_MAX_WORDS)(self._is_suspect)

    def code(self, row: Sequence[str]) -> str | None:
        """Return why a row without an address is no record; None if it is one."""
        if self._header and is_repeated_header(row, self._header):
            return REPEATED_HEADER
        is_none = is_footer(row) if self._has_emails else is_count(row)
        return FOOTER if is_none else None

    def suspects(self, names: Sequence[str], emails: Sequence[str]) -> set[int]:
        """Return the positions of rows that may be none, by the first words of their names.

        A footer has no name beside its words, or one without letters.
        """
        if self._has_emails and "" not in emails:
            return set()
        may_begin_one = self._may_begin_one
        return {
            at
            for at, email in enumerate(emails)
            if not email and may_begin_one(names[at].partition(" ")[0])
        }

    def may_be_one(self, name: str) -> bool:
        """Return whether a row with this name and without an address may be no record."""
        return self._may_begin_one(name.partition(" ")[0])

    def _is_suspect(self, word: str) -> bool:
        """Return whether the first word of a name may be that of a footer or of the header."""
        if len(word) > _MAX_WORD or not word.isalpha():
            return True
        words = words_of(word)
        return not words or words[0] in self._first_words
