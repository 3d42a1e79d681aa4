// The first rows of the file as they would be stored, with what is wrong in them.
import { by, cell, element, show, tableRow } from "./dom.js";
import { faultOf, received } from "./fault.js";
import { noteWord, number } from "./words.js";

/** Shows the records of a preview; null hides them. */
export function showPreviewRows(preview) {
  show(by("preview"), Boolean(preview?.records.length));
  if (!preview) return;
  by("preview-rows").replaceChildren(...preview.records.map((record) => row(record, preview.detected)));
  by("preview-note").textContent = preview.complete
    ? "This is a preview: nothing is imported yet."
    : "This is a preview of the beginning of the file. “Check the whole file” reads all of it.";
}

function row(record, detected) {
  const number_ = cell({ className: "number" }, number(record.record));
  if (record.outcome === "rejected") return rejected(record, number_, detected);
  const skipped = record.outcome === "skipped";
  return tableRow(
    { className: skipped ? "skipped" : "" },
    number_,
    value("name", record.name),
    value("email", record.email),
    cell({ className: "outcome-cell" }, skipped ? `Skipped: ${noteWord(record.code ?? "no contact")}` : outcome(record)),
  );
}

function outcome({ warnings = [] }) {
  if (!warnings.length) return element("span", { className: "fine" }, "Imported");
  return element("span", { className: "noted" }, `Imported: ${warnings.map(noteWord).join(", ")}`);
}

function rejected({ message, code, content }, number_, detected) {
  const fault = faultOf({ code, content }, detected);
  const isBad = (field) => !fault || (fault.field === "email") === (field === "email");
  return tableRow(
    { className: "rejected" },
    number_,
    ...(typeof content === "string"
      ? [cell({ colspan: "2" }, element("span", { className: "bad-cell" }, content))]
      : ["name", "email"].map((field) => value(field, received(field, content, detected), isBad(field)))),
    cell({ className: "outcome-cell" }, element("span", { className: "wrong" }, "Not imported: "), message),
  );
}

function value(field, text, bad = false) {
  const words = text ? element("span", { className: bad ? "bad-cell" : "" }, text) : element("span", { className: bad ? "bad-cell empty" : "empty" }, "none");
  return cell({ className: `${field}-cell` }, words);
}
