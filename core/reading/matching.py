"""What the name of a column says: which field it holds, and whose."""

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final

from core.reading.header_text import remark_of, words_of
from core.reading.people import NOBODY, Person, number_of, ordinals, role_of, role_words
from core.reading.plan import Field
from core.reading.vocabulary import MAX_WORDS, Meaning, joined, vocabulary
from core.reading.word_division import divided


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
    person: Person = NOBODY
    """Whose it is."""
    is_ambiguous: bool = False
    """Whether it is one word for *name*, which may also be half of it."""
    is_other: bool = False
    """Whether it belongs to somebody or something else."""
    unknown: frozenset[str] = frozenset()
    """Words beside a known name that are not known: two columns with the same are of one person."""
    hint: Field | None = None
    """Field that it might hold if the unknown words did not change its meaning."""

    @property
    def rank(self) -> tuple[int, ...]:
        """Sort key: the best match has the least."""
        if self.field is Field.EMAIL:
            return (self.strength >= Strength.WEAK, self.later, self.strength, self.order)
        return (self.strength >= Strength.WEAK, self.order, self.later, self.strength)


_FIRST_ONES: Final = frozenset(
    joined(words_of(word))
    for word in (
        *("primary", "main", "default", "preferred", "1", "primär", "primäre", "haupt"),
        *("principal", "principale", "primario", "główny", "hlavní", "elsődleges", "основной"),
        *("メイン", "主要"),
    )
)
"""Words of an address that is preferred."""
_LATER_ONES: Final = frozenset(
    joined(words_of(word))
    for word in (
        *("secondary", "second", "other", "alternate", "alternative", "additional", "weitere"),
        *("2", "3", "4", "5", "6", "7", "8", "9", "sekundär", "sekundäre", "andere", "secondaire"),
        *("autre", "secundario", "secundário", "otro", "otra", "outro", "secondario", "altro"),
        *("secundair", "ander", "sekundær", "anden", "dodatkowy", "další", "másodlagos", "egyéb"),
        *("дополнительный", "другой", "ikincil", "diğer", "その他", "其他"),
    )
)
"""Words of a further address."""
_SUFFIXES: Final = frozenset(
    (*("st", "nd", "rd", "th", "er", "re", "ere", "e"), *("eme", "nde", "o", "a", "te", "ter"))
)
"""What makes a number an ordinal, as in *2nd* and *1º*."""
_ONLY_ALONE: Final = frozenset({"first", "last", "family", "sn", "f name", "l name", "mail"})
"""Entries that mean something else beside other words, such as *last active*."""
_IDENTIFIERS: Final = frozenset(
    {"username", "loginname", "screenname", "signinname", "samaccountname", "nutzername"}
    | {"benutzername", "gebruikersnaam", "nomdutilisateur", "nombredeusuario", "nomeutente"}
    | {"nomedousuario", "brugernavn", "brukernavn", "anvandarnamn", "nazwauzytkownika"}
    | {"имяпользователя", "用户名", "ユーザー名", "사용자이름", "使用者名稱"}
)
"""Names of accounts, without blanks: no names of people, though some are their addresses."""


@lru_cache(maxsize=4096)
def match_header(text: str) -> HeaderMatch:  # noqa: PLR0911 -- a return for each kind of name
    """Return what a column's name says; without a field if it is unknown or of something else."""
    words = _with_numbers(divided(words_of(text))[: 2 * MAX_WORDS])
    known = vocabulary()
    person = Person(role_of(words), number_of(words))
    if not words:
        return HeaderMatch()
    if joined(words) in _IDENTIFIERS:  # but it is a name in "User Name (Original Name)"
        return match_header(" ".join(remark_of(text)))
    for key in (joined((*remark_of(text), *words)), joined(words)):  # as for "Name (First)"
        if meanings := known.names.get(key):
            return _match(meanings[0], words, Strength.EXACT, frozenset(), person)
    if (numbered := _numbered_person(words, person)) is not None:
        return numbered
    phrases = _phrases(words)
    emails = [phrase for phrase in phrases if phrase[2].field is Field.EMAIL]
    if not phrases or _has_other(words, at_least=2):
        return HeaderMatch(is_other=_has_other(words))
    start, end, meaning = emails[-1] if emails else phrases[-1]
    known_words = {at for a, b, each in phrases if _is_same(each, meaning) for at in range(a, b)}
    rest = tuple(word for at, word in enumerate(words) if at not in known_words)
    unknown = [word for word in rest if not _is_ignored(word, meaning.field)]
    if unknown and (_has_other(tuple(unknown)) or _has_other(rest)):
        return HeaderMatch(is_other=True)
    if emails and any(_is_name(word) for word in unknown):
        return HeaderMatch(is_other=True)
    if unknown and not emails:
        # Such as a product's name, or a person's, in words that are not known.
        return HeaderMatch(hint=meaning.field, unknown=frozenset(unknown), person=person)
    strength = Strength.LOOSE if unknown else Strength.QUALIFIED
    person = replace(person, number=person.number or _number_in_words(rest))
    match = _match(meaning, words[start:end], strength, frozenset(rest), person)
    return replace(match, unknown=frozenset(unknown))


