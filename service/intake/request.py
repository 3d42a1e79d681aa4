"""The head of ``POST /import``, read once: everything after it takes its ImportRequest."""

from dataclasses import dataclass

from aiohttp import web

from core.reading.sniffing import Kind
from service.intake import idempotency
from service.intake.decompression import compression_of
from service.intake.limits import Limits
from service.intake.media_types import ACCEPTED_BODIES, MULTIPART, is_looked_at, kind_of_type
from service.intake.options import ImportOptions, OptionValues
from service.keys.identity import key_name
from service.problems import ProblemError


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One request for an import, without its bytes; everything is checked."""

    kind: Kind | None
    """What the body or file is said to be; None if that has to be seen."""
    options: ImportOptions
    compression: str | None = None
    """GZIP or ZSTD of service.intake.decompression."""
    idempotency_key: str | None = None
    compared: tuple[str, ...] = ()
    """What distinguishes the request from others with the same key, source, dry run and bytes."""
    is_file: bool = False
    """Whether the bytes are a file of a form, which another program may have written."""
    key_name: str | None = None
    """Name of the API key that it was sent with, None if it needed none."""


@dataclass(frozen=True, slots=True)
class FormHead:
    """The head of a form; its fields complete the ImportRequest, see service.intake.multipart."""

    content_type: str
    """Names the boundary."""
    values: OptionValues
    """Options of the query; those of the fields are added."""
    idempotency_key: str | None
    compared: tuple[str, ...]
    key_name: str | None


def read_head(
    request: web.Request, limits: Limits, *, needs_source: bool = True
) -> ImportRequest | FormHead:
    """Check all that can be checked before the body is read.

    ``needs_source`` is whether a request without a source is rejected. Raises ProblemError or
    MalformedInputError.
    """
    values = OptionValues(request.query)
    is_form = request.content_type == MULTIPART
    kind = kind_of_type(request.content_type)
    if not (is_form or kind or is_looked_at(request.content_type)):
        raise ProblemError("unsupported_media_type", f"Send {ACCEPTED_BODIES}.")
    content_encoding = request.headers.get("Content-Encoding", "")
    compression = compression_of(content_encoding)
    if compression and is_form:
        raise ProblemError("unsupported_encoding", "Compress the file in the form, not the form.")
    if (request.content_length or 0) > limits.body_bytes:
        raise body_too_large(limits)
    key = idempotency.parse_idempotency_key(request.headers.getall(idempotency.HEADER, []))
    options = values.check(kind, charset=request.charset, webhooks=limits.webhooks)
    compared = (request.charset or "", content_encoding)
    if is_form:
        return FormHead(request.headers["Content-Type"], values, key, compared, key_name(request))
    if needs_source and kind not in {Kind.JSON_ENVELOPE, None}:
        check_source_named(options)
    return ImportRequest(
        kind,
        options,
        compression,
        key,
        (*values.compared(), *compared),
        key_name=key_name(request),
    )


def check_source_named(options: ImportOptions) -> None:
    """Raise ProblemError for a body that cannot name its source, if the address does not."""
    if options.source is None:
        raise ProblemError("source_missing", "Name the source in the address: /import?source=...")


def body_too_large(limits: Limits) -> ProblemError:
    """Return the problem of a body over the limit."""
    return ProblemError("body_too_large", f"A body may have at most {limits.body_bytes} bytes.")
