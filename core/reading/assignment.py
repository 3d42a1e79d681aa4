"""Which columns or keys hold which field: by their names, checked against their values.

The same rules serve the columns of CSV files and the keys of JSON records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import MalformedInputError
from core.reading.columns import Column, certainty_of, describe, names_of
from core.reading.email_columns import EmailChoice, choose_emails
from core.reading.matching import HeaderMatch
from core.reading.name_columns import NAMES, NameChoice, bare_ordinals, choose_names, named_columns
from core.reading.name_guessing import find_better_names, guess_names
from core.reading.name_values import are_like_names
from core.reading.options import ReadingOptions
from core.reading.people import NOBODY
from core.reading.plan import Certainty, Field, FieldPlaces, PlanWarning
from core.reading.warnings import ADDRESSES_UNUSED, COLUMN_GUESSED, NAMES_UNUSED


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the columns hold."""

    places: FieldPlaces
    certainty: dict[Field, Certainty]
    family_name_first: bool
    warnings: tuple[PlanWarning, ...]


def assign(
    columns: Sequence[Column],
    named: Sequence[tuple[Column, Field]],
    options: ReadingOptions,
) -> Assignment:
    """Return which of the columns hold which field; those that the client has named do.

    Raises MalformedInputError (``email_column_unclear``, ``name_column_unclear``) if there are
    addresses or names, and it is not clear that they are the contacts' own.
    """
    fixed = {column.place for column, _ in named}
    free = [column for column in columns if column.place not in fixed]
    found: dict[Field, Sequence[Column]] = {
        field: [column for column, each in named if each is field] for field in Field
    }
    certainty = {field: Certainty.NAMED for _, field in named}
    guessed: list[Column] = []

    if Field.EMAIL not in certainty and not options.no_email:
        emails = choose_emails(free, named_columns(free))
        found[Field.EMAIL] = emails.columns
        certainty |= _certainty(Field.EMAIL, emails)
        if emails.certainty is Certainty.GUESSED:
            guessed += emails.columns
    used = {column.place for column in found[Field.EMAIL]}
    names = NameChoice()
    if not certainty.keys() & set(NAMES) and not options.no_name:
        free = [column for column in free if column.place not in used]
        email = found[Field.EMAIL][0] if found[Field.EMAIL] else None
        names = _choose_names(free, email, columns)
        for field, candidates in names.found.items():
            found[field] = candidates
            certainty[field] = certainty_of(candidates[0].match)
            if candidates[0].match.field is None:
                certainty[field] = Certainty.GUESSED
                guessed += candidates

    used |= {column.place for field in NAMES for column in found[field]}
    hinted = [
        column
        for column in columns
        if column.match.hint is not None
        and column.place not in used
        and Certainty.NAMED not in certainty.values()
        and are_like_names(column.values)
    ]
    unused = [column for column in columns if column.place not in used and column.is_addresses]
    if options.no_email:
        unused = []
    last = found[Field.LAST_NAME]
    return Assignment(
        FieldPlaces(**{f.value: tuple(column.place for column in found[f]) for f in Field}),
        certainty,
        bool(last) and last[0].match.family_name_first,
        tuple(
            PlanWarning(code, len(about), names_of(about))
            for code, about in (
                (COLUMN_GUESSED, guessed),
                (ADDRESSES_UNUSED, unused),
                (NAMES_UNUSED, [*names.others, *hinted]),
            )
            if about
        ),
    )


def _certainty(field: Field, choice: EmailChoice) -> Mapping[Field, Certainty]:
    return {field: choice.certainty} if choice.columns else {}


def _choose_names(
    free: Sequence[Column], email: Column | None, columns: Sequence[Column]
) -> NameChoice:
    """Return the columns of names by their headers, or else by their values.

    ``columns`` are those that an error lists.
    """
    if people := bare_ordinals(free):
        raise _unclear(columns, people)
    choice = choose_names(free, email)
    if choice.is_unclear:
        raise _unclear(columns, choice.others)
    if email is not None and Field.NAME in choice.found:
        return _checked(choice, free, email, columns)
    if email is None or len(choice.found) > 1:
        return choice
    half = next((each[0] for each in choice.found.values()), None)
    guess = guess_names([each for each in free if each is not half], email, half)
    if guess.unclear:
        raise _unclear(columns, guess.unclear)
    guesses = {field: [column] for field, column in guess.found.items()}
    return NameChoice({**choice.found, **guesses}, [*choice.others, *guess.others])


def _checked(
    choice: NameChoice, free: Sequence[Column], email: Column, columns: Sequence[Column]
) -> NameChoice:
    """Return a choice of full names, or one that fits the addresses much better.

    Names and addresses that are called after the same person are not doubted.
    """
    chosen = choice.found[Field.NAME][0]
    if email.person in {chosen.person, replace(chosen.person, number=0)} - {NOBODY}:
        return choice
    halves = {each.place for found in choice.found.values() for each in found}
    rivals = [each for each in free if each.place not in halves and not each.match.is_other]
    guess = find_better_names(chosen, rivals, email)
    if guess.unclear:
        raise _unclear(columns, guess.unclear)
    if not guess.found:
        return choice
    better = replace(guess.found[Field.NAME], match=HeaderMatch())
    others = [each for each in choice.others if each.place != better.place]
    return NameChoice({Field.NAME: [better]}, others)


def _unclear(columns: Sequence[Column], others: Sequence[Column]) -> MalformedInputError:
    listed = ", ".join(f'"{name}"' for name in names_of(others[:5]))
    example = others[0].map or others[0].name
    return MalformedInputError(
        "name_column_unclear",
        f"There may be names in {listed}, but it is not clear that they are the contacts' own. Say "
        f"which column holds the name, such as ?map={example}:name, or import without: ?name=none.",
        columns=describe(columns),
    )
