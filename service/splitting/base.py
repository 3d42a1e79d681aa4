"""The interface of all splitters, with the transcoding and the UTF-8 check that they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from core.errors import MalformedInputError
from core.formats.encoding import BOM, Utf8Validator
from core.reading.plan import ReadingPlan
from core.states import Format
from service.splitting.part_cutter import Encoding, PartCutter, Split
from service.splitting.transcoding import Transcoder

UTF_8 = "utf-8"


class Splitter(ABC):
    """Takes a body in pieces, yields the bytes of the object, and knows its parts at the end.

    The object is UTF-8, whatever the encoding of the body. ``feed`` and ``close`` raise
    MalformedInputError as soon as the bytes cannot be right. The result does not depend on how the
    body is cut into pieces.
    """

    format: Format
    source: str | None = None
    """The source that is named in the data; known after ``close``."""

    def __init__(self, plan: ReadingPlan, transcoder: Transcoder) -> None:
        self._plan = plan
        self._transcoder = transcoder
        self._utf8 = Utf8Validator()
        self._has_begun = False
        self._cut_character = b""
        """The beginning of a character that the last piece ended in."""
        self._checked_bytes = 0

    def begins_slowly(self, data: bytes) -> bool:
        """Return whether the first step with this piece, or at the end, may take long.

        That is where the first foreign letter comes late, and decides about the encoding.
        """
        return self._transcoder.may_decide(data)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece; yields bytes of the object as soon as they are certain."""
        yield from self._feed_text(*self._transcoder.read(data))

    def close(self) -> Iterator[bytes]:
        """End the body; yields the last bytes of the object."""
        yield from self._feed_text(*self._transcoder.read(b"", final=True))
        if not self._has_begun:
            yield from self._begin(b"")
        if self._cut_character:
            yield from self._flush()
            raise self._invalid_utf8(self._checked_bytes - len(self._cut_character))
        yield from self._finish()

    @abstractmethod
    def split(self) -> Split:
        """Return the object's parts; before ``close``, those of the records so far."""

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

    def _feed_text(self, text: bytes, is_invalid: bool) -> Iterator[bytes]:
        """Take transcoded text; ``is_invalid`` is whether what follows it is not in its encoding.

        The offset of that error is the one in UTF-8.
        """
        yield from self._feed_utf8(text)
        if is_invalid:
            yield from self._flush()
            encoding = self._transcoder.encoding
            raise self._invalid(
                "invalid_text",
                self._checked_bytes,
                f"this is not {encoding}, or not certainly. Name the encoding, as in ?encoding="
                f"windows-1252, or save the file as {UTF_8}.",
            )

    def _feed_utf8(self, data: bytes) -> Iterator[bytes]:
        wrong = self._utf8.first_invalid(data)
        text = self._whole_characters(data, wrong)
        if text and not self._has_begun:
            self._has_begun = True
            bom = BOM if text.startswith(BOM) else b""
            yield from self._begin(bom)
            text = text.removeprefix(bom)
        if text:
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
        detail = "this is not UTF-8. Save the file as UTF-8 and send it again."
        return self._invalid("invalid_utf8", offset, detail)

    def _invalid(self, code: str, offset: int, detail: str) -> MalformedInputError:
        record = self._record()
        where = f"At byte {offset}" + (f", record {record}" if record else "")
        return MalformedInputError(code, f"{where}: {detail}", offset=offset, record=record)

    def _split(self, size: int, cutter: PartCutter, end: int | None = None) -> Split:
        """Return the split of an object of this size; ``end`` is as for PartCutter.finish."""
        return Split(
            self.format,
            self._plan,
            size,
            cutter.records,
            cutter.finish(end),
            Encoding(self._transcoder.encoding, self._transcoder.guessed, self._transcoder.sample),
        )
