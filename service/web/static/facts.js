// Details of an import besides its counts: identifier, times, size, and what was detected in the file.
import { element } from "./dom.js";
import { FIELDS } from "./mapping.js";
import { encodingName } from "./reading_options.js";
import { duration, hasPassed, moment, noteWord, number, size } from "./words.js";

/** Terms and their descriptions, for a `dl`. */
export function facts(job) {
  return entries(job)
    .filter(([, words]) => words)
    .flatMap(([term, words]) => [element("dt", {}, term), element("dd", {}, words)]);
}

function entries(job) {
  return [
    ["Sent", `${moment(job.createdAt)}${took(job)}`],
    ["Key", keys(job)],
    ["Kept", kept(job)],
    ["File", `${job.format.toUpperCase()}, ${size(job.receipt?.bytes ?? job.bytes)}`],
    ["Read as", detected(job.detected)],
    ["Columns", columns(job.detected)],
    ["Not imported", ignored(job.ignored)],
    ["Skipped", skipped(job.skippedByCode)],
    ["Parts", job.parts.total > 1 && parts(job.parts)],
    ["Failed part", job.failure?.part !== undefined && number(job.failure.part)],
    ["Failure", job.failure && code(job.failure.code)],
    ["Import", code(job.jobId)],
    ["SHA-256", job.receipt?.sha256 && code(job.receipt.sha256)],
  ];
}

const code = (text) => element("code", {}, text);

const keys = ({ createdBy, cancelledBy, undoneBy }) => [
  createdBy && `sent with ${createdBy}`,
  cancelledBy && `cancelled with ${cancelledBy}`,
  undoneBy && `undone with ${undoneBy}`,
].filter(Boolean).join(", ");

const KEPT = { object: "file", rejections: "list of records to fix", import: "import" };

/** Until when what the import leaves is kept, as far as that is limited. */
function kept({ expiresAt, state }) {
  if (state === "undone") return "";
  return Object.entries(KEPT)
    .filter(([what]) => expiresAt?.[what])
    .map(([what, words]) => `${words} ${hasPassed(expiresAt[what]) ? "removed" : "until"} ${moment(expiresAt[what])}`)
    .join(", ");
}

function took(job) {
  if (!job.finishedAt) return "";
  return `, done after ${duration((new Date(job.finishedAt) - new Date(job.createdAt)) / 1000)}`;
}

const DELIMITERS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };

function detected(found) {
  if (!found) return "";
  const { delimiter, encoding, guessed, compression, skippedRows } = found;
  return [
    delimiter && `separated by ${DELIMITERS[delimiter] ?? delimiter}`,
    encoding && `encoded as ${encodingName(encoding)}${guessed ? " (guessed)" : ""}`,
    compression && `compressed with ${compression}`,
    skippedRows && `${number(skippedRows)} ${skippedRows === 1 ? "row" : "rows"} above the column names skipped`,
  ].filter(Boolean).join(", ");
}

function columns(found) {
  return Object.entries(found?.mapping ?? {})
    .map(([field, column]) => [column, ...(found.alternatives?.[field] ?? [])].join(", ") + ` → ${(FIELDS[field] ?? field).toLowerCase()}`)
    .join("; ");
}

function ignored(fields) {
  if (!fields?.fields?.length) return "";
  return fields.fields.join(", ") + (fields.more ? " and more" : "");
}

const skipped = (codes) => Object.entries(codes ?? {}).map(([each, count]) => `${number(count)} ${noteWord(each)}`).join(", ");

function parts({ total, done, failed, cancelled }) {
  const others = [failed && `${number(failed)} failed`, cancelled && `${number(cancelled)} cancelled`].filter(Boolean);
  return [`${number(done)} of ${number(total)} done`, ...others].join(", ");
}
