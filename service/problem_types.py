"""The problems that a client can receive: a stable code, an HTTP status, and what to do.

The page ``/problems/{code}``, the answers and the OpenAPI document all take their texts from here.
"""

from dataclasses import dataclass
from typing import Final

from core.states import ImportState
from service.intake.media_types import ACCEPTED_BODIES


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemType:
    """What is the same each time a problem with a certain code occurs."""

    status: int
    title: str
    description: str
    """What it means. Text between backquotes is code."""
    advice: str
    """What the client can do about it."""
    example: str
    """A typical ``detail``."""
    param: str | None = None
    """Name of the query parameter, form field or header at fault, where the code implies it."""


PROBLEM_TYPES: Final[dict[str, ProblemType]] = {
    # 400: the request cannot be read
    "malformed_json": ProblemType(
        status=400,
        title="The body is not valid JSON",
        description="The body, the file or one of its records breaks the grammar of JSON "
        "(RFC 8259). `offset` is the byte at which it was noticed, `record` the record.",
        advice="Correct the text at that position and send it again.",
        example="At byte 57, record 2: expecting ',' delimiter.",
    ),
    "malformed_csv": ProblemType(
        status=400,
        title="The file is not valid CSV",
        description="A row cannot be read, most often because a quoted field is never closed. "
        "`offset` is the first byte of the row.",
        advice="Check the quotes of that row. A quote inside a quoted field is written twice.",
        example="Record 3, which starts at byte 71, has a quote that is never closed.",
    ),
    "malformed_compression": ProblemType(
        status=400,
        title="The compressed data is damaged",
        description="The body or file is compressed, but cannot be decompressed to its end.",
        advice="Compress the data again with gzip or zstd and send it again.",
        example="The gzip stream ends too early.",
    ),
    "malformed_multipart": ProblemType(
        status=400,
        title="The form is not valid multipart/form-data",
        description="The body cannot be read as a form (RFC 7578): the boundary or a part header "
        "is missing or wrong, or there are two files.",
        advice="Let your HTTP library build the form, and send one file in the field `file`.",
        example='The form has two fields "file": send one each.',
    ),
    "malformed_request": ProblemType(
        status=400,
        title="The request is not valid HTTP",
        description="The request line, a header or the framing of the body breaks the rules of "
        "HTTP/1.1 (RFC 9112). The connection is closed.",
        advice="Use an HTTP library, and check any proxy between it and this service.",
        example="This is not HTTP/1.1 (RFC 9112).",
    ),
    "dry_run_invalid": ProblemType(
        status=400,
        title="dryRun is neither true nor false",
        description="The option `dryRun` has another value, or is given twice.",
        advice="Give `dryRun=true` or `dryRun=false`, once.",
        example="Give dryRun once, as true or false.",
        param="dryRun",
    ),
    "duplicate_key": ProblemType(
        status=400,
        title="A key or field is given twice",
        description="A key of the JSON body or a field of the form occurs twice, so it is not "
        "clear which value is meant. A form can give the source in the address or in a field.",
        advice="Give it once.",
        example='"source" is there twice.',
    ),
    "field_too_late": ProblemType(
        status=400,
        title="A form field comes after the file",
        description="The file is read as it arrives, so an option that follows it would be too "
        "late. Only `source` can come after the file.",
        advice="Send the fields of the form before the file, or the options in the address.",
        example='Send the field "delimiter" before the file.',
    ),
    "invalid_text": ProblemType(
        status=400,
        title="The text does not match its encoding",
        description="The text has bytes that are not valid in its character encoding, which was "
        "named or detected.",
        advice="Name the right encoding, as in `?encoding=windows-1252`, or save the file as "
        "UTF-8.",
        example="At byte 12, record 1: this is not windows-1252, or not certainly. Name the "
        "encoding, as in ?encoding=windows-1252, or save the file as utf-8.",
    ),
    "idempotency_key_invalid": ProblemType(
        status=400,
        title="The Idempotency-Key is not valid",
        description="The header `Idempotency-Key` is empty, too long, sent twice, or has "
        "characters that are not visible ASCII.",
        advice="Send one key of 1 to 255 visible ASCII characters, such as a UUID in quotes.",
        example="Send one Idempotency-Key of 1 to 255 visible ASCII characters, in quotes, such as "
        '"8e03978e-40d5-43dd-bc93-6894a57f9324".',
        param="Idempotency-Key",
    ),
    "invalid_utf8": ProblemType(
        status=400,
        title="The body is not UTF-8",
        description="The text was named or detected as UTF-8, and is not, or a form field is not. "
        "`offset` is the first byte that is not.",
        advice="Save the file as UTF-8 and send it again.",
        example="At byte 57, record 2: this is not UTF-8. Save the file as UTF-8 and send it "
        "again.",
    ),
    "nested_too_deeply": ProblemType(
        status=400,
        title="The body is nested too deeply",
        description="A record has too many objects or arrays inside each other.",
        advice="Send flat objects: a contact needs only `name` and `email`.",
        example="Record 5 is nested too deeply.",
    ),
    "number_too_long": ProblemType(
        status=400,
        title="A number has too many digits",
        description="A number outside the records has more digits than any use requires.",
        advice="Send it as a string, or leave it out.",
        example="At byte 20: more than 4300 digits.",
    ),
    "truncated_body": ProblemType(
        status=400,
        title="The body is incomplete",
        description="The connection ended before all of the body had arrived. Nothing was "
        "imported.",
        advice="Send the request again. With an `Idempotency-Key` this is always safe.",
        example="The connection broke before the body was complete.",
    ),
    # 401 to 417: the request is understood and cannot be served as it is
    "api_key_missing": ProblemType(
        status=401,
        title="A key is needed",
        description="The service allows this only with a key, and the request has none. The header "
        "`WWW-Authenticate` has the scope that the key needs.",
        advice="Ask the operator of the service for a key, and send it in the header "
        "`Authorization: Bearer ...`.",
        example="Send a key in the header Authorization: Bearer.",
        param="Authorization",
    ),
    "api_key_invalid": ProblemType(
        status=401,
        title="The key is not valid",
        description="The service does not know the key in the header `Authorization`: it is "
        "mistyped, or was replaced or removed.",
        advice="Check that all of the key was sent, or ask the operator of the service for a new "
        "one.",
        example="The service does not know this key. It may have been replaced.",
        param="Authorization",
    ),
    "api_key_scope_missing": ProblemType(
        status=403,
        title="The key does not allow this",
        description="The key in the header `Authorization` is valid, but lacks the scope that the "
        "request needs. The header `WWW-Authenticate` has the scope.",
        advice="Use a key with that scope.",
        example="This needs a key with the scope undo; the key crm does not have it.",
        param="Authorization",
    ),
    "cross_site": ProblemType(
        status=403,
        title="The request comes from another web site",
        description="A browser sent this on behalf of a page of another web site (the header "
        "`Sec-Fetch-Site` or `Origin` says so). Such requests must not change anything.",
        advice="Use the page of this service, or a program that is not a web page.",
        example="Send it from here, or not from a web page.",
    ),
    "erasures_disabled": ProblemType(
        status=403,
        title="Erasures are disabled",
        description="An erasure also removes contacts that no import made, so it always needs a "
        "key, and this service has none.",
        advice="Ask the operator to set `API_KEYS_FILE`, with a key that has the scope `erase`.",
        example="The service has no keys.",
    ),
    "host_unknown": ProblemType(
        status=421,
        title="The service has another name",
        description="The request names a host that is not one of this service's own names.",
        advice="Use a name that the operator has listed in `ALLOWED_HOSTS`.",
        example="This service is not known under the name in the address.",
    ),
    "import_not_found": ProblemType(
        status=404,
        title="Import not found",
        description="No import has this `jobId`.",
        advice="Use the `jobId` from the answer to `POST /import`, unchanged.",
        example="No import has this jobId.",
        param="jobId",
    ),
    "erasure_not_found": ProblemType(
        status=404,
        title="Erasure not found",
        description="No erasure has this `erasureId`.",
        advice="Use the `erasureId` from the answer to `POST /erasures`, unchanged.",
        example="No erasure has this erasureId.",
        param="erasureId",
    ),
    "not_found": ProblemType(
        status=404,
        title="Not found",
        description="This service has nothing at this address.",
        advice="See `/docs` for the addresses of the API.",
        example="The page is at /, the API at /import; see /docs.",
    ),
    "method_not_allowed": ProblemType(
        status=405,
        title="Method not allowed",
        description="The address exists but does not support this HTTP method.",
        advice="Use one of the methods in the header `Allow`.",
        example="Use GET, HEAD, POST.",
    ),
    "not_acceptable": ProblemType(
        status=406,
        title="No acceptable representation",
        description="The header `Accept` excludes each media type that this address offers.",
        advice="Accept `application/json` or `text/csv`, or give `format` in the address.",
        example="Available: application/json and text/csv.",
        param="Accept",
    ),
    "client_too_slow": ProblemType(
        status=408,
        title="The request arrived too slowly",
        description="The head or the body of the request came too slowly, or stopped. The "
        "connection is closed, and nothing was imported.",
        advice="Send it again over a better connection, compressed if you can.",
        example="The head of a request must arrive within 30 seconds.",
    ),
    "import_ended": ProblemType(
        status=409,
        title="The import has ended",
        description="Only an import that is queued or running can be cancelled. `state` is its "
        "current state.",
        advice="To remove what it imported, undo it with DELETE.",
        example="Its state is completed.",
    ),
    "not_failed": ProblemType(
        status=409,
        title="The import has not failed",
        description="Only an import in the state `failed` can be retried. `state` is its current "
        "state.",
        advice="Look at the state before you retry.",
        example="Its state is completed.",
    ),
    "object_expired": ProblemType(
        status=410,
        title="The stored file has expired",
        description="A retry reads the stored file of the import again, and that was removed: it "
        "is kept for a time only, which `expiresAt` of the import shows, or somebody had it "
        "removed.",
        advice="Send the file again. To avoid duplicates, undo this import with DELETE before: its "
        "contacts can be removed as long as the import is known.",
        example="The stored file has been removed. The contacts that were imported stay; "
        "undo the import with DELETE to remove them, or send the file again to import the rest.",
    ),
    "rejections_expired": ProblemType(
        status=410,
        title="The rejected records have expired",
        description="The import had rejected records, and they were removed: they are kept for a "
        "time only, which `expiresAt` of the import shows.",
        advice="The import still has their numbers by reason. To see the records, send the file "
        "again, with `dryRun=true` if nothing is to be imported.",
        example="The rejected records were removed after their time. GET /import/{jobId} has their "
        "numbers by reason; the import can still be undone with DELETE.",
    ),
    "body_too_large": ProblemType(
        status=413,
        title="The body is too large",
        description="The body, or the file after decompression, is larger than this service or "
        "its storage bucket accepts.",
        advice="Divide the file and send several imports.",
        example="A body may have at most 53687091200 bytes.",
    ),
    "compression_ratio_too_high": ProblemType(
        status=413,
        title="The compression ratio is too high",
        description="The data grows so much when it is decompressed that it might be an attack.",
        advice="Send the file uncompressed.",
        example="Decompressed it is over 200 times as large. Send it uncompressed.",
    ),
    "envelope_too_large": ProblemType(
        status=413,
        title="Too much data outside the records",
        description="The JSON body has too many bytes outside `data`, or the form has too many "
        "outside its file.",
        advice="Leave out what is not needed for the import.",
        example='There are more than 1048576 bytes beside the records in "data".',
    ),
    "record_too_large": ProblemType(
        status=413,
        title="A record is too large",
        description="A single record exceeds the limit, 1 MiB unless it is configured otherwise. "
        "`offset` is its first byte.",
        advice="Shorten the record. In CSV, look for a quote that is never closed.",
        example="Record 4, at byte 96, is longer than 1048576 bytes.",
    ),
    "unsupported_charset": ProblemType(
        status=415,
        title="The character set is not supported",
        description="The `charset` of the content type is not a known name "
        "(https://encoding.spec.whatwg.org/#names-and-labels).",
        advice="Correct the name, or leave it out: the encoding is detected.",
        example="The charset of the content type is not known. Use a name such as utf-8 or "
        "windows-1252, or leave it out: it is detected.",
        param="Content-Type",
    ),
    "unsupported_encoding": ProblemType(
        status=415,
        title="The content encoding is not supported",
        description="The header `Content-Encoding` names a compression that is not read, or is "
        "used with a form.",
        advice="Use `gzip` or `zstd`. In a form, compress the file and not the form.",
        example="Compress the file in the form, not the form.",
        param="Content-Encoding",
    ),
    "unsupported_media_type": ProblemType(
        status=415,
        title="The content type is not supported",
        description="The body is not JSON, NDJSON, CSV or a form, according to its content type.",
        advice="Send one of these content types: `application/json`, `application/x-ndjson`, "
        "`text/csv`, `multipart/form-data`.",
        example=f"Send {ACCEPTED_BODIES}.",
        param="Content-Type",
    ),
    "unsupported_file": ProblemType(
        status=415,
        title="This kind of file is not read",
        description="The first bytes show that the file is in another format than CSV, JSON or "
        "NDJSON, such as an Excel workbook, a PDF document, a vCard or a ZIP archive, whatever its "
        "name or content type is. `detail` names the format.",
        advice="Save or export the contacts as CSV, and send that file.",
        example='This is an Excel workbook (.xlsx). In Excel, save it as "CSV UTF-8 (Comma '
        'delimited)"; in Google Sheets, Numbers or LibreOffice, download or export it as CSV. Send '
        "that file.",
    ),
    "wrong_encoding": ProblemType(
        status=415,
        title="The content does not match its declared encoding",
        description="The first bytes show that the body is compressed or in another character "
        "encoding, and the headers do not say so.",
        advice="Add `Content-Encoding` or `charset`, or convert the file.",
        example="The body is compressed: send it with Content-Encoding: gzip.",
    ),
    "expectation_failed": ProblemType(
        status=417,
        title="The expectation cannot be met",
        description="The header `Expect` has a value other than `100-continue`, or is sent to an "
        "address that takes no body.",
        advice="Leave the header out.",
        example="The only expectation that is met is 100-continue.",
        param="Expect",
    ),
    # 422: the request is well formed, and something in it cannot be used
    "csv_header_unusable": ProblemType(
        status=422,
        title="The CSV header cannot be used",
        description="No row at the beginning of the file names a column for a name or an e-mail "
        "address, or a mapped column is missing, or there are too many columns; or the file is "
        "empty. `columns` lists the columns, with samples.",
        advice="Name the columns, as in `?map=Courriel:email`, or rename them in the file. If the "
        "first row is a contact already, add `header=none`, as in `?header=none&map=1:email`.",
        example="None of the columns is a name or an email. The columns are 'a', 'b', divided by "
        "','. Say which is which in the address, such as ?map=a:name, or rename them.",
    ),
    "cursor_invalid": ProblemType(
        status=422,
        title="The cursor is not valid",
        description="The parameter `cursor` is not a value that this service returned.",
        advice="Use the value of `next` from the previous page, unchanged.",
        example="Use the value of next from an answer, as it is.",
        param="cursor",
    ),
    "data_missing": ProblemType(
        status=422,
        title="There is no data",
        description="A JSON text has no array of records, such as `data`, or an NDJSON file has no "
        "line with a record.",
        advice="Check that the right file was sent.",
        example='The body lacks "data", the array of contacts.',
    ),
    "data_not_array": ProblemType(
        status=422,
        title="The data is not an array",
        description="The key `data` of a JSON body must be an array of records, and a JSON file "
        "must have one.",
        advice='Send an array, such as `[{"name": "...", "email": "..."}]`.',
        example='"data" must be an array of contacts.',
    ),
    "data_not_objects": ProblemType(
        status=422,
        title="The records are not objects",
        description="An array or an NDJSON file has more than 10,000 records, and none of the "
        "first ones is an object.",
        advice='Send objects, such as `{"name": "...", "email": "..."}`.',
        example="None of the first 3000000 records is an object.",
    ),
    "records_too_short": ProblemType(
        status=422,
        title="The records are too short",
        description="There are more than 10,000 records, with fewer than 4 bytes each on average, "
        "so that they cannot be contacts.",
        advice="Check that the right file was sent, and how its columns are separated.",
        example="3000000 records have 6291456 bytes: that is not a list of contacts.",
    ),
    "delimiter_invalid": ProblemType(
        status=422,
        title="The delimiter is not valid",
        description="The option `delimiter` is not a single ASCII character that can separate "
        "fields, is given twice, or is used with data that is not CSV.",
        advice="Use `comma`, `semicolon`, `tab`, `pipe` or the character, or leave it out: it is "
        "detected.",
        example="Only a CSV file has a delimiter.",
        param="delimiter",
    ),
    "email_column_unclear": ProblemType(
        status=422,
        title="It is not clear which column holds the address",
        description="The file has a column of e-mail addresses, but its name says something else, "
        "or there are several. Contacts without addresses would be a loss that nobody sees. "
        "`columns` lists the columns, with samples.",
        advice="Name the column, as in `?map=Contact:email`, or add `?email=none` to import the "
        "contacts without addresses.",
        example="The column 'Login' holds addresses. If they are those of the contacts, add "
        "map=Login:email; to import the contacts without them, add email=none.",
    ),
    "email_option_invalid": ProblemType(
        status=422,
        title="The option email is not valid",
        description="The option `email` has another value than `none`, or is given twice.",
        advice="Use `email=none` to import contacts without addresses, and `map=Column:email` to "
        "name the column that holds them.",
        example="Give email=none once, to import contacts without addresses. To say which column "
        "holds the address, use map=Column:email.",
        param="email",
    ),
    "name_column_unclear": ProblemType(
        status=422,
        title="It is not clear which column holds the name",
        description="The file has columns that may hold names: those of several people, or some "
        "whose own names are not known. Contacts without names, or with those of others, would be "
        "a loss that nobody sees. `columns` lists the columns, with samples.",
        advice="Name the column, as in `?map=Person:name`, or add `?name=none` to import the "
        "contacts without names.",
        example='There may be names in "Buyer", "Attendee", but it is not clear that they are the '
        "contacts' own. Say which column holds the name, such as ?map=Buyer:name, or import "
        "without: ?name=none.",
    ),
    "name_option_invalid": ProblemType(
        status=422,
        title="The option name is not valid",
        description="The option `name` has another value than `none`, or is given twice.",
        advice="Use `name=none` to import contacts without names, and `map=Column:name` to name "
        "the column that holds them.",
        example="Give name=none once, to import contacts without names. To say which column holds "
        "the name, use map=Column:name.",
        param="name",
    ),
    "encoding_invalid": ProblemType(
        status=422,
        title="The encoding is not valid",
        description="The option `encoding` is not a known name "
        "(https://encoding.spec.whatwg.org/#names-and-labels), or is given twice.",
        advice="Use a name such as `utf-8`, `windows-1252` or `shift_jis`, or leave it out: it is "
        "detected.",
        example="Use a name such as utf-8, windows-1252, iso-8859-2, utf-16le or shift_jis, or "
        "leave it out: it is detected.",
        param="encoding",
    ),
    "encoding_uncertain": ProblemType(
        status=422,
        title="The character encoding is uncertain",
        description="The text is neither UTF-8 nor certainly in another encoding. A guess would "
        "corrupt names. `encodings` lists the likely ones, each with a sample of the text as it "
        "would be read.",
        advice="Name the encoding in which the names look right, as in `?encoding=windows-1250`, "
        "or save the file as UTF-8.",
        example="The encoding of the file is uncertain. Name it, as in ?encoding=windows-1250, or "
        "save the file as UTF-8.",
        param="encoding",
    ),
    "erasure_invalid": ProblemType(
        status=422,
        title="The erasure is not valid",
        description="The body of `POST /erasures` lacks a valid e-mail address, or has something "
        "else than it may have.",
        advice='Send `{"email": "ada@example.com"}`, and `"objects": "remove"` to have stored '
        "files removed, too.",
        example='Send {"email": "..."} with a valid address, and no other keys but "objects", '
        'which is "keep" or "remove".',
    ),
    "file_missing": ProblemType(
        status=422,
        title="The form has no file",
        description="The form ended without the field `file`.",
        advice="Add the field `file` with the file.",
        example='The form lacks the field "file".',
        param="file",
    ),
    "format_invalid": ProblemType(
        status=422,
        title="Unknown format",
        description="The parameter `format` has a value that is not supported.",
        advice="Use `json` or `csv`.",
        example="Use one of: json, csv.",
        param="format",
    ),
    "header_invalid": ProblemType(
        status=422,
        title="The option header is not valid",
        description="The option `header` has another value than `none`, is given twice, or is used "
        "with data that is not CSV.",
        advice="Use `header=none` for a CSV file whose first row is a contact, and leave it out "
        "otherwise.",
        example="Give header=none once, for a file whose first row is a contact, or leave it out.",
        param="header",
    ),
    "limit_invalid": ProblemType(
        status=422,
        title="The limit is not valid",
        description="The parameter `limit` is not a whole number within the allowed range.",
        advice="Use a number from 1 to the maximum that `/docs` names.",
        example="The limit is a number from 1 to 100.",
        param="limit",
    ),
    "keep_invalid": ProblemType(
        status=422,
        title="The option keep is not valid",
        description="The option `keep` is not a number of minutes, hours or days from `1m` to "
        "`36500d`, or is given twice.",
        advice="Use a value such as `12h` or `90d`, or leave it out.",
        example="Give keep once, as minutes, hours or days from 1m to 36500d, such as 12h or 90d.",
        param="keep",
    ),
    "notify_invalid": ProblemType(
        status=422,
        title="The webhook address is not valid",
        description="The option `notify` is not an `https` address in the public internet, or is "
        "given twice.",
        advice="Use the public `https` address of your webhook receiver.",
        example="Name one address to notify only.",
        param="notify",
    ),
    "mapping_invalid": ProblemType(
        status=422,
        title="The column mapping is not valid",
        description="An option `map` is not of the form `Column:field`, is given twice, or maps "
        "the name beside the first or last name.",
        advice="Write `map=Column:field`, with one of the fields `name`, `email`, `first_name` "
        "and `last_name`. In JSON the column is a key, or keys with dots between them; without a "
        "header it is the column's number, from 1.",
        example="Map either the name, or the first and the last name.",
        param="map",
    ),
    "idempotency_key_reused": ProblemType(
        status=422,
        title="The Idempotency-Key was used for another request",
        description="An earlier request with this key had a different body, source or option.",
        advice="Use a new key for each import, and the same key only to repeat a request.",
        example="An earlier request with this Idempotency-Key had another body, source or option. "
        "Use a new key for each import, and the same one only to send it again.",
        param="Idempotency-Key",
    ),
    "records_ambiguous": ProblemType(
        status=422,
        title="Several arrays may be the records",
        description="The JSON text has several arrays of objects, and none of them is called "
        "`data`.",
        advice="Send one of the arrays alone, or call it `data`.",
        example='Several arrays may be the records: "users", "groups". Send one of them alone, as '
        'a JSON array, or call it "data".',
    ),
    "source_invalid": ProblemType(
        status=422,
        title="The source is not valid",
        description="The source is empty, longer than 200 characters, has control characters or "
        "invisible ones, or differs between the address and the body.",
        advice="Use a short name for where the contacts come from.",
        example="The source is longer than 200 characters.",
        param="source",
    ),
    "source_missing": ProblemType(
        status=422,
        title="The source is missing",
        description="Each import needs a source: a name for where the contacts come from.",
        advice="Add `?source=...` to the address, or `source` to the JSON body or the form.",
        example="Name the source in the address: /import?source=...",
        param="source",
    ),
    "state_invalid": ProblemType(
        status=422,
        title="Unknown state",
        description="The parameter `state` is not a state of an import.",
        advice="Use one of the states that `/docs` lists.",
        example=f"Use one of: {', '.join(ImportState)}.",
        param="state",
    ),
    "unknown_option": ProblemType(
        status=422,
        title="Unknown option",
        description="The request has a query parameter, a form field or a key that is not known. "
        "It is rejected because ignoring it could do harm, as with a misspelt `dryRun`. `param` "
        "is its name.",
        advice="Correct the name, or leave it out.",
        example='"dryrun" is not a known query parameter. Did you mean "dryRun"? Known are source, '
        "dryRun, delimiter, map, notify, encoding, header, email, name, keep.",
    ),
    "webhooks_disabled": ProblemType(
        status=422,
        title="Webhooks are disabled",
        description="The option `notify` needs a signing secret, and this service has none.",
        advice="Leave `notify` out and poll the import, or ask the operator to set "
        "`WEBHOOK_SECRET`.",
        example="Ask for the import's state instead.",
        param="notify",
    ),
    "head_too_large": ProblemType(
        status=431,
        title="The request head is too large",
        description="The address and the headers together are larger than this service accepts. "
        "The connection is closed.",
        advice="Shorten them. Options can also be fields of a form.",
        example="The address or the headers are too large.",
    ),
    # 500 and 503: the service cannot do it now
    "internal_error": ProblemType(
        status=500,
        title="Internal error",
        description="The service failed unexpectedly. The error was logged.",
        advice="Try again later, and tell the operator if it persists.",
        example="The service has a bug, which was logged. Try again later.",
    ),
    "database_refused": ProblemType(
        status=500,
        title="The database refuses the request",
        description="PostgREST or Postgres rejects what this service sends, because of how they "
        "are set up: a wrong key, missing migrations or privileges. The reason was logged.",
        advice="Tell the operator. Sending the request again does not help before that is mended.",
        example="The database refuses this because of how it is set up (401). Tell the operator.",
    ),
    "storage_refused": ProblemType(
        status=500,
        title="The storage refuses the request",
        description="Supabase Storage rejects what this service sends, because of how it is set "
        "up: a wrong key, a missing bucket, one that does not allow this type. The reason was "
        "logged.",
        advice="Tell the operator. Sending the request again does not help before that is mended.",
        example="The storage refuses this because of how it is set up (415). Tell the operator.",
    ),
    "database_unavailable": ProblemType(
        status=503,
        title="The database is unavailable",
        description="The database did not answer in time, or answered with an error.",
        advice="Send the request again after the seconds in `Retry-After`. With an "
        "`Idempotency-Key` this is always safe.",
        example="Supabase is not available. Send the request again later.",
    ),
    "storage_unavailable": ProblemType(
        status=503,
        title="The storage is unavailable",
        description="Supabase Storage did not answer in time, or answered with an error.",
        advice="Send the request again after the seconds in `Retry-After`. With an "
        "`Idempotency-Key` this is always safe.",
        example="Supabase is not available. Send the request again later.",
    ),
    "too_many_downloads": ProblemType(
        status=503,
        title="Too many files are being sent",
        description="The service limits how many files with rejections it sends at a time.",
        advice="Send the request again after the seconds in `Retry-After`.",
        example="Send it again in a moment.",
    ),
    "too_many_uploads": ProblemType(
        status=503,
        title="Too many uploads are running",
        description="The service limits how many uploads run at a time.",
        advice="Send the request again after the seconds in `Retry-After`.",
        example="Send it again in a moment.",
    ),
    "shutting_down": ProblemType(
        status=503,
        title="The service is shutting down",
        description="The service finishes the uploads that are running and accepts no others.",
        advice="Send the request again after the seconds in `Retry-After`; by then it may have "
        "been restarted.",
        example="Send it again.",
    ),
    # 505
    "http_version_unsupported": ProblemType(
        status=505,
        title="The version of HTTP is not supported",
        description="The request line names another version than HTTP/1.1 or HTTP/1.0. The "
        "connection is closed.",
        advice="Use HTTP/1.1, or a proxy that translates to it.",
        example="Use HTTP/1.1.",
    ),
}
