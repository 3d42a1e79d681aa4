// Mappings that the user has chosen, remembered in this browser by the columns of the file.

const KEY = "contacts-import.mappings";
const KEPT = 50; // the newest ones

/** The mapping that was last used for a file with these columns, as `Mapping.snapshot` made it. */
export function rememberedMapping(columns) {
  return stored().find(([header]) => header === headerOf(columns))?.[1] ?? null;
}

/** Remembers a mapping; null forgets it. */
export function rememberMapping(columns, snapshot) {
  const header = headerOf(columns);
  const others = stored().filter(([other]) => other !== header);
  const all = snapshot ? [[header, snapshot], ...others] : others;
  try {
    localStorage.setItem(KEY, JSON.stringify(all.slice(0, KEPT)));
  } catch {
    // Storage is full or forbidden: the user chooses the columns again next time.
  }
}

const headerOf = (columns) => columns.map(({ map }) => map).join("\n");

function stored() {
  try {
    const all = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(all) ? all : [];
  } catch {
    return []; // forbidden, or not what this page has written
  }
}
