"""The Range header, in the only form that Storage accepts."""

import re
from dataclasses import dataclass

from embedded.storage import errors

FORM = re.compile(r"bytes=(?P<first>\d{0,1000})-(?P<last>\d{0,1000})", re.ASCII)


@dataclass(frozen=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.last - self.first + 1


def parse_range(header: str, size: int) -> ByteRange:
    """Return the range within an object of that size. Raises StorageError if it is outside."""
    match = FORM.fullmatch(header)
    if match is None or not (match["first"] or match["last"]):
        raise errors.invalid_range()
    wanted = _bounds(match["first"], match["last"], size)
    if not 0 <= wanted.first <= wanted.last or wanted.first >= size:
        raise errors.invalid_range()
    return ByteRange(wanted.first, min(wanted.last, size - 1))


def _bounds(first: str, last: str, size: int) -> ByteRange:
    if not first:  # the last so many bytes
        return ByteRange(max(size - int(last), 0), size - 1)
    return ByteRange(int(first), int(last) if last else size - 1)
