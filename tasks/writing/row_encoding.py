"""A batch as the text that Postgres reads."""

import itertools
import secrets
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from core.ids import contact_id_prefix
from tasks.importing.models import Batch, PartWork

_UNIT_SEPARATOR: Final = "\x1f"
_TAILS: Final = tuple(f"{number:03x}" for number in range(0x1000))
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def as_fields(batch: Batch, work: PartWork, **more: Any) -> bytes:  # noqa: ANN401
    """The text of the SQL functions ``write_contacts`` and ``insert_apart``.

    ``more`` is what else they are told: ``finish``, the counts of a part that ends with this batch;
    ``row_errors``, what the SQLSTATEs begin with that blame a row.
    """
    delimiter, fields = _joined([*batch.names, *batch.emails])
    head = {
        "import": str(work.import_id),
        "part": work.part.part,
        "attempt": str(work.attempt.id),
        "prefix": contact_id_prefix(work.import_id),
        "first_record": batch.first_record,
        "source": work.source,
        "delimiter": delimiter,
        **more,
    }
    return b"%b\n%b" % (msgspec.json.encode(head), fields.encode())


def _joined(fields: list[str]) -> tuple[str, str]:
    """The fields, and what stands between them and in none of them."""
    delimiter, text = _UNIT_SEPARATOR, _UNIT_SEPARATOR.join(fields)
    while text.count(delimiter) >= len(fields):
        delimiter = _UNIT_SEPARATOR + secrets.token_hex(8)
        text = delimiter.join(fields)
    return delimiter, text


def as_copy_rows(batch: Batch, prefix: str, source: str) -> bytes:
    """Rows ``id, name, email, source`` in COPY's text format, of which NULL is the empty text.

    (https://www.postgresql.org/docs/current/sql-copy.html, "Text Format")
    """
    source = source.translate(_ESCAPES)
    names, emails = _escaped(batch.names), _escaped(batch.emails)
    # Each row ends where the next one's id begins: so all cells can be joined in one go.
    ids = _ids(f"{source}\n{prefix}", batch.numbers)
    if "" in names and ("", "") in zip(names, emails, strict=True):
        is_contact = [bool(name or email) for name, email in zip(names, emails, strict=True)]
        ids, names, emails = (
            list(itertools.compress(column, is_contact)) for column in (ids, names, emails)
        )
    cells = [""] * (3 * len(ids))
    cells[0::3], cells[1::3], cells[2::3] = ids, names, emails
    text = "\t".join(cells).removeprefix(f"{source}\n")
    return f"{text}\t{source}\n".encode()


def _ids(prefix: str, numbers: range) -> list[str]:
    """``f"{prefix}{number:09x}"`` for each number, at a third of the time."""
    ids: list[str] = []
    for head in range(numbers.start >> 12, (numbers.stop - 1 >> 12) + 1):
        tails = _TAILS[max(0, numbers.start - (head << 12)) : numbers.stop - (head << 12)]
        ids += _appended(f"{prefix}{head:06x}", tails)
    return ids


def _appended(head: str, tails: Iterable[str]) -> list[str]:
    return [head + tail for tail in tails]


def _escaped(values: list[str]) -> list[str]:
    text = "".join(values)
    if not any(char in text for char in "\\\t\n\r"):
        return values
    return [value.translate(_ESCAPES) for value in values]
