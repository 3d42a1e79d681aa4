// Calls of the HTTP API. Every error becomes a Problem.

export class Problem extends Error {
  constructor({ title, detail, code, status, offset, record }) {
    super(title);
    Object.assign(this, { title, detail, code, status, offset, record });
  }
}

const UNREACHABLE = {
  title: "The service cannot be reached",
  detail: "Check your connection and try again.",
  code: "unreachable",
};

export async function call(method, path) {
  let answer;
  try {
    answer = await fetch(path, { method, headers: { Accept: "application/json" } });
  } catch {
    throw new Problem(UNREACHABLE);
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

/** Sends a file; `progress` is called with the bytes sent and the total. */
export function upload({ file, source, dryRun, key, progress, signal }) {
  const form = new FormData();
  form.append("source", source);
  form.append("file", asCsv(file));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report the progress of an upload
    request.open("POST", dryRun ? "/import?dryRun=true" : "/import");
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => progress(event.loaded, event.total);
    request.onload = () => settle(() => read(request.status, request.responseText), resolve, reject);
    request.onerror = () => reject(new Problem({
      title: "The connection was lost",
      detail: "Import the file again. It will not be imported twice.",
    }));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** The file, as CSV if its name is that of another kind of table. Its content is not copied. */
function asCsv(file) {
  return /\.(tsv|tab|txt)$/i.test(file.name) ? new File([file], file.name, { type: "text/csv" }) : file;
}

/** A new Idempotency-Key: requests with the same key create one import. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID needs https
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
    // Not JSON, perhaps the error page of a proxy: the status has to suffice.
  }
  if (status >= 200 && status < 300 && body) return body;
  throw new Problem(body?.title ? body : {
    title: "Unexpected answer from the service",
    detail: `The service answered HTTP ${status}. Try again in a moment.`,
    status,
  });
}
