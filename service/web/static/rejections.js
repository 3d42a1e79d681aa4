// The rejected records of an import: by reason, to be corrected and imported again.
import { listRejections, Problem, readRejectionsCsv, rejectionsCsv } from "./api.js";
import { hasApiKey } from "./api_key.js";
import { Corrections, importedRecords, rememberImported } from "./corrections.js";
import { announce, by, element, show } from "./dom.js";
import { faultOf } from "./fault.js";
import { rejectedRow } from "./rejected_row.js";
import { counted, hasPassed, number, reasonWord } from "./words.js";

const LOADED = 1000; // at a time
const REVOKED_AFTER = 60_000; // milliseconds, for the browser to begin saving a file
const SHOWN = 25; // at first, and more of them with each press of a button

let job = null;
let seen = "";
let loaded = [];
let next = null;
let shown = SHOWN;
let reason = "";
let done = new Set();
let rowOf = () => null;
const corrections = new Corrections();

/**
 * @param {(job: object, file: File, reading: object) => Promise<boolean>} send imports corrected rows.
 * @param {(problem: Problem | null) => void} showProblem shows a problem of the import.
 */
export function startRejections(send, showProblem) {
  by("rejections-csv").addEventListener("click", (event) => {
    if (!hasApiKey()) return;
    event.preventDefault();
    download(showProblem);
  });
  by("accept-all").addEventListener("click", acceptAll);
  by("import-corrected").addEventListener("click", () => importCorrected(send));
  by("rejections-more").addEventListener("click", showMore);
}

export function forgetRejections() {
  seen = "";
  loaded = [];
  corrections.clear();
  show(by("rejections"), false);
}

/** Tells the numbers of rows in the file, if they are certain. */
export function setRowNumbers(found) {
  rowOf = found;
  if (loaded.length) render();
}

/** Loads the rejections when their number has changed. */
export async function showRejections(now) {
  const version = `${now.jobId} ${now.state} ${now.rejected}`;
  if (version === seen) return;
  if (job?.jobId !== now.jobId) [shown, reason, done] = [SHOWN, "", importedRecords(now.jobId)];
  seen = version;
  job = now;
  if (!now.rejected || now.state === "undone" || hasPassed(now.expiresAt?.rejections)) {
    show(by("rejections"), false);
    return;
  }
  const page = await load(null);
  if (!page || seen !== version) return;
  [loaded, next] = [page.rejections, page.next];
  render();
  show(by("rejections"), loaded.length > 0);
}

async function load(cursor) {
  try {
    return await listRejections(job.jobId, { limit: LOADED, cursor });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    seen = ""; // the next poll of the import tries again
    return null;
  }
}

const chosen = () => loaded.filter(({ code }) => !reason || code === reason);
const canCorrect = () => !job.dryRun && job.state !== "undoing";

function render() {
  const rows = chosen();
  by("rejections-csv").href = rejectionsCsv(job.jobId);
  by("rejections-words").textContent = job.dryRun
    ? "After the import you can correct these records here. Or correct them in your file and check it again."
    : "Correct the marked cells here and import the corrected rows. Or download them, correct them in a spreadsheet, and drop that file on this page.";
  const areRows = rows.some(({ record }) => rowOf(record) !== null);
  by("row-word").textContent = areRows ? "Row" : "Record";
  by("rejections").classList.toggle("rows-known", areRows);
  by("rejection-rows").replaceChildren(...rows.slice(0, shown).map(row));
  renderReasons();
  renderButtons();
  const total = reason ? job.rejectedByCode[reason] : job.rejected;
  const now = Math.min(rows.length, shown);
  by("rejections-more-words").textContent = `${number(now)} of ${number(total)} are shown.`;
  show(by("rejections-more-words"), now < total);
  show(by("rejections-more"), rows.length > shown || Boolean(next));
}

function row(rejection) {
  const { record, content } = rejection;
  const fault = faultOf(rejection, job.detected);
  return rejectedRow(rejection, {
    fault,
    row: rowOf(record),
    isDone: done.has(record),
    canCorrect: canCorrect(),
    corrected: corrections.get(record),
    correct: (text) => {
      if (text === null) corrections.remove(record);
      else corrections.set(record, content, fault.column, text);
      renderButtons();
    },
  });
}

function renderReasons() {
  const codes = Object.entries(job.rejectedByCode ?? {}).sort((a, b) => b[1] - a[1]);
  const chips = [["", job.rejected], ...codes].map(([code, count]) => {
    const chip = element("button", { type: "button", "aria-pressed": String(code === reason) }, `${code ? reasonWord(code) : "All"} `, element("span", { className: "numbers" }, number(count)));
    chip.addEventListener("click", () => filter(code));
    return chip;
  });
  by("reasons").replaceChildren(...chips);
  show(by("reasons"), codes.length > 1);
}

async function filter(code) {
  [reason, shown] = [code, SHOWN];
  while (!chosen().length && next && (await loadNext()));
  render();
  by("reasons").querySelector("[aria-pressed=true]").focus();
}

async function showMore() {
  const before = Math.min(chosen().length, shown);
  shown += SHOWN;
  while (chosen().length < shown && next && (await loadNext()));
  render();
  const first = by("rejection-rows").children[before];
  if (first) first.querySelector("input, textarea, button")?.focus();
}

/** Loads the next page; returns whether it was loaded. */
async function loadNext() {
  const { jobId } = job;
  const page = await load(next);
  if (!page || job.jobId !== jobId) return false;
  loaded.push(...page.rejections);
  next = page.next;
  return true;
}

/** The records with a suggestion that is not yet accepted. */
const suggested = () =>
  chosen().filter(({ record, hint, content }) =>
    hint && !done.has(record) && corrections.get(record) === undefined && content !== null && typeof content === "object");

function renderButtons() {
  const open = canCorrect() ? suggested().length : 0;
  by("accept-all").textContent = open === 1 ? "Accept the suggestion" : `Accept all ${number(open)} suggestions`;
  show(by("accept-all"), open > 0);
  by("import-corrected").textContent = `Import ${counted(corrections.count, "corrected row", "corrected rows")}`;
  show(by("import-corrected"), corrections.count > 0);
}

/** Saves the file of rejections, which is read with the key first. */
async function download(showProblem) {
  const { jobId } = job;
  try {
    const address = URL.createObjectURL(await readRejectionsCsv(jobId));
    element("a", { href: address, download: `${jobId}-rejections.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(address), REVOKED_AFTER);
    showProblem(null);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(problem);
  }
}

function acceptAll() {
  let accepted = 0;
  for (const rejection of suggested()) {
    const fault = faultOf(rejection, job.detected);
    if (!fault) continue;
    corrections.set(rejection.record, rejection.content, fault.column, rejection.hint);
    accepted += 1;
  }
  render();
  announce(`${counted(accepted, "suggestion", "suggestions")} accepted.`);
  by("import-corrected").focus();
}

async function importCorrected(send) {
  const records = corrections.records;
  const { file, reading } = corrections.toFile("corrected-rows.csv", job);
  const origin = job.jobId;
  if (!(await send(job, file, reading))) return;
  rememberImported(origin, records);
  if (job?.jobId === origin) done = importedRecords(origin);
  corrections.clear();
}
