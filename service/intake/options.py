"""The options of one import: from the query and from form fields to checked values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from multidict import MultiMapping

from config.durations import MAX_KEPT, MIN_KEPT, parse_duration
from core.errors import InvalidTargetError
from core.formats.csv_dialect import is_delimiter
from core.reading.encodings import canonical_encoding
from core.reading.options import Mapping, ReadingOptions
from core.reading.plan import Field
from core.reading.sniffing import Kind
from core.webhook_targets import parse_target
from service.intake.limits import WebhookPolicy
from service.option_names import IMPORT_OPTIONS, check_option_names, check_source
from service.problems import ProblemError

_BOOLEANS: Final = {"true": True, "false": False}
_NONE: Final = "none"
_DELIMITERS: Final = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_COMPARED: Final = sorted(set(IMPORT_OPTIONS) - {"source", "dryRun"})


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What one request asks for; all values are checked."""

    source: str | None = None
    """None if it comes with the data."""
    dry_run: bool = False
    """Whether to do everything but insert the contacts."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    """How the file is to be read, as far as the client says so."""
    notify: str | None = None
    """Address to which a webhook is sent when the import ends."""
    keep: int | None = None
    """Seconds for which the object and the rejections are to be kept after the import's end."""


class OptionValues:
    """The values that one request has for each option, from its query and from its form fields."""

    def __init__(self, query: "MultiMapping[str]") -> None:
        """Raises MalformedInputError (``unknown_option``) for a parameter that is not an option."""
        check_option_names(query, IMPORT_OPTIONS, "query parameter")
        self._values = {name: query.getall(name, []) for name in IMPORT_OPTIONS}

    def add(self, name: str, value: str) -> None:
        """Add the value of a form field. Raises like ``source`` if it is a source."""
        self._values[name].append(value)
        if name == "source":
            self.source()

    def source(self) -> str | None:
        """Return the source; None if there is none.

        Raises ProblemError (``duplicate_key``) if there are several, and MalformedInputError
        (``source_invalid``).
        """
        values = self._values["source"]
        if len(values) > 1:
            raise ProblemError(
                "duplicate_key",
                "Give the source once, in the address or in one field of the form.",
                param="source",
            )
        return check_source(values[0]) if values else None

    def compared(self) -> list[str]:
        """Return ``name=value`` of each option, in an order that does not depend on the request's.

        Leaves out source and dry run, which requests with the same Idempotency-Key are compared by
        in any case.
        """
        return [f"{name}={value}" for name in _COMPARED for value in sorted(self._given(name))]

    def check(
        self, kind: Kind | None, *, charset: str | None, webhooks: WebhookPolicy
    ) -> ImportOptions:
        """Return the checked options of a body or file of this kind.

        ``kind`` is None if only the file shows it. ``charset`` is that of the body or file, if it
        is named. Raises ProblemError or MalformedInputError.
        """
        dry_run = self._dry_run()
        notify = self._notify(webhooks)
        reading = ReadingOptions(
            encoding=self._encoding(charset),
            delimiter=self._delimiter(),
            has_header=self._has_header(),
            mapping=parse_mapping(self._values["map"]),
            no_email=self._no_email(),
            no_name=self._no_name(),
        )
        if kind is not None:
            check_applicable(reading, kind)
        return ImportOptions(self.source(), dry_run, reading, notify, self._keep())

    def _given(self, name: str) -> list[str]:
        """Return an option's values; an empty address to notify counts as none."""
        return [value for value in self._values[name] if value or name != "notify"]

    def _dry_run(self) -> bool:
        values = self._values["dryRun"] or ["false"]
        if len(values) > 1 or values[0] not in _BOOLEANS:
            raise ProblemError("dry_run_invalid", "Give dryRun once, as true or false.")
        return _BOOLEANS[values[0]]

    def _notify(self, webhooks: WebhookPolicy) -> str | None:
        urls = self._given("notify")
        if not urls:
            return None
        if not webhooks.enabled:
            raise ProblemError("webhooks_disabled", "Ask for the import's state instead.")
        if len(urls) > 1:
            raise ProblemError("notify_invalid", "Name one address to notify only.")
        try:
            parse_target(urls[0], allow_private=webhooks.allow_private)
        except InvalidTargetError as error:
            raise ProblemError("notify_invalid", str(error)) from None
        return urls[0]

    def _keep(self) -> int | None:
        values = self._values["keep"]
        if not values:
            return None
        try:
            seconds = parse_duration(values[0])
        except ValueError:
            seconds = 0
        if len(values) > 1 or not MIN_KEPT <= seconds <= MAX_KEPT:
            raise ProblemError(
                "keep_invalid",
                "Give keep once, as minutes, hours or days from 1m to 36500d, such as 12h or 90d.",
            )
        return seconds

    def _encoding(self, charset: str | None) -> str | None:
        """Return the encoding of the option, else the one that the content type names."""
        labels = self._values["encoding"]
        if len(labels) > 1:
            raise ProblemError("encoding_invalid", "Name one encoding only.")
        if labels:
            if (encoding := canonical_encoding(labels[0])) is None:
                raise ProblemError(
                    "encoding_invalid",
                    "Use a name such as utf-8, windows-1252, iso-8859-2, utf-16le or shift_jis, or "
                    "leave it out: it is detected.",
                )
            return encoding
        if not charset or not charset.strip():
            return None
        if (encoding := canonical_encoding(charset)) is None:
            raise ProblemError(
                "unsupported_charset",
                "The charset of the content type is not known. Use a name such as utf-8 or "
                "windows-1252, or leave it out: it is detected.",
            )
        return encoding

    def _delimiter(self) -> str | None:
        values = self._values["delimiter"]
        if len(values) > 1:
            raise ProblemError("delimiter_invalid", "Name one delimiter only.")
        return parse_delimiter(values[0]) if values else None

    def _has_header(self) -> bool | None:
        values = self._values["header"]
        if values and values != [_NONE]:
            raise ProblemError(
                "header_invalid",
                "Give header=none once, for a file whose first row is a contact, or leave it out.",
            )
        return False if values else None

    def _no_email(self) -> bool:
        values = self._values["email"]
        if values and values != [_NONE]:
            raise ProblemError(
                "email_option_invalid",
                "Give email=none once, to import contacts without addresses. To say which column "
                "holds the address, use map=Column:email.",
            )
        return bool(values)

    def _no_name(self) -> bool:
        values = self._values["name"]
        if values and values != [_NONE]:
            raise ProblemError(
                "name_option_invalid",
                "Give name=none once, to import contacts without names. To say which column holds "
                "the name, use map=Column:name.",
            )
        return bool(values)


