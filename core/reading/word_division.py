"""Words in scripts that are written without blanks, divided by the entries of the vocabulary."""

import re
from functools import cache
from typing import Final

from core.reading.people import role_words
from core.reading.vocabulary import vocabulary

_without_blanks: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
).search
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese, and Korean, in which blanks are often left out."""
_MAX_ENTRY: Final = 24
"""Characters of an entry that is looked for in a word."""
_NAME_AFTER_ROLE: Final = {"\u540d": "\u59d3\u540d", "\uba85": "\uc131\uba85"}
"""One character that means a name after a role, as in *attendee name*, with the usual word."""


def divided(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words, those without blanks divided: the longest entry at each place, from the left.

    What is between entries is a word of its own. An entry of one character counts only if it does
    not change the meaning, since it may be a part of any word.
    """
    if not any(map(_without_blanks, words)):
        return words
    return tuple(part for word in words for part in _parts(word))


@cache
def _entries() -> frozenset[str]:
    known = vocabulary()
    longer = {word for word in (*known.names, *known.other, *role_words()) if len(word) > 1}
    return frozenset(longer | known.ignored)


def _parts(word: str) -> list[str]:
    entries = _entries()
    if word in entries or word in vocabulary().names or not _without_blanks(word):
        return [word]
    parts: list[str] = []
    start = unknown = 0
    while start < len(word):
        longest = min(len(word), start + _MAX_ENTRY)
        end = next((end for end in range(longest, start, -1) if word[start:end] in entries), None)
        if end is None and start + 1 == len(word) and parts and parts[-1] in role_words():
            last = _NAME_AFTER_ROLE.get(word[start])
            if last and unknown == start:
                return [*filter(None, parts), last]
        if end is None:
            start += 1
            continue
        parts += [word[unknown:start], word[start:end]]
        start = unknown = end
    return [part for part in (*parts, word[unknown:]) if part]
