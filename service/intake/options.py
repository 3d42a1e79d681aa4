"""The options of one import: from the query and from form fields to checked values."""

from dataclasses import dataclass, field
from typing import Final

from multidict import MultiMapping

from core.errors import InvalidTargetError
from core.webhook_targets import parse_target
from service.intake.limits import WebhookPolicy
from service.intake.media_types import Kind
from service.option_names import IMPORT_OPTIONS, check_option_names, check_source
from service.problems import ProblemError
from service.splitting.dialect import (
    UTF_8,
    Dialect,
    parse_charset,
    parse_delimiter,
    parse_mapping,
)

_BOOLEANS: Final = {"true": True, "false": False}
_COMPARED: Final = sorted(set(IMPORT_OPTIONS) - {"source", "dryRun"})


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What one request asks for; all values are checked."""

    source: str | None = None
    """None if it comes with the data."""
    dry_run: bool = False
    """Whether to do everything but insert the contacts."""
    dialect: Dialect = field(default_factory=Dialect)
    """How a CSV file is written, as far as the client says so."""
    notify: str | None = None
    """Address to which a webhook is sent when the import ends."""


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

        ``kind`` is None for a form whose file is not known yet. ``charset`` is that of the body or
        file, if it is named. Raises ProblemError or MalformedInputError.
        """
        dry_run = self._dry_run()
        notify = self._notify(webhooks)
        dialect = self._dialect(kind, charset)
        return ImportOptions(self.source(), dry_run, dialect, notify)

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

    def _dialect(self, kind: Kind | None, charset: str | None) -> Dialect:
        delimiters, mapping = self._values["delimiter"], self._values["map"]
        if len(delimiters) > 1:
            raise ProblemError("delimiter_invalid", "Name one delimiter only.")
        if kind not in {None, Kind.CSV} and delimiters:
            raise ProblemError("delimiter_invalid", "Only a CSV file has a delimiter.")
        if kind not in {None, Kind.CSV} and mapping:
            raise ProblemError("mapping_invalid", "Only the columns of a CSV file can be mapped.")
        delimiter = parse_delimiter(delimiters[0]) if delimiters else None
        return Dialect(delimiter, _check_charset(kind, charset), parse_mapping(mapping))


def _check_charset(kind: Kind | None, charset: str | None) -> str | None:
    if not charset or not charset.strip():
        return None
    known = parse_charset(charset)
    if known is None or (kind is not Kind.CSV and known != UTF_8):
        accepted = "UTF-8, UTF-16 and Windows-1252 are" if kind is Kind.CSV else "Only UTF-8 is"
        raise ProblemError("unsupported_charset", f"{accepted} accepted: convert the text first.")
    return known