def check_applicable(options: ReadingOptions, kind: Kind) -> None:
    """Raise ProblemError if an option does not apply to a file of this kind."""
    if kind is Kind.CSV:
        return
    if options.delimiter is not None:
        raise ProblemError("delimiter_invalid", "Only a CSV file has a delimiter.")
    if options.has_header is not None:
        raise ProblemError("header_invalid", "Only a CSV file can be without a header.")


def parse_delimiter(text: str) -> str:
    """Return the delimiter that a character or a name means.

    Raises ProblemError (``delimiter_invalid``).
    """
    delimiter = _DELIMITERS.get(text.lower(), text)
    if not is_delimiter(delimiter):
        raise ProblemError(
            "delimiter_invalid",
            "Name one of the characters , ; | or tab (or another ASCII mark that is not a quote).",
        )
    return delimiter


def parse_mapping(texts: Sequence[str]) -> Mapping:
    """Return the mapping of texts ``Column:field``.

    Raises ProblemError (``mapping_invalid``).
    """
    mapping = tuple(_parse_mapped_column(text) for text in texts)
    fields = [field for _, field in mapping]
    if len(set(mapping)) < len(mapping):
        raise _invalid_mapping("The same column is mapped to a field twice.")
    if Field.NAME in fields and {Field.FIRST_NAME, Field.LAST_NAME} & set(fields):
        raise _invalid_mapping("Map either the name, or the first and the last name.")
    return mapping


def _parse_mapped_column(text: str) -> tuple[str, Field]:
    column, _, field = text.rpartition(":")
    if not column or field not in set(Field):
        raise _invalid_mapping(f"Write map=Column:field; the fields are {', '.join(Field)}.")
    return column, Field(field)


def _invalid_mapping(detail: str) -> ProblemError:
    return ProblemError("mapping_invalid", detail)
