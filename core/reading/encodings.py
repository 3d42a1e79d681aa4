"""Stand-in: encodings of files."""

import codecs
from dataclasses import dataclass

from core.errors import MalformedInputError
from core.formats.encoding import detect_encoding


def canonical_encoding(label: str) -> str | None:
    """Return the canonical name of a label."""
    try:
        name = codecs.lookup(label.strip()).name
    except LookupError:
        return None
    return {"iso8859-1": "windows-1252", "cp1252": "windows-1252", "ascii": "utf-8"}.get(name, name)


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """The encoding of a file."""

    encoding: str
    mark_bytes: int = 0
    guessed: bool = False
    undecided: bool = False
    sample: str = ""


def choose_encoding(sample: bytes, named: str | None, *, complete: bool) -> EncodingChoice:  # noqa: ARG001
    """Return the encoding of a text that begins so."""
    detected, mark = detect_encoding(sample[:4])
    if named and mark and detected != named:
        raise MalformedInputError("wrong_encoding", f"The file is named as {named}.", offset=0)
    encoding = named or detected
    if encoding:
        return EncodingChoice(encoding, 0 if encoding == "utf-8" else mark)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return EncodingChoice("windows-1252", guessed=True)
    return EncodingChoice("utf-8", undecided=sample.isascii())
