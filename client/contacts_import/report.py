"""What the command prints about an import or a preview, as lines of text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from contacts_import.text import printable, shortened, table

_CELL_WIDTH: Final = 32
_CONTENT_WIDTH: Final = 80
"""Positions of the terminal."""
_DELIMITERS: Final = {"\t": "tab", " ": "space"}
_NO_FIELD: Final = "-"


def format_result(job: Mapping[str, Any]) -> str:
    """Return the lines that describe an import in a final state."""
    dry_run = " (only checked: nothing was imported)" if job.get("dryRun") else ""
    skipped = job.get("skipped") or 0
    counts = (
        f"{job['records']:,} records = {job['imported']:,} imported"
        f" + {job['rejected']:,} rejected"
        + (f" + {skipped:,} skipped" if skipped else "")
        + f" + {job['notProcessed']:,} not processed"
    )
    lines = [f"{job['jobId']}: {job['state']}{dry_run}", counts]
    lines += _counts_by_code(job.get("rejectedByCode") or {}, "")
    lines += _counts_by_code(job.get("skippedByCode") or {}, " (skipped)")
    if failure := job.get("failure"):
        lines.append(f"Reason: {failure['detail']}")
        if advice := failure.get("advice"):
            lines.append(advice)
    return "\n".join([*lines, *warning_lines(job.get("warnings") or [])])


def warning_lines(warnings: Sequence[Mapping[str, Any]], title: str = "Warnings:") -> list[str]:
    """Return lines about warnings; none if there are none."""
    lines = [title] if warnings else []
    for warning in warnings:
        names = ", ".join(f'"{printable(name)}"' for name in warning["names"])
        records = ", ".join(map(str, warning["records"]))
        more = ", ..." if len(warning["records"]) < warning["count"] else ""
        about = names or (f"{_plural('record', warning['count'])} {records}{more}" * bool(records))
        lines.append(f"  {warning['count']:,} {warning['code']}" + (f": {about}" if about else ""))
        lines.append(f"    {printable(warning['message'])}")
    return lines


def format_preview(preview: Mapping[str, Any]) -> str:
    """Return the lines that show how a file would be read."""
    lines = [*_reading(preview["format"], preview["detected"]), ""]
    lines += [f"  {line}" for line in table(list(_columns(preview["columns"])))]
    lines += ["", *(f"  {line}" for line in table(list(_records(preview)))), ""]
    codes = {each["code"]: each["message"] for each in preview["records"] if "code" in each}
    lines += [f"{code}: {printable(message)}" for code, message in codes.items()]
    lines += [""] if codes else []
    if warnings := warning_lines(preview["warnings"]):
        lines += [*warnings, ""]
    seen = "The whole file was looked at" if preview["complete"] else "Only the beginning was read"
    return "\n".join([*lines, f"{seen}. Nothing was imported."])


def _counts_by_code(counts: Mapping[str, int], remark: str) -> list[str]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"  {count:,} {code}{remark}" for code, count in ordered]


def _reading(format_: str, detected: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was found out about the file as a whole."""
    guessed = " (guessed)" if detected.get("guessed") else ""
    yield f"Format:     {format_}"
    yield f"Encoding:   {detected['encoding']}{guessed}"
    if sample := detected.get("sample"):
        yield f"            reads as: {printable(sample)}"
    if delimiter := detected.get("delimiter"):
        yield f"Delimiter:  {_DELIMITERS.get(delimiter, delimiter)}"
        header = detected.get("header") or []
        above = detected.get("skippedRows") or 0
        skipped = f", below {above:,} skipped {_plural('row', above)}" if above else ""
        yield f"Header:     {len(header):,} columns{skipped}" if any(header) else "Header:     none"


def _columns(columns: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    yield ("column", "imported as", "how sure", "samples")
    for column in columns:
        name = shortened(column["name"] or column["map"], _CELL_WIDTH)
        samples = " | ".join(shortened(sample, _CELL_WIDTH) for sample in column["samples"])
        yield (name, column["field"] or _NO_FIELD, column["certainty"] or "", samples)


def _records(preview: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield ("record", "outcome", "name", "email", "remarks")
    for record in preview["records"]:
        remarks = ", ".join([*filter(None, [record.get("code")]), *record["warnings"]])
        if record["outcome"] != "imported":
            remarks += f": {shortened(_content(record['content']), _CONTENT_WIDTH)}"
        texts = (shortened(record[field], _CELL_WIDTH) for field in ("name", "email"))
        yield (str(record["record"]), record["outcome"], *texts, remarks)


def _content(content: object) -> str:
    """Return a record as it was sent, in one line."""
    values = content.values() if isinstance(content, Mapping) else [content]
    return " | ".join(str(value) for value in values)


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
