// Corrected records of an import, and the CSV file that is made of them.
import { textAt } from "./fault.js";

const KEY = "contacts-import.corrected";

/**
 * The corrections of one import that were not imported yet: by the record's number, the record and
 * the new text of its column.
 */
export class Corrections {
  /** @type {Map<number, { content: object, column: string, text: string }>} */
  #made = new Map();

  get count() {
    return this.#made.size;
  }

  get(record) {
    return this.#made.get(record)?.text;
  }

  set(record, content, column, text) {
    this.#made.set(record, { content, column, text });
  }

  remove(record) {
    this.#made.delete(record);
  }

  clear() {
    this.#made.clear();
  }

  get records() {
    return [...this.#made.keys()];
  }

  /**
   * The corrected records as a CSV file with the columns of the first one, and how to read it.
   * @param {string} name
   * @param {object} job
   * @returns {{ file: File, reading: import("./api.js").Reading }}
   */
  toFile(name, job) {
    const records = [...this.#made].sort(([a], [b]) => a - b).map(([, correction]) => correction);
    const map = mappedColumns(job.detected);
    const columns = [...new Set([...map.map(([column]) => column), ...records.flatMap(ownColumns)])];
    const rows = records.map(({ content, column, text }) =>
      columns.map((each) => (each === column ? text : textAt(content, each) ?? "")));
    const lines = [columns, ...rows].map((row) => row.map(quoted).join(","));
    const file = new File([lines.join("\r\n"), "\r\n"], name, { type: "text/csv" });
    const hasEmail = map.some(([, field]) => field === "email");
    return { file, reading: { encoding: "utf-8", delimiter: ",", map, ...(hasEmail ? {} : { email: "none" }) } };
  }
}

/**
 * The columns that the import has used, with their fields. A full name beside its halves cannot be
 * named by a request: such columns have the names by which they were found, and are found again.
 */
function mappedColumns(detected) {
  const found = Object.entries(detected?.mapping ?? { name: "name", email: "email" });
  const all = found.flatMap(([field, column]) =>
    [column, ...(detected?.alternatives?.[field] ?? [])].map((each) => [each, field]));
  const fields = new Set(all.map(([, field]) => field));
  const isBoth = fields.has("name") && (fields.has("first_name") || fields.has("last_name"));
  return all.filter(([, field]) => !isBoth || field === "email");
}

const ownColumns = ({ content, column }) => [column, ...Object.keys(content).filter((key) => typeof content[key] !== "object")];

const quoted = (text) => `"${text.replaceAll('"', '""')}"`;

/** The records of an import whose corrections were imported already, in this window. */
export function importedRecords(jobId) {
  return new Set(stored()[jobId] ?? []);
}

export function rememberImported(jobId, records) {
  const all = stored();
  all[jobId] = [...new Set([...(all[jobId] ?? []), ...records])];
  try {
    sessionStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // Storage is full or forbidden: they are remembered until the page is loaded again.
  }
}

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    return {};
  }
}
