// One rejected record: what is wrong, its cell to correct, and a suggestion to accept.
import { button, cell, element, tableRow } from "./dom.js";
import { FIELDS } from "./mapping.js";
import { number, plain } from "./words.js";

const LONG = 60; // characters of a text that needs several lines
const LINE = 36;

/**
 * @typedef {object} RowContext
 * @property {{ field: string, column: string, text: string } | null} fault the cell at fault
 * @property {number | null} row the record's number in the file
 * @property {boolean} isDone whether its correction was imported
 * @property {boolean} canCorrect
 * @property {string | undefined} corrected the text that the user has corrected it to
 * @property {(text: string | null) => void} correct is called with the new text; null takes it back
 */

/** @param {RowContext} context */
export function rejectedRow({ record, message, hint, content }, context) {
  const why = cell({ className: "why" }, element("p", {}, message));
  const row = tableRow(
    {},
    cell({ className: "number" }, ...places(record, context.row)),
    why,
    cell({ className: "content" }, wholeRecord(content, context.fault)),
  );
  if (context.isDone) why.append(element("p", { className: "fine" }, "Corrected and imported."));
  else if (context.fault && context.canCorrect && typeof content === "object") correction(row, why, record, hint, context);
  else if (context.fault) why.append(fault(context.fault));
  if (!context.canCorrect && hint) why.append(element("p", { className: "hint" }, `Did you mean ${hint}?`));
  return row;
}

function places(record, row) {
  if (row === null) return [number(record)];
  return [element("span", {}, number(row)), element("span", { className: "quiet of-record" }, `record ${number(record)}`)];
}

const fault = ({ column, text }) =>
  element("p", { className: "fault" }, `${column}: `, text ? element("code", { className: "bad-cell" }, text) : element("span", { className: "bad-cell empty" }, "empty"));

function correction(row, why, record, hint, { fault: { field, column, text }, corrected, correct }) {
  const id = `correct-${record}`;
  const input = text.length > LONG
    ? element("textarea", { id, rows: String(Math.min(Math.ceil(text.length / LINE), 8)), spellcheck: "false" })
    : element("input", { type: "text", id, autocomplete: "off", spellcheck: "false" });
  const accept = hint ? button("", () => toggle(), { className: "small" }) : null;
  input.value = corrected ?? text;
  mark();
  input.addEventListener("input", () => {
    correct(input.value === text ? null : input.value);
    mark();
  });
  const label = element("label", { for: id }, `${column || FIELDS[field]} `, element("span", { className: "unseen" }, `of record ${number(record)}`));
  why.append(element("div", { className: "correction" }, label, input));
  if (accept) {
    why.append(element("p", { className: "hint" }, "Did you mean ", element("bdi", {}, hint), "? ", accept));
  }

  function toggle() {
    input.value = input.value === hint ? text : hint;
    correct(input.value === text ? null : input.value);
    mark();
  }

  function mark() {
    row.classList.toggle("corrected", input.value !== text);
    if (accept) {
      accept.textContent = input.value === hint ? "Take back" : "Accept";
      accept.setAttribute("aria-label", `${accept.textContent}: ${hint}`);
    }
  }
}

function wholeRecord(content, fault_) {
  if (content === null || typeof content !== "object" || Array.isArray(content)) {
    return element("code", { className: "whole" }, plain(content));
  }
  const cells = Object.entries(content).filter(([name, value]) => name === fault_?.column || value !== "");
  return element(
    "dl",
    { className: "whole" },
    ...cells.map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", { className: name === fault_?.column ? "bad-cell" : "" }, plain(value) || "—"))),
  );
}
