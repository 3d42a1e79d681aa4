// The cell of a rejected record that is at fault.

/**
 * Where a rejected record is wrong, by its code; null if that is no single cell.
 * @param {{ code: string, content: unknown }} record
 * @param {{ mapping?: Record<string, string>, alternatives?: Record<string, string[]> } | null} detected
 * @returns {{ field: string, column: string, text: string } | null}
 */
export function faultOf({ code, content }, detected) {
  const found = fieldsAtFault(code)
    .map((field) => cellOf(field, content, detected))
    .filter((cell) => cell !== null);
  return found.find(({ text }) => text !== "") ?? found[0] ?? null;
}

/** The full name, or the e-mail, as the file has it. */
export function received(field, content, detected) {
  const fields = field === "name" ? [["name"], ["first_name", "last_name"]] : [[field]];
  const texts = fields.map((each) =>
    each.map((one) => cellOf(one, content, detected)?.text).filter(Boolean).join(" "));
  return texts.find(Boolean) ?? "";
}

/** The value of a column, or at a path of keys, as text; null if the record has none. */
export function textAt(content, column) {
  if (content === null || typeof content !== "object") return null;
  if (Object.hasOwn(content, column)) return asText(content[column]);
  let value = content;
  for (const key of column.split(".")) {
    value = Array.isArray(value) ? value[0] : value;
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, key)) return null;
    value = value[key];
  }
  return asText(value);
}

function fieldsAtFault(code) {
  if (code.startsWith("email_")) return ["email"];
  if (code.startsWith("name_")) return ["name", "last_name", "first_name"];
  return code === "no_name_and_no_email" ? ["email", "name"] : [];
}

function cellOf(field, content, detected) {
  const columns = [detected?.mapping?.[field], ...(detected?.alternatives?.[field] ?? [])];
  if (!detected?.mapping) columns.push(field);
  const cells = columns
    .filter((column) => column !== undefined)
    .map((column) => ({ field, column, text: textAt(content, column) }))
    .filter(({ text }) => text !== null);
  return cells.find(({ text }) => text !== "") ?? cells[0] ?? null;
}

function asText(value) {
  const one = Array.isArray(value) ? value[0] : value;
  const inner = one !== null && typeof one === "object" ? one.value : one;
  if (inner === null || inner === undefined) return "";
  return typeof inner === "string" ? inner : JSON.stringify(inner);
}
