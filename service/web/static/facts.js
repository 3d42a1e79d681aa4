// Details of an import besides its counts: times, size, and what was detected in the file.
import { element } from "./dom.js";
import { duration, moment, plain, size } from "./words.js";

/** Terms and their descriptions, for a `dl`. */
export function facts(job) {
  return entries(job)
    .filter(([, words]) => words)
    .flatMap(([term, words]) => [element("dt", {}, term), element("dd", {}, words)]);
}

function entries(job) {
  return [
    ["Sent", `${moment(job.createdAt)}${took(job)}`],
    ["File", file(job)],
    ["Detected", detected(job.detected)],
    ["Columns", columns(job.detected?.mapping)],
    ["Ignored", ignored(job.ignored)],
    ["SHA-256", job.receipt?.sha256 && element("code", {}, job.receipt.sha256)],
  ];
}

function took(job) {
  if (!job.finishedAt) return "";
  return `, done after ${duration((new Date(job.finishedAt) - new Date(job.createdAt)) / 1000)}`;
}

const file = (job) => `${job.format.toUpperCase()}, ${size(job.receipt?.bytes ?? job.bytes)}`;

const DELIMITERS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };

function detected(found) {
  if (!found) return "";
  const { delimiter, encoding, compression } = found;
  return [
    delimiter && `separated by ${DELIMITERS[delimiter] ?? delimiter}`,
    encoding && `encoded as ${encoding}`,
    compression && `compressed with ${compression}`,
  ].filter(Boolean).join(", ");
}

const FIELDS = { name: "name", email: "e-mail", first_name: "first name", last_name: "last name" };

function columns(mapping) {
  if (!mapping) return "";
  return Object.entries(mapping).map(([field, column]) => `${plain(column)} → ${FIELDS[field] ?? field}`).join(", ");
}

function ignored(fields) {
  if (!fields?.fields?.length) return "";
  return fields.fields.join(", ") + (fields.more ? " and more" : "");
}
