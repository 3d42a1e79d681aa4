"""What the name of a column says: which field it holds, and whose."""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from core.reading.header_text import words_of
from core.reading.plan import Field
from core.reading.vocabulary import MAX_WORDS, Meaning, joined, vocabulary


class Strength(IntEnum):
    """How well a name fits; less is better."""

    EXACT = 0
    """It is an entry of the vocabulary."""
    QUALIFIED = 1
    """It has further words that do not matter, such as *your* or *work*."""
    WEAK = 2
    """It names a person only, such as *customer*."""
    LOOSE = 3
    """It has further words that are unknown."""


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """What one name says."""

    field: Field | None = None
    strength: Strength = Strength.LOOSE
    order: int = 0
    """Among names of the same field: the preferred one has the least."""
    later: int = 0
    """1 for second and further addresses, -1 for a primary one."""
    family_name_first: bool = False
    is_ambiguous: bool = False
    """Whether it is one word for *name*, which may also be half of it."""
    is_other: bool = False
    """Whether it belongs to somebody or something else."""

    @property
    def rank(self) -> tuple[int, ...]:
        """Sort key: the best match has the least."""
        if self.field is Field.EMAIL:
            return (self.strength >= Strength.WEAK, self.later, self.strength, self.order)
        return (self.strength >= Strength.WEAK, self.order, self.later, self.strength)


_FIRST_ONES: Final = frozenset(
    joined(words_of(word))
    for word in [
        "primary",
        "main",
        "default",
        "preferred",
        "primär",
        "haupt",
        "principal",
        "principale",
        "główny",
        "hlavní",
        "elsődleges",
        "основной",
        "1",
        "メイン",
        "主要",
    ]
)
_LATER_ONES: Final = frozenset(
    joined(words_of(word))
    for word in [
        "secondary",
        "second",
        "other",
        "alternate",
        "alternative",
        "additional",
        "sekundär",
        "weitere",
        "andere",
        "secondaire",
        "autre",
        "secundario",
        "otro",
        "otra",
        "secondario",
        "altro",
        "secundair",
        "ander",
        "sekundær",
        "anden",
        "dodatkowy",
        "další",
        "másodlagos",
        "дополнительный",
        "другой",
        "ikincil",
        "diğer",
        "その他",
        "其他",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "9",
    ]
)


@lru_cache(maxsize=4096)
def match_header(text: str) -> HeaderMatch:
    """Return what a column's name says; without a field if it is unknown or of something else."""
    words = words_of(text)[: 2 * MAX_WORDS]
    known = vocabulary()
    if not words:
        return HeaderMatch()
    if meanings := known.names.get(joined(words)):
        return _match(meanings[0], words, Strength.EXACT, frozenset())
    phrases = _phrases(words)
    emails = [phrase for phrase in phrases if phrase[2].field is Field.EMAIL]
    if not phrases or joined(words) in known.other:
        return HeaderMatch(is_other=_has_other(words))
    start, end, meaning = emails[-1] if emails else phrases[-1]
    rest = (*words[:start], *words[end:])
    unknown = [word for word in rest if not _is_ignored(word, meaning.field)]
    if unknown and (_has_other(tuple(unknown)) or _has_other(rest)):
        return HeaderMatch(is_other=True)
    if emails and any(_is_name(word) for word in unknown):
        return HeaderMatch(is_other=True)
    strength = Strength.LOOSE if unknown else Strength.QUALIFIED
    return _match(meaning, words[start:end], strength, frozenset(rest))


def _match(
    meaning: Meaning, phrase: tuple[str, ...], strength: Strength, rest: frozenset[str]
) -> HeaderMatch:
    key, is_name = joined(phrase), meaning.field is Field.NAME
    if is_name and key in vocabulary().ignored:
        strength = max(strength, Strength.WEAK)
    return HeaderMatch(
        meaning.field,
        strength,
        meaning.order,
        -1 if rest & _FIRST_ONES else int(bool(rest & _LATER_ONES)),
        meaning.family_name_first,
        is_ambiguous=is_name and len(phrase) == 1 and strength < Strength.WEAK,
    )


def _phrases(words: tuple[str, ...]) -> list[tuple[int, int, Meaning]]:
    """Return the longest entries among the words, in order: start, end and meaning."""
    names = vocabulary().names
    found: list[tuple[int, int, Meaning]] = []
    start = 0
    while start < len(words):
        for end in range(min(len(words), start + MAX_WORDS), start, -1):
            if meanings := names.get(joined(words[start:end])):
                meaning = meanings[0]
                is_weak = meaning.field is Field.NAME and words[start] in vocabulary().ignored
                if not (is_weak and end == start + 1):
                    found.append((start, end, meaning))
                    start = end - 1
                break
        start += 1
    return found


def _is_ignored(word: str, field: Field) -> bool:
    """Return whether a word beside a name of the field does not change its meaning."""
    known = vocabulary()
    if word.isdecimal() or word in known.ignored:
        return True
    meanings = known.names.get(word, ())
    same = {Field.NAME, field} if field is not Field.EMAIL else {field}
    return any(meaning.field in same for meaning in meanings)


def _is_name(word: str) -> bool:
    """Return whether a word beside that of an address says that this is a name."""
    return any(meaning.field is not Field.EMAIL for meaning in vocabulary().names.get(word, ()))


def _has_other(words: tuple[str, ...]) -> bool:
    """Return whether words name somebody or something else than the contact."""
    other = vocabulary().other
    return any(
        joined(words[start:end]) in other
        for start in range(len(words))
        for end in range(start + 1, min(len(words), start + 3) + 1)
    )
