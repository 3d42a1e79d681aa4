// The API key, where the service needs one: asked for, and kept for this tab alone.
import { by, show, showProblem } from "./dom.js";

const STORED = "contacts-import.api-key";

let key = stored();
/** @type {Promise<boolean> | null} */
let asking = null;
let refusals = 0;
let changed = () => {};

/** @param {() => void} onChange is called when the user has given a key. */
export function startApiKey(onChange) {
  changed = onChange;
  show(by("forget-api-key"), Boolean(key));
  by("forget-api-key").addEventListener("click", () => {
    store("");
    location.reload(); // nothing that was read with the key stays on the page
  });
}

export const hasApiKey = () => Boolean(key);

/** The headers of a request. */
export const keyHeaders = () => (key ? { Authorization: `Bearer ${key}` } : {});

/**
 * Makes a request. If the service needs a key, or another one, asks for it and makes the request again.
 * @template T
 * @param {() => Promise<T>} request
 * @returns {Promise<T>}
 */
export async function withApiKey(request) {
  for (;;) {
    const used = key, before = refusals;
    try {
      return await request();
    } catch (problem) {
      if (problem?.status !== 401 || !problem.code?.startsWith("api_key_")) throw problem;
      // Requests that run at the same time ask once, also if one fails after the user has refused.
      if (key === used && (refusals !== before || !(await (asking ??= ask(problem))))) throw problem;
    }
  }
}

/** Resolves to whether the user has given a key. */
async function ask(problem) {
  const dialog = by("api-key-dialog");
  showProblem(by("api-key-problem"), key ? problem : null);
  by("api-key").value = "";
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  asking = null;
  const given = by("api-key").value.trim();
  by("api-key").value = "";
  if (dialog.returnValue !== "yes") {
    refusals += 1;
    return false;
  }
  store(given);
  changed();
  return true;
}

function store(text) {
  key = text;
  show(by("forget-api-key"), Boolean(text));
  try {
    if (text) sessionStorage.setItem(STORED, text);
    else sessionStorage.removeItem(STORED);
  } catch {
    // Storage is forbidden: the key is asked for again when the page is loaded.
  }
}

function stored() {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return ""; // forbidden
  }
}
