"""``/import/{jobId}/rejections``: the records that are no contacts, and why."""

from typing import Final

from core.ids import MAX_RECORDS
from service.api.openapi.jobs import JOB_ID_IN_PATH, NEXT_PAGE, limit
from service.api.openapi.responses import DATABASE, Json, header, problems, query, ref
from service.api.rejections import MOST, USUAL

_FORMAT: Final = query(
    "format",
    {"type": "string", "enum": ["json", "csv"]},
    "A page in JSON, or all of them as a CSV file; goes before the header `Accept`.",
)
# Digits that are no more than the last record's number.
_CURSOR: Final = query(
    "cursor",
    {"type": "string", "pattern": f"^[1-9][0-9]{{0,{len(str(MAX_RECORDS)) - 2}}}$"},
    "`next` of the page before; for JSON.",
)

_FILE: Final = (
    "As JSON, a page at a time. As CSV, all of them: record, code, message and hint, then the "
    "columns of the record as they came. A person corrects it and sends it again: the first four "
    "columns are then passed over. It is safe in a spreadsheet: a cell that would be taken for a "
    "formula has a `'` before it."
)

SHOW: Final[Json] = {
    "operationId": "listRejections",
    "tags": ["Imports"],
    "summary": "See what was rejected, in the order of the input",
    "description": _FILE,
    "parameters": [JOB_ID_IN_PATH, _FORMAT, limit(MOST, USUAL), _CURSOR],
    "responses": {
        "200": {
            "description": "Those that are known by now.",
            "headers": {
                "Link": NEXT_PAGE,
                "Content-Disposition": header("A name for the CSV file."),
            },
            "content": {
                "application/json": {"schema": ref("Rejections")},
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        **problems(
            "import_not_found",
            "not_acceptable",
            "format_invalid",
            "limit_invalid",
            "cursor_invalid",
            "unknown_option",
            *DATABASE,
        ),
    },
}
