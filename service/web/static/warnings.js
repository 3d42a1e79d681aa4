// Warnings about a file or its records, as a list.
import { by, element, show } from "./dom.js";
import { number } from "./words.js";

/** What a warning means on this page, where the service's own words speak of parameters. */
const WORDS = {
  column_guessed: "The names of these columns are not known. They were taken for what their values look like:",
  addresses_unused: "These columns hold addresses and are not imported:",
  names_unused: "These columns hold names of other people and are not imported:",
  encoding_guessed: "The file does not name its encoding, and it was guessed. Look at names with foreign letters: if they are wrong, choose another encoding.",
};
/** Those that are about rows or records are counted; the others speak of the file. */
const COUNTED = new Set(["column_guessed", "addresses_unused", "names_unused", "encoding_guessed"]);

/**
 * Shows warnings, or hides their section if there are none.
 * @param {string} id of the section; its list has the id of the section with `-list` for `s`.
 * @param {{ code: string, message: string, count?: number, records?: number[], names?: string[] }[]} warnings
 * @param {{ rowOf?: (record: number) => number | null }} [options] the row in the file of a record
 */
export function showWarnings(id, warnings, { rowOf = () => null } = {}) {
  by(`${id.slice(0, -1)}-list`).replaceChildren(...warnings.map((each) => line(each, rowOf)));
  show(by(id), warnings.length > 0);
}

function line({ code, message, count, records = [], names = [] }, rowOf) {
  const made = element("li", {});
  if (count && !COUNTED.has(code)) made.append(element("strong", {}, `${number(count)}× `));
  made.append(WORDS[code] ?? message);
  if (names.length) made.append(" ", element("span", { className: "names" }, names.join(", ")));
  if (records.length) made.append(" ", element("span", { className: "quiet" }, places(records, count, rowOf)));
  return made;
}

function places(records, count, rowOf) {
  const rows = records.map(rowOf);
  const areRows = rows.every((row) => row !== null);
  const word = `${areRows ? "row" : "record"}${records.length === 1 ? "" : "s"}`;
  const more = count > records.length ? ", …" : "";
  return `(${word} ${(areRows ? rows : records).map(number).join(", ")}${more})`;
}
