"""What all splitters have in common: the protocol, and the text they are made of."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from core.errors import MalformedInputError
from core.formats.encoding import BOM, Utf8Validator, check_encoding
from core.states import Format
from service.splitting.part_cutter import Split

_HEAD_BYTES = 4


class Splitter(ABC):
    """Takes a body piece by piece, gives back the bytes of the object, ends with its parts.

    ``feed`` and ``close`` raise MalformedInputError as soon as the bytes cannot be right.
    """

    format: Format

    def __init__(self) -> None:
        self._utf8 = Utf8Validator()
        self._head: bytes | None = b""
        self._cut = b""
        self._seen = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece; yields what of the body now surely belongs to the object."""
        yield from self._feed_utf8(data)

    def _feed_utf8(self, data: bytes) -> Iterator[bytes]:
        if self._head is not None:
            self._head += data
            if len(self._head) < _HEAD_BYTES:
                return
            data, self._head = self._head, None
            check_encoding(data[:_HEAD_BYTES])
        wrong = self._utf8.first_invalid(data)
        yield from self._pass_bom(self._whole_characters(data, wrong))
        if wrong is not None:
            yield from self._flush()
            raise self._no_utf8(self._seen + wrong)
        self._seen += len(data)

    def close(self) -> Iterator[bytes]:
        """Tell that the body is complete; yields the object's last bytes."""
        if self._head is not None:
            head, self._head = self._head, None
            yield from self._feed_utf8(head)
        if self._cut:
            yield from self._flush()
            raise self._no_utf8(self._seen - len(self._cut))
        yield from self._finish()

    @abstractmethod
    def split(self) -> Split:
        """The object's parts; only after ``close``."""

    @abstractmethod
    def _begin(self, bom: bytes) -> Iterator[bytes]:
        """Take the byte order mark, which may be empty."""

    @abstractmethod
    def _take(self, data: bytes) -> Iterator[bytes]:
        """Take text that is known to be UTF-8, the byte order mark taken off."""

    @abstractmethod
    def _flush(self) -> Iterator[bytes]:
        """Pass on all records that are complete by now, so that their count is right."""

    @abstractmethod
    def _finish(self) -> Iterator[bytes]:
        """Check that nothing is missing."""

    @abstractmethod
    def _record(self) -> int | None:
        """Number of the record that the text has reached; None outside the records."""

    def _whole_characters(self, data: bytes, wrong: int | None) -> bytes:
        """The text before what is wrong, without a last character that is cut in two.

        So a wrong character is found before its grammar is, however the bytes arrive.
        """
        text = self._cut + data
        end = len(text) - self._utf8.pending if wrong is None else len(self._cut) + wrong
        self._cut = text[end:]
        return text[:end]

    def _pass_bom(self, data: bytes) -> Iterator[bytes]:
        if self._seen == 0:
            bom = BOM if data.startswith(BOM) else b""
            yield from self._begin(bom)
            data = data.removeprefix(bom)
        yield from self._take(data)

    def _no_utf8(self, offset: int) -> MalformedInputError:
        record = self._record()
        where = f"At byte {offset}" + (f", record {record}" if record else "")
        return MalformedInputError(
            "invalid_utf8",
            f"{where}: this is no UTF-8. Save the file as UTF-8 and send it again.",
            offset=offset,
            record=record,
        )
