// The table of the file's columns: samples, what each is imported as, and how sure that is.
import { by, cell, element, show, tableRow } from "./dom.js";
import { FIELDS } from "./mapping.js";

const SURE = {
  named: "your choice",
  sure: "by its name",
  likely: "probably, by its name",
  guessed: "guessed from its values: please check",
};
const MAX_LISTED = 8;

let drawn = "";
let selects = [];

/**
 * Shows the columns. A table of the same columns is kept, so that the focus stays where it is.
 * @param {import("./mapping.js").Column[]} columns
 * @param {import("./mapping.js").Mapping} mapping
 * @param {(map: string, field: string | null) => void} chosen
 */
export function showColumns(columns, mapping, chosen) {
  const now = JSON.stringify(columns.map(({ name, map, samples }) => [name, map, samples]));
  if (now !== drawn) {
    drawn = now;
    selects = columns.map(({ map }) => fieldSelect(map, chosen));
    by("column-rows").replaceChildren(...columns.map((column, at) => row(column, at)));
  }
  columns.forEach((column, at) => update(column, at, mapping.field(column.map)));
  by("not-imported").textContent = notImported(columns, mapping);
  show(by("columns"), columns.length > 0);
}

function row({ name, map, samples }, at) {
  const label = name || `Column ${map}`;
  selects[at].setAttribute("aria-labelledby", `column-${at}`);
  selects[at].setAttribute("aria-describedby", `sure-${at}`);
  return tableRow(
    {},
    cell({ className: "column-name" }, element("span", { id: `column-${at}` }, label)),
    cell({ className: "samples" }, samplesList(samples)),
    cell({ className: "column-field" }, selects[at], element("span", { className: "sure", id: `sure-${at}` })),
  );
}

function samplesList(samples) {
  if (!samples.length) return element("span", { className: "quiet" }, "no values");
  return element("ul", {}, ...samples.map((text) => element("li", {}, text)));
}

function fieldSelect(map, chosen) {
  const select = element(
    "select",
    {},
    element("option", { value: "" }, "Don’t import"),
    ...Object.entries(FIELDS).map(([field, words]) => element("option", { value: field }, words)),
  );
  select.addEventListener("change", () => chosen(map, select.value || null));
  return select;
}

function update({ field, certainty }, at, chosen) {
  const select = selects[at];
  select.value = chosen ?? "";
  select.closest("tr").classList.toggle("unused", !chosen);
  const words = by(`sure-${at}`);
  words.textContent = chosen ? SURE[chosen === field ? certainty : "named"] ?? "" : "";
  words.classList.toggle("unsure", chosen === field && certainty === "guessed");
}

function notImported(columns, mapping) {
  const unused = columns.filter(({ map }) => !mapping.field(map)).map(({ name, map }) => name || `column ${map}`);
  if (!unused.length) return "";
  const more = unused.length - MAX_LISTED;
  return `Not imported: ${unused.slice(0, MAX_LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}
