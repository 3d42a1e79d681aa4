"""The interface of all splitters, and the UTF-8 check that they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from core.errors import MalformedInputError
from core.formats.encoding import BOM, Utf8Validator, check_encoding
from core.states import Format
from service.splitting.part_cutter import Split

_HEAD_BYTES = 4


class Splitter(ABC):
    """Takes a body in pieces, yields the bytes of the object, and knows its parts at the end.

    ``feed`` and ``close`` raise MalformedInputError as soon as the bytes cannot be right. The
    result does not depend on how the body is cut into pieces.
    """

    format: Format
    source: str | None = None
    """The source that is named in the data; known after ``close``."""

    def __init__(self) -> None:
        self._utf8 = Utf8Validator()
        self._head: bytes | None = b""
        """The first bytes, until there are enough to recognise an encoding."""
        self._cut_character = b""
        """The beginning of a character that the last piece ended in."""
        self._checked_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece; yields bytes of the object as soon as they are certain."""
        yield from self._feed_utf8(data)

    def close(self) -> Iterator[bytes]:
        """End the body; yields the last bytes of the object."""
        if self._head is not None:
            head, self._head = self._head, None
            yield from self._feed_utf8(head)
        if self._cut_character:
            yield from self._flush()
            raise self._invalid_utf8(self._checked_bytes - len(self._cut_character))
        yield from self._finish()

    @abstractmethod
    def split(self) -> Split:
        """Return the object's parts; only after ``close``."""

    @abstractmethod
    def _begin(self, bom: bytes) -> Iterator[bytes]:
        """Take the byte order mark, which may be empty."""

    @abstractmethod
    def _take(self, data: bytes) -> Iterator[bytes]:
        """Take UTF-8 text of whole characters, without the byte order mark."""

    @abstractmethod
    def _flush(self) -> Iterator[bytes]:
        """Yield all records that are complete, so that their count is right in an error."""

    @abstractmethod
    def _finish(self) -> Iterator[bytes]:
        """Yield the last bytes of the object; raise MalformedInputError if something is missing."""

    @abstractmethod
    def _record(self) -> int | None:
        """Return the number of the record that the text has reached; None outside the records."""

    def _feed_utf8(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            self._head += data
            if len(self._head) < _HEAD_BYTES:
                return
            data, self._head = self._head, None
            check_encoding(data[:_HEAD_BYTES])
        wrong = self._utf8.first_invalid(data)
        text = self._whole_characters(data, wrong)
        if self._checked_bytes == 0:
            bom = BOM if text.startswith(BOM) else b""
            yield from self._begin(bom)
            text = text.removeprefix(bom)
        yield from self._take(text)
        if wrong is not None:
            yield from self._flush()
            raise self._invalid_utf8(self._checked_bytes + wrong)
        self._checked_bytes += len(data)

    def _whole_characters(self, data: bytes, wrong: int | None) -> bytes:
        """Return the text before the first wrong byte, without a last character that is cut.

        So an invalid character is reported before the grammar around it is, however it is cut.
        """
        text = self._cut_character + data
        cut = len(self._cut_character)
        end = len(text) - self._utf8.pending if wrong is None else cut + wrong
        self._cut_character = text[end:]
        return text[:end]

    def _invalid_utf8(self, offset: int) -> MalformedInputError:
        record = self._record()
        where = f"At byte {offset}" + (f", record {record}" if record else "")
        return MalformedInputError(
            "invalid_utf8",
            f"{where}: this is not UTF-8. Save the file as UTF-8 and send it again.",
            offset=offset,
            record=record,
        )
