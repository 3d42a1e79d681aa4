// The few things that every module does with the document. Text from data is only ever text.

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

/** For screen readers, politely; the same words twice are said once. */
export function say(words) {
  if (by("said").textContent !== words) by("said").textContent = words;
}

/** A problem in words: what it is, what to do, and where. Null takes it away. */
export function tell(node, problem) {
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
