// Sends a file, with its progress. While it runs, the browser asks before the page is left.
import { newKey, Problem, upload } from "./api.js";
import { announce, by } from "./dom.js";
import { setTitle, showStep } from "./steps.js";
import { duration, percent, size } from "./words.js";

/**
 * A request to import a file.
 * @typedef {{ file: File, source: string, dryRun: boolean, reading: import("./api.js").Reading }} Request
 */

/** @type {AbortController | null} */
let stopping = null;
let sent = { request: "", file: null, key: "" };

export function startSending() {
  by("stop").addEventListener("click", () => stopping?.abort(null));
}

export const isSending = () => stopping !== null;

/**
 * Sends a request and shows the progress.
 * @param {Request} request
 * @returns {Promise<{ jobId?: string, problem?: Problem | null }>} the import, or a problem; null if it was stopped.
 */
export async function sendFile(request) {
  stopping = new AbortController();
  addEventListener("beforeunload", ask);
  start(request);
  try {
    const { jobId } = await upload({ ...request, key: keyOf(request), progress: progressOf(), signal: stopping.signal });
    return { jobId };
  } catch (problem) {
    if (problem !== null && !(problem instanceof Problem)) throw problem;
    if (!problem) announce("The upload was stopped; nothing was imported.");
    return { problem };
  } finally {
    removeEventListener("beforeunload", ask);
    stopping = null;
    setTitle("");
  }
}

const ask = (event) => event.preventDefault();

/** The same key for the same request, so that one that is sent again makes one import. */
function keyOf({ file, ...others }) {
  const request = JSON.stringify(others);
  if (sent.file !== file || sent.request !== request) sent = { request, file, key: newKey() };
  return sent.key;
}

/** The next request makes another import, even if it is the same. */
export function forgetKey() {
  sent = { request: "", file: null, key: "" };
}

function start({ file, dryRun }) {
  by("uploading-title").textContent = `Uploading ${file.name}`;
  by("upload-words").textContent = dryRun ? "To be checked: nothing is imported" : "To be imported";
  by("upload-numbers").textContent = "";
  by("upload-bar").value = 0;
  showStep("upload");
}

function progressOf() {
  const begin = performance.now();
  return (loaded, total) => {
    by("upload-bar").value = total ? loaded / total : 0;
    const left = ((performance.now() - begin) / 1000 / loaded) * (total - loaded);
    const rest = loaded < total && left > 3 ? `, ${duration(left)} left` : "";
    by("upload-numbers").textContent = `${percent(loaded, total)} % of ${size(total)}${rest}`;
    setTitle(`${percent(loaded, total)} % uploaded`);
    if (loaded === total) by("upload-words").textContent = "Uploaded, waiting for storage";
  };
}
