// The HTTP API as the page needs it. Whatever goes wrong becomes a Problem.

export class Problem extends Error {
  constructor({ title, detail, code, status, offset, record }) {
    super(title);
    Object.assign(this, { title, detail, code, status, offset, record });
  }
}

const AWAY = {
  title: "The service cannot be reached",
  detail: "Look at your connection, then try again.",
  code: "unreachable",
};

export async function call(method, path) {
  let answer;
  try {
    answer = await fetch(path, { method, headers: { Accept: "application/json" } });
  } catch {
    throw new Problem(AWAY);
  }
  return read(answer.status, await answer.text().catch(() => ""));
}

export const getImport = (id) => call("GET", address(id));
export const retryImport = (id) => call("POST", `${address(id)}/retry`);
export const cancelImport = (id) => call("POST", `${address(id)}/cancel`);
export const undoImport = (id) => call("DELETE", address(id));
export const listRejections = (id, limit) => call("GET", `${address(id)}/rejections?limit=${limit}`);
export const rejectionsCsv = (id) => `${address(id)}/rejections?format=csv`;

export function listImports({ state, cursor, limit }) {
  const query = new URLSearchParams({ limit });
  if (state) query.set("state", state);
  if (cursor) query.set("cursor", cursor);
  return call("GET", `/import?${query}`);
}

/** Sends a file; `progress` is told the bytes that went out, and all there are. */
export function upload({ file, source, dryRun, key, progress, signal }) {
  const form = new FormData();
  form.append("source", source);
  form.append("file", named(file));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells no progress of an upload
    request.open("POST", dryRun ? "/import?dryRun=true" : "/import");
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => progress(event.loaded, event.total);
    request.onload = () => settle(() => read(request.status, request.responseText), resolve, reject);
    request.onerror = () => reject(new Problem({
      title: "The connection broke",
      detail: "Import it again: what has arrived already is not imported twice.",
    }));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Tables that are called otherwise are CSV, too; nothing is copied. */
function named(file) {
  return /\.(tsv|tab|txt)$/i.test(file.name) ? new File([file], file.name, { type: "text/csv" }) : file;
}

/** A key of our own for one submission: sent again with it, it is still one import. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is there on https only
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const address = (id) => `/import/${encodeURIComponent(id)}`;

function settle(work, resolve, reject) {
  try {
    resolve(work());
  } catch (error) {
    reject(error);
  }
}

function read(status, text) {
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // No JSON: a proxy's page, perhaps. The status has to do.
  }
  if (status >= 200 && status < 300 && body) return body;
  throw new Problem(body?.title ? body : {
    title: "The service did not answer as it should",
    detail: `It said HTTP ${status}. Try again in a moment.`,
    status,
  });
}
