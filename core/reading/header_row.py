"""Where the header of a CSV file is: the row whose cells are known, perhaps with a second one.

Forms write a question in one row and its parts in the next; spreadsheets write a group of columns
in one row, such as *Buyer*, and the columns of each group below it. The two rows are one header.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.reading.columns import is_address
from core.reading.header_text import words_of
from core.reading.matching import Strength, match_header
from core.reading.people import number_of, role_of
from core.reading.plan import Field
from core.reading.vocabulary import joined

_SCORED_COLUMNS: Final = 300
"""Columns of a row that are compared with the vocabulary."""
_RESPONSES: Final = frozenset(
    joined(words_of(word))
    for word in (
        *("Response", "Open-Ended Response", "Text", "Answer", "Antwort", "Offene Antwort"),
        *("Réponse", "Réponse ouverte", "Respuesta", "Respuesta abierta", "Resposta", "Risposta"),
    )
)
"""What stands below a question that has no parts."""


@dataclass(frozen=True, slots=True)
class HeaderRow:
    """The row that is most likely the header, as the names of the columns."""

    at: int = 0
    """Position of its last row."""
    first: int = 0
    """Position of its first row."""
    names: Sequence[str] = ()
    score: float = 0
    """How well its cells are known as names of columns."""


def find_header(rows: Sequence[Sequence[str]], named: set[str]) -> HeaderRow:
    """Return the header among the first rows of a file.

    ``named`` are names of columns that the client has named.
    """
    scores = _scores(rows, named)
    at = max(scores, key=lambda each: (scores[each], -each), default=0)
    # Two rows of names, one below the other, are labels and internal names: the first one counts.
    above = at - 1
    while above in scores and scores[above] >= max(2, scores[at] - 1):
        at, above = above, above - 1
    score = scores.get(at, 0)
    if not rows or not score:
        return HeaderRow(at, at, rows[at] if rows else (), score)
    below = rows[at + 1] if at + 1 < len(rows) else ()
    if _is_second_row(rows[at], below) and any(map(_has_address, rows[at + 2 :])):
        return HeaderRow(at + 1, at, _joined_rows(rows[at], below), score)
    if at and _is_second_row(rows[at - 1], rows[at]) and sum(map(bool, rows[at - 1])) > 1:
        return HeaderRow(at, at - 1, _joined_rows(rows[at - 1], rows[at]), score)
    if at and _is_row_of_groups(rows[at - 1], rows[at]):
        names = _grouped(rows[at - 1], rows[at])
        return HeaderRow(at, at - 1 if names != rows[at] else at, names, score)
    return HeaderRow(at, at, rows[at], score)


def _scores(rows: Sequence[Sequence[str]], named: set[str]) -> dict[int, float]:
    """Return for each row that may be the header how well its cells are known.

    A row with an address is a person, and no header is below it, unless a blank line divides the
    two like two tables. The first row may be the header in any case.
    """
    scores: dict[int, float] = {}
    is_below_people = False
    for at, row in enumerate(rows):
        if not any(cell.strip() for cell in row):
            is_below_people = False
        elif _has_address(row):
            is_below_people = True
            if not scores:
                scores[at] = 0
        elif not is_below_people:
            scores[at] = _score(row, named)
    return scores


def _score(row: Sequence[str], named: set[str]) -> float:
    """Return how many fields the cells of a row name; addresses count twice."""
    best: dict[Field, float] = {}
    for cell in row[:_SCORED_COLUMNS]:
        match = match_header(cell)
        if match.field is not None:
            weight = 1.0 if match.strength < Strength.WEAK else 0.5
            weight *= 2 if match.field is Field.EMAIL else 1
            best[match.field] = max(best.get(match.field, 0), weight)
    return sum(best.values()) + 3 * sum(cell.strip() in named for cell in row)


def _has_address(row: Sequence[str]) -> bool:
    return any(map(is_address, row))


def _is_second_row(header: Sequence[str], row: Sequence[str]) -> bool:
    """Return whether a row below the header has the parts of its questions.

    Each of its cells is a known name, or says that the question has no parts, and some are empty:
    the questions above those are whole.
    """
    filled = [cell for cell in row[:_SCORED_COLUMNS] if cell.strip()]
    if not 2 <= len(filled) < len(row) <= _SCORED_COLUMNS or _has_address(row):
        return False
    if not all(_is_response(cell) or _is_known(cell) for cell in filled):
        return False
    if not any(_is_response(cell) or match_header(cell).field for cell in filled):
        return False
    pairs = zip(header, row, strict=False)
    return all(
        not below.strip() or _is_response(below) or _may_have_parts(above) for above, below in pairs
    )


def _may_have_parts(cell: str) -> bool:
    """Return whether a question may have parts: a name has, a known other column has not."""
    field = match_header(cell).field
    return field is None or field is Field.NAME


def _is_response(cell: str) -> bool:
    return joined(words_of(cell)) in _RESPONSES


def _is_known(cell: str) -> bool:
    match = match_header(cell)
    return match.is_other or (match.field is not None and match.strength is not Strength.LOOSE)


def _joined_rows(header: Sequence[str], row: Sequence[str]) -> list[str]:
    """Return the parts of the questions, or the questions that have none."""
    width = max(len(header), len(row))
    above, below = ([*cells, *[""] * (width - len(cells))] for cells in (header, row))
    return [
        part if part.strip() and not _is_response(part) else question
        for question, part in zip(above, below, strict=True)
    ]


def _is_row_of_groups(row: Sequence[str], header: Sequence[str]) -> bool:
    """Return whether the row above a header divides its columns into groups of the same names."""
    groups = [cell for cell in row[:_SCORED_COLUMNS] if cell.strip()]
    names = Counter(words_of(cell) for cell in header[:_SCORED_COLUMNS] if cell.strip())
    is_repeated = any(count > 1 for count in names.values())
    return is_repeated and len(groups) > 1 and not _has_address(row)


def _grouped(row: Sequence[str], header: Sequence[str]) -> list[str]:
    """Return names that occur several times with that of their group before them."""
    names = Counter(map(words_of, header))
    group, grouped = "", []
    for at, name in enumerate(header):
        if at < len(row) and row[at].strip():
            group = row[at].strip()
        words = words_of(group)
        is_of_somebody = match_header(group).is_other or role_of(words) or number_of(words)
        is_repeated = name.strip() and names[words_of(name)] > 1
        grouped.append(f"{group} {name}" if is_repeated and is_of_somebody else name)
    return grouped