def _with_numbers(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words with a number for *first* in *First Guest*, and for *1st*.

    Such a word is of a person if a word for people follows; *First Name* is half a name, but *First
    Email* is the first of several.
    """
    numbered = list(words)
    for at, (word, following) in enumerate(pairwise(words)):
        is_of_person = _is_person(following) or (at == 0 and _is_email(words[1:]))
        if word in ordinals() and is_of_person:
            numbered[at] = str(ordinals()[word])
        elif word in _SUFFIXES and _is_person(following) and at and words[at - 1].isdecimal():
            numbered[at] = ""
    return tuple(filter(None, numbered))


def _numbered_person(words: tuple[str, ...], person: Person) -> HeaderMatch | None:
    """Return the match of one of several people, such as *Guest 1* or *secondary contact*.

    None if the words say more or less than that.
    """
    number = person.number or _number_in_words(words)
    marks = _FIRST_ONES | _LATER_ONES
    rest = tuple(word for word in words if not word.isdecimal() and word not in marks)
    if not number or len(rest) != 1 or not _is_person(rest[0]) or _has_other(words):
        return None
    order = next((each.order for each in vocabulary().names.get(rest[0], ())), 0)
    return HeaderMatch(Field.NAME, Strength.WEAK, order, person=replace(person, number=number))


def _is_person(word: str) -> bool:
    """Return whether a word names a person only, such as *guest* or *contact*."""
    if word in role_words():
        return True
    meanings = vocabulary().names.get(word, ())
    return word in vocabulary().ignored and any(each.field is Field.NAME for each in meanings)


def _number_in_words(words: tuple[str, ...]) -> int:
    """Return 1 for *primary*, 2 for *secondary* and the like, else 0."""
    return 1 if _FIRST_ONES & {*words} else 2 if _LATER_ONES & {*words} else 0


def _match(
    meaning: Meaning,
    phrase: tuple[str, ...],
    strength: Strength,
    rest: frozenset[str],
    person: Person,
) -> HeaderMatch:
    key, is_name = joined(phrase), meaning.field is Field.NAME
    if meaning.is_weak or (is_name and key in vocabulary().ignored):
        strength = max(strength, Strength.WEAK)
    return HeaderMatch(
        meaning.field,
        strength,
        meaning.order,
        -1 if rest & _FIRST_ONES else int(bool(rest & _LATER_ONES)),
        meaning.family_name_first,
        person=person,
        is_ambiguous=is_name and len(phrase) == 1 and strength < Strength.WEAK,
    )


def _is_same(phrase: Meaning, chosen: Meaning) -> bool:
    """Return whether a further phrase does not contradict the chosen one."""
    return phrase.field in {
        chosen.field,
        *({Field.NAME} if chosen.field is not Field.EMAIL else ()),
    }


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
                key = joined(words[start:end])
                is_last_mail = key == "mail" and end == len(words)
                is_only_alone = key in _ONLY_ALONE and not is_last_mail
                if not (end == start + 1 and (is_weak or is_only_alone)):
                    found.append((start, end, meaning))
                    start = end - 1
                break
        start += 1
    return found


def _is_ignored(word: str, field: Field) -> bool:
    """Return whether a word beside a name of the field does not change its meaning."""
    known = vocabulary()
    if word.isdecimal() or word in known.ignored or word in role_words():
        return True
    meanings = known.names.get(word, ())
    same = {Field.NAME, field} if field is not Field.EMAIL else {field}
    return any(meaning.field in same for meaning in meanings)


def _is_email(words: tuple[str, ...]) -> bool:
    """Return whether words are a name of a column of addresses."""
    meanings = vocabulary().names.get(joined(words), ())
    return any(meaning.field is Field.EMAIL for meaning in meanings)


def _is_name(word: str) -> bool:
    """Return whether a word beside that of an address says that this is a name."""
    return any(meaning.field is not Field.EMAIL for meaning in vocabulary().names.get(word, ()))


def _has_other(words: tuple[str, ...], at_least: int = 1) -> bool:
    """Return whether words name somebody or something else than the contact.

    ``at_least`` is of how many words an entry has to be.
    """
    other = vocabulary().other
    return any(
        joined(words[start:end]) in other
        for start in range(len(words))
        for end in range(start + at_least, min(len(words), start + 3) + 1)
    )
