"""What a file holds, by its first bytes: rows, JSON of some kind, or a format that is not read.

A name or a media type says what its sender believes; the bytes say what is there. A file in another
format is refused by its name, with what to do: read as rows, it would become rejections by the
thousand, or contacts that nobody has.
"""

import re
from enum import Enum
from typing import Final

from core.errors import MalformedInputError
from core.formats.encoding import check_not_compressed
from core.states import Format


class Kind(Enum):
    """How the records are written; each kind has a splitter of its own."""

    JSON_ENVELOPE = "JSON envelope"
    """A JSON object, or an array of tables, that has the array of records in it."""
    JSON_ARRAY = "JSON array"
    """A JSON array of records."""
    NDJSON = "NDJSON"
    """A JSON value a line."""
    JSON_SEQUENCE = "JSON sequence"
    """JSON values one after the other: over several lines, or with commas between them."""
    CSV = "CSV"

    @property
    def format(self) -> Format:
        """Format of the stored object."""
        return _FORMATS[self]


_FORMATS: Final = {
    Kind.JSON_ENVELOPE: Format.JSON,
    Kind.JSON_ARRAY: Format.JSON,
    Kind.NDJSON: Format.NDJSON,
    Kind.JSON_SEQUENCE: Format.NDJSON,
    Kind.CSV: Format.CSV,
}

_SAVE_AS_CSV: Final = (
    'In Excel, save it as "CSV UTF-8 (Comma delimited)"; in Google Sheets, Numbers or LibreOffice, '
    "download or export it as CSV. Send that file."
)
_EXPORT_AS_CSV: Final = "Export the contacts as CSV from the program that wrote it."
_UNPACK: Final = "Unpack it and send the file in it, or compress that file alone with gzip."
_NO_LIST: Final = "Send a list of contacts as CSV or JSON."
_OPEN_AND_SAVE: Final = (
    "Open it in a spreadsheet and save it as CSV. If a program gave you this file, it may show an "
    "error or a login page: open it in a browser."
)

_BINARY_SIGNATURES: Final = (
    (b"%PDF-", "a PDF document", _EXPORT_AS_CSV),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an XZ archive", _UNPACK),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT_AS_CSV),
    (b"\0\1\0\0Standard ", "an Access database", _EXPORT_AS_CSV),
    (b"PAR1", "a Parquet file", _EXPORT_AS_CSV),
    (b"ARROW1", "an Arrow file", _EXPORT_AS_CSV),
    (b"Obj\1", "an Avro file", _EXPORT_AS_CSV),
    (b"ORC", "an ORC file", _EXPORT_AS_CSV),
    (b"!BDN", "an Outlook data file (.pst)", "In Outlook, export the contacts as CSV."),
    (b"\x89PNG\r\n\x1a\n", "an image (PNG)", _NO_LIST),
    (b"\xff\xd8\xff", "an image (JPEG)", _NO_LIST),
    (b"GIF87a", "an image (GIF)", _NO_LIST),
    (b"GIF89a", "an image (GIF)", _NO_LIST),
    (b"II*\0", "an image (TIFF)", _NO_LIST),
    (b"MM\0*", "an image (TIFF)", _NO_LIST),
    (b"RIFF", "an image or a recording (RIFF)", _NO_LIST),
    (b"\x7fELF", "a program", _NO_LIST),
)
"""A beginning that is text counts only if there are control characters in the first bytes."""
_controls: Final = re.compile(rb"[\x00-\x08]").search
_BINARY_HEAD_BYTES: Final = 1024
_ZIP: Final = b"PK\3\4"
_EMPTY_ZIP: Final = b"PK\5\6"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_EXCEL: Final = (b"\x09\x08\x10\0\0\6", b"\x09\x04\6\0", b"\x09\x02\6\0", b"\x09\0\4\0")
"""Workbooks of Excel 2 to 5 that are not in an OLE container."""
_ZIP_ENTRIES: Final = (
    (re.compile(rb"xl/(?:workbook|worksheets|_rels|styles|sharedStrings|theme)"), "xlsx"),
    (re.compile(rb"application/vnd\.oasis\.opendocument\.spreadsheet"), "ods"),
    (re.compile(rb"Index(?:\.zip|/(?:Document|Tables|CalculationEngine))"), "numbers"),
    (re.compile(rb"word/(?:document|_rels)"), "docx"),
    (re.compile(rb"\[Content_Types\]\.xml"), "office"),
)
_ZIP_KINDS: Final = {
    "xlsx": ("an Excel workbook (.xlsx)", _SAVE_AS_CSV),
    "ods": ("a LibreOffice or OpenOffice spreadsheet (.ods)", _SAVE_AS_CSV),
    "numbers": ("a Numbers spreadsheet", _SAVE_AS_CSV),
    "docx": ("a Word document (.docx)", _EXPORT_AS_CSV),
    "office": ("a Microsoft Office document, probably an Excel workbook", _SAVE_AS_CSV),
}

