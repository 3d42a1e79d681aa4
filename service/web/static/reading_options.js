// Encoding, delimiter and header of the file: what was detected, and what the user says instead.
import { by, element, show } from "./dom.js";

/** By the names that the service gives them. */
const ENCODINGS = [
  ["Unicode", [["utf-8", "UTF-8"], ["utf-16le", "UTF-16 (little-endian)"], ["utf-16be", "UTF-16 (big-endian)"]]],
  ["Western Europe", [["windows-1252", "Windows-1252"], ["mac-roman", "Mac OS Roman"], ["iso8859-15", "ISO 8859-15"], ["cp850", "DOS 850"], ["cp437", "DOS 437"]]],
  ["Central Europe", [["windows-1250", "Windows-1250"], ["iso8859-2", "ISO 8859-2"], ["cp852", "DOS 852"]]],
  ["Greek", [["windows-1253", "Windows-1253"], ["iso8859-7", "ISO 8859-7"], ["cp737", "DOS 737"]]],
  ["Cyrillic", [["windows-1251", "Windows-1251"], ["koi8-r", "KOI8-R"], ["koi8-u", "KOI8-U"], ["iso8859-5", "ISO 8859-5"], ["cp866", "DOS 866"]]],
  ["Turkish and Baltic", [["windows-1254", "Turkish (Windows-1254)"], ["cp857", "Turkish (DOS 857)"], ["windows-1257", "Baltic (Windows-1257)"], ["cp775", "Baltic (DOS 775)"]]],
  ["Hebrew and Arabic", [["windows-1255", "Hebrew (Windows-1255)"], ["cp862", "Hebrew (DOS 862)"], ["windows-1256", "Arabic (Windows-1256)"]]],
  ["East Asia", [["cp932", "Japanese (Shift_JIS)"], ["euc-jp", "Japanese (EUC-JP)"], ["gb18030", "Chinese (GB18030)"], ["cp950", "Chinese (Big5)"], ["cp949", "Korean (EUC-KR)"]]],
  ["Vietnamese and Thai", [["windows-1258", "Vietnamese (Windows-1258)"], ["cp874", "Thai (Windows-874)"]]],
];
const DELIMITERS = [[",", "commas"], [";", "semicolons"], ["\t", "tabs"], ["|", "bars"]];
const NAMES = new Map(ENCODINGS.flatMap(([, list]) => list));

/** The name of an encoding as people know it. */
export const encodingName = (encoding) => NAMES.get(encoding) ?? encoding;

/** @param {(change: import("./api.js").Reading) => void} changed is called with what the user says. */
export function startReadingOptions(changed) {
  by("encoding").append(
    ...ENCODINGS.map(([label, list]) => element("optgroup", { label }, ...list.map(option))),
  );
  by("delimiter").append(...DELIMITERS.map(option));
  for (const name of ["encoding", "delimiter", "header"]) {
    by(name).addEventListener("change", () => changed({ [name]: by(name).value || undefined }));
  }
}

/**
 * Shows how the file was read.
 * @param {string} format `csv`, `json` or `ndjson`
 * @param {{ encoding?: string, delimiter?: string, guessed?: boolean, sample?: string }} detected
 * @param {import("./api.js").Reading} reading what the user has said
 */
export function showReadingOptions(format, detected, reading) {
  set(by("encoding"), detected.encoding ?? reading.encoding ?? "");
  set(by("delimiter"), detected.delimiter ?? reading.delimiter ?? "");
  by("header").value = reading.header ?? "";
  for (const id of ["delimiter-field", "header-field"]) show(by(id), format === "csv");
  by("encoding-sample").textContent = detected.guessed
    ? `The encoding is a guess. Is this right? “${detected.sample}”. If not, choose another one.`
    : "";
  show(by("encoding-sample"), Boolean(detected.guessed));
}

const option = ([value, words]) => element("option", { value }, words);

/** Selects a value; one that is not in the list is added to it. */
function set(select, value) {
  const listed = [...select.options].some((each) => each.value === value);
  if (!listed) select.prepend(option([value, value || "not known yet"]));
  select.value = value;
}
