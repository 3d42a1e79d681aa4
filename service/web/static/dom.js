// Helpers for the document. Data is only ever inserted as text.

export const by = (id) => document.getElementById(id);

export function element(tag, { className, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A button that calls `act` when it is pressed. */
export function button(words, act, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, words);
  made.addEventListener("click", act);
  return made;
}

// The roles of rows and cells are explicit because narrow screens show them as blocks, which removes
// implicit roles.
export const tableRow = (attributes, ...cells) => element("tr", { role: "row", ...attributes }, ...cells);
export const cell = (attributes, ...children) => element("td", { role: "cell", ...attributes }, ...children);

export function show(node, visible) {
  node.hidden = !visible;
}

/** Announces a text to screen readers, unless it was the last one. */
export function announce(text) {
  if (by("announcement").textContent !== text) by("announcement").textContent = text;
}

/** Shows a problem: its title, what to do, and where it is. Null hides it. */
export function showProblem(node, problem) {
  node.replaceChildren();
  if (problem) {
    node.append(element("strong", {}, problem.title));
    node.append([problem.detail, place(problem)].filter(Boolean).join(" "));
  }
  show(node, Boolean(problem));
}

function place({ record, offset }) {
  const where = [];
  if (record !== undefined) where.push(`record ${record.toLocaleString("en")}`);
  if (offset !== undefined) where.push(`byte ${offset.toLocaleString("en")}`);
  return where.length ? `(At ${where.join(", ")}.)` : "";
}