_SQL: Final = (
    r"(?:--[^\n]*\n\s*|/\*(?:(?!\*/).)*\*/;?\s*|SET\s[^;]{0,200};\s*)*"
    r"(?:(?:CREATE|DROP)\s+(?:TABLE|DATABASE|SCHEMA)|INSERT\s+INTO|PRAGMA\s+foreign_keys)\b"
)
_TEXT_SIGNATURES: Final = (
    (r"begin:vcard\b", "a vCard file", "Export the contacts as CSV instead of vCard."),
    (r"begin:vcalendar\b", "a calendar", _NO_LIST),
    (
        r"(?:version:\s*\d+\s+)?(?:#[^\n]*\n\s*)*dn(?::[ \t]*\w+=|::[ \t]*[\w+/])",
        "an LDIF file",
        'In Thunderbird\'s address book, export it as "Comma Separated" (.csv).',
    ),
    (r"\{\\rtf", "a rich text document (RTF)", "Save it as plain text or CSV."),
    (r"%!PS", "a PostScript document", _EXPORT_AS_CSV),
    (
        r"<\?xml[^>]*>\s*(?:<!--(?:(?!-->).)*-->\s*)*<\?mso-application|<(?:\w+:)?Workbook\b",
        "an Excel workbook (XML spreadsheet)",
        _SAVE_AS_CSV,
    ),
    (
        r"(?:<!--(?:(?!-->).)*-->\s*)?<(?:!doctype\s+html|html|head|body|table|meta|style|div)\b",
        "a web page (HTML), even if its name ends in .xls or .csv",
        _OPEN_AND_SAVE,
    ),
    (r"<\?xml\b|<!doctype\b|<[a-z][\w:.-]*(?:\s[^<>]*)?/?>\s*<", "an XML file", _EXPORT_AS_CSV),
    (_SQL, "an SQL script", "Export the table as CSV."),
    (r"From \S+@\S+ \w{3} \w{3} [ \d]\d ", "a mailbox (mbox)", _NO_LIST),
)
_is_other_text: Final = [
    (re.compile(rf"\s*(?:{pattern})", re.IGNORECASE | re.DOTALL).match, name, advice)
    for pattern, name, advice in _TEXT_SIGNATURES
]
_HEAD_CHARACTERS: Final = 4096
"""In so many characters one of these beginnings must be."""
_CONTROL: Final = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffe\uffff]")
_MAX_CONTROL_SHARE: Final = 0.02
"""Of a text: more control characters than these are another format's."""

_begins_object: Final = re.compile(r'\s*\{\s*(?:"(?:[^"\\\n]|\\.){0,1000}"\s*:|\}\s*\Z)').match
_begins_array: Final = re.compile(r'\s*\[\s*(?:\{\s*["}]|\]\s*\Z)').match


def check_binary(sample: bytes) -> None:
    """Raise MalformedInputError if a file begins like one of a binary format.

    The code is ``unsupported_file``, or ``wrong_encoding`` if it is compressed with gzip or zstd.
    """
    check_not_compressed(sample[:4])
    has_controls = _controls(sample, 0, _BINARY_HEAD_BYTES) is not None
    for signature, name, advice in _BINARY_SIGNATURES:
        if sample.startswith(signature) and (has_controls or not signature.isalnum()):
            raise unsupported_file(name, advice)
    if sample.startswith((_ZIP, _EMPTY_ZIP)):
        kind = next((kind for pattern, kind in _ZIP_ENTRIES if pattern.search(sample)), None)
        raise unsupported_file(*_ZIP_KINDS.get(kind or "", ("a ZIP archive", _UNPACK)))
    if sample.startswith(_OLE):
        raise unsupported_file("an Excel workbook (.xls), or an old Office document", _SAVE_AS_CSV)
    if sample.startswith(_OLD_EXCEL):
        raise unsupported_file("an Excel workbook (.xls)", _SAVE_AS_CSV)


def check_text(text: str) -> None:
    """Raise MalformedInputError (``unsupported_file``) if a text is in a format that is not read.

    ``text`` is the decoded sample.
    """
    head = text[:_HEAD_CHARACTERS]
    for matches, name, advice in _is_other_text:
        if matches(head):
            raise unsupported_file(name, advice)
    if len(_CONTROL.findall(text)) > _MAX_CONTROL_SHARE * len(text):
        raise unsupported_file("a binary file, not text", _EXPORT_AS_CSV)


def begins_like_json(text: str) -> bool:
    """Return whether a text begins with a JSON object, or with an array of them."""
    return _begins_object(text) is not None or _begins_array(text) is not None


def unsupported_file(name: str, advice: str) -> MalformedInputError:
    """Return the error of a file in a format that is not read; ``name`` has its article."""
    return MalformedInputError("unsupported_file", f"This is {name}. {advice}")
