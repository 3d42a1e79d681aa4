"""Imports that were accepted: what they are, and what can be done with them."""

from typing import Final

from service.api.imports import DEFAULT_PAGE, MAX_PAGE
from service.api.openapi.responses import DATABASE, Json, answer, header, problems, query, ref
from service.api.openapi.schemas import JOB_ID, SOURCE, STATE

JOB_ID_IN_PATH: Final[Json] = {"name": "jobId", "in": "path", "required": True, "schema": JOB_ID}
NEXT_PAGE: Final = header("The address of the next page, if there is one (RFC 8288).")


def limit(most: int, usual: int) -> Json:
    """How long a page of a list may be."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return query("limit", schema, "How many are told at a time.")


def _move(name: str, summary: str, description: str, responses: Json) -> Json:
    return {
        "operationId": name,
        "tags": ["Imports"],
        "summary": summary,
        "description": description,
        "parameters": [JOB_ID_IN_PATH],
        "responses": responses,
    }


LIST: Final[Json] = {
    "operationId": "listImports",
    "tags": ["Imports"],
    "summary": "List imports, the newest first",
    "parameters": [
        query("state", STATE, "Only those that stand so."),
        query("source", SOURCE, "Only those from there."),
        limit(MAX_PAGE, DEFAULT_PAGE),
        query("cursor", JOB_ID, "`next` of the page before."),
    ],
    "responses": {
        "200": answer("A page of imports.", ref("Imports"), Link=NEXT_PAGE),
        **problems(
            "state_invalid",
            "source_invalid",
            "limit_invalid",
            "cursor_invalid",
            "unknown_option",
            *DATABASE,
        ),
    },
}

SHOW: Final = _move(
    "showImport",
    "See how an import stands",
    "Ask again until it has ended: `completed`, `failed`, `cancelled`, `undone` or `undo_failed`.",
    {
        "200": answer("The import.", ref("Job")),
        **problems("import_not_found", "unknown_option", *DATABASE),
    },
)

RETRY: Final = _move(
    "retryImport",
    "Try the failed parts again",
    "Those, and only those: what is imported already is not touched.",
    {
        "202": answer("They are queued again.", ref("Job")),
        **problems("import_not_found", "not_failed", "unknown_option", *DATABASE),
    },
)

CANCEL: Final = _move(
    "cancelImport",
    "Stop an import",
    "It stops between two batches. What is imported stays, and `notProcessed` counts the rest.",
    {
        "202": answer("It ends, or has ended so.", ref("Job")),
        **problems("import_not_found", "import_ended", "unknown_option", *DATABASE),
    },
)

UNDO: Final = _move(
    "undoImport",
    "Undo an import",
    "Its contacts, its rejections and its file are removed; if it still runs, it is cancelled "
    "first. It stays in the list, as `undone`. If the database or Storage refuses, it becomes "
    "`undo_failed`, with the reason and the number of contacts left, and can be undone again. "
    "Safe to repeat.",
    {
        "200": answer("It was undone before.", ref("Job")),
        "202": answer("It is being undone.", ref("Job")),
        **problems("import_not_found", "unknown_option", *DATABASE),
    },
)
