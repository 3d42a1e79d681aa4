// Calls of the HTTP API. Every error becomes a Problem.
import { keyHeaders, withApiKey } from "./api_key.js";

/**
 * How a file is to be read, as far as the user says so; the rest is detected.
 * @typedef {object} Reading
 * @property {string} [encoding]
 * @property {string} [delimiter] a character
 * @property {"none"} [header]
 * @property {"none"} [email]
 * @property {"none"} [name]
 * @property {[string, string][]} [map] names of columns with the fields that they hold
 */

export class Problem extends Error {
  constructor({ title, detail, code, status, offset, record, columns, encodings }) {
    super(title);
    Object.assign(this, { title, detail, code, status, offset, record, columns, encodings });
  }
}

const UNREACHABLE = {
  title: "The service cannot be reached",
  detail: "Check your connection and try again.",
  code: "unreachable",
};

export const call = (method, path, { body, signal } = {}) => withApiKey(async () => {
  const answer = await request(path, { method, body, signal });
  return read(answer.status, await answer.text().catch(() => ""));
});

async function request(path, { headers, signal, ...options }) {
  try {
    return await fetch(path, { ...options, signal, headers: { Accept: "application/json", ...keyHeaders(), ...headers } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
}

export const getImport = (id) => call("GET", address(id));
export const retryImport = (id) => call("POST", `${address(id)}/retry`);
export const cancelImport = (id) => call("POST", `${address(id)}/cancel`);
export const undoImport = (id) => call("DELETE", address(id));
export const rejectionsCsv = (id) => `${address(id)}/rejections?format=csv`;

/** All rejections as a file, for services that need a key, which a link cannot send. */
export const readRejectionsCsv = (id) => withApiKey(async () => {
  const answer = await request(rejectionsCsv(id), { headers: { Accept: "*/*" } });
  if (!answer.ok) return read(answer.status, await answer.text().catch(() => ""));
  return answer.blob().catch(() => {
    throw new Problem(UNREACHABLE);
  });
});

export function listRejections(id, { limit, cursor }) {
  const query = new URLSearchParams({ limit });
  if (cursor) query.set("cursor", cursor);
  return call("GET", `${address(id)}/rejections?${query}`);
}

export function listImports({ state, cursor, limit }) {
  const query = new URLSearchParams({ limit });
  if (state) query.set("state", state);
  if (cursor) query.set("cursor", cursor);
  return call("GET", `/import?${query}`);
}

/** How a file would be imported. `file` may be only its beginning. */
export function previewImport({ file, reading, signal }) {
  return call("POST", "/import/preview", { body: form(file, reading), signal });
}

/** Sends a file; `progress` is called with the bytes sent and the total. */
export function upload({ file, source, dryRun, reading, key, progress, signal }) {
  const body = form(file, reading, { source, dryRun });
  return withApiKey(() => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not report the progress of an upload
    request.open("POST", "/import");
    const headers = { Accept: "application/json", "Idempotency-Key": key, ...keyHeaders() };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(event.loaded, event.total);
    request.onload = () => settle(() => read(request.status, request.responseText), resolve, reject);
    request.onerror = () => reject(new Problem({
      title: "The connection was lost",
      detail: "Import the file again. It will not be imported twice.",
    }));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  }));
}

/** A new Idempotency-Key: requests with the same key create one import. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID needs https
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A form with the options before the file, as the service needs them. */
function form(file, { encoding, delimiter, header, email, name, map = [] }, { source, dryRun } = {}) {
  const fields = { source, dryRun: dryRun ? "true" : "", encoding, delimiter, header, email, name };
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value) made.append(name, value);
  for (const [column, field] of map) made.append("map", `${column}:${field}`);
  made.append("file", file);
  return made;
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
