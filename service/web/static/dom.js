// Helpers for the document. Data is only ever inserted as text.

export const by = (id) => document.getElementById(id);

export function element(tag, { className, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

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
