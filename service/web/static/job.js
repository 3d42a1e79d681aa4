// The third step: one import is followed to its end, and acted on.
import { cancelImport, getImport, Problem, retryImport, undoImport } from "./api.js";
import { confirmed } from "./confirm.js";
import { announce, by, show, showProblem } from "./dom.js";
import { renderJob, renderUnknown } from "./job_card.js";
import { forgetRejections, setRowNumbers } from "./rejections.js";
import { rowsAbove } from "./row_numbers.js";
import { requestOf } from "./sent.js";
import { setTitle, showStep } from "./steps.js";
import { counted, ENDED, percent, stateWord } from "./words.js";
import { sentence } from "./outcome.js";

const FIRST_POLL = 400; // milliseconds
const SLOWEST_POLL = 3000;
const BUTTONS = ["retry", "cancel", "undo", "import-valid", "send-again"];

let current = null;
let watch = 0;
let wanted = false;
let loadFailed = false;
let changed = () => {};
let above = null;

/**
 * @param {object} calls
 * @param {() => void} calls.changed is called whenever a state changed.
 * @param {(request: import("./sending.js").Request) => void} calls.send imports a file that was sent before.
 * @param {(file: File) => void} calls.check begins with a file that was sent before.
 */
export function startJob({ changed: onChange, send, check }) {
  changed = onChange;
  by("retry").addEventListener("click", () => act(retryImport));
  by("cancel").addEventListener("click", async () => {
    if (await confirmed(CANCEL)) await act(cancelImport);
  });
  by("undo").addEventListener("click", async () => {
    if (await confirmed(undoQuestion(current))) await act(undoImport);
  });
  by("import-valid").addEventListener("click", () => send({ ...requestOf(current.jobId), dryRun: false }));
  by("send-again").addEventListener("click", () => check(requestOf(current.jobId).file));
}

const CANCEL = {
  title: "Cancel this import?",
  words: "Contacts that are already imported stay, the rest is not imported. You can undo the whole import later.",
  yes: "Cancel it",
};

const undoQuestion = (job) => ({
  title: job.dryRun ? "Remove this check?" : "Undo this import?",
  words: job.dryRun
    ? "Its file and its list of records are removed. This cannot be reversed."
    : `Its ${counted(job.imported, "contact", "contacts")}, its file and its list of records are removed. This cannot be reversed.`,
  yes: job.dryRun ? "Remove it" : "Undo it",
});

/** Show an import and follow it to its end; `focus` moves the focus to it once it is there. */
export async function openJob(id, { focus = false } = {}) {
  if (current?.jobId !== id) {
    current = null;
    above = null;
    showJobProblem(null);
    forgetRejections();
    setRowNumbers(() => null);
  }
  wanted = focus;
  await follow(id);
}

export function closeJob() {
  watch += 1;
  current = null;
}

async function follow(id) {
  const mine = ++watch;
  for (let wait = FIRST_POLL; ; wait = Math.min(wait * 1.15, SLOWEST_POLL)) {
    const job = await load(id, mine);
    if (job === null || (job && ENDED.has(job.state))) return;
    await pause(wait);
    if (mine !== watch) return;
  }
}

/** The job; undefined if it cannot be loaded now, null if it never can or is no longer wanted. */
async function load(id, mine) {
  try {
    const job = await getImport(id);
    if (mine !== watch) return null;
    if (loadFailed) showJobProblem(null);
    await render(job);
    return mine === watch ? job : null;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine !== watch) return null;
    if (!current) {
      renderUnknown(id);
      appear();
    }
    showJobProblem(problem);
    loadFailed = true;
    return problem.status >= 400 && problem.status < 500 ? null : undefined;
  }
}

/** Shows a problem, or hides it. A later load hides only a problem of loading. */
export function showJobProblem(problem) {
  showProblem(by("job-problem"), problem);
  loadFailed = false;
}

/** Waits; while the page is hidden, until it is visible again. */
function pause(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(() => {
      if (!document.hidden) resolve();
      else document.addEventListener("visibilitychange", resolve, { once: true });
    }, milliseconds);
  });
}

async function act(action) {
  const { jobId } = current;
  enable(false);
  showJobProblem(null);
  try {
    const job = await action(jobId);
    if (current?.jobId !== jobId) return;
    wanted = true; // the button that had the focus may be gone
    await render(job);
    follow(jobId);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showJobProblem(problem);
  } finally {
    enable(true);
  }
}

function enable(is) {
  for (const id of BUTTONS) by(id).disabled = !is;
}

function appear() {
  showStep("result", { focus: wanted });
  wanted = false;
}

async function render(job) {
  const before = current;
  current = job;
  const isNew = before?.jobId !== job.jobId;
  if (isNew || wanted) appear();
  if (above === null) await numberRows(job);
  if (current !== job) return;
  renderJob(job, { request: requestOf(job.jobId), rowOf });
  setTitle(title(job));
  if (isNew || before.state !== job.state) {
    announce(`${stateWord(job)}. ${sentence(job)}`);
    changed();
  }
}

/** Finds out the rows of records in the file, once, if this page has sent it. */
async function numberRows(job) {
  const request = requestOf(job.jobId);
  if (!request || !(job.rejected || job.warnings?.length)) return;
  above = { jobId: job.jobId, rows: await rowsAbove(request.file, job, request.reading) };
  if (current?.jobId === job.jobId) setRowNumbers(rowOf);
}

/** The row of a record in the file of the current import; null if it is not certain. */
function rowOf(record) {
  return above && above.jobId === current?.jobId && above.rows !== null ? above.rows + record : null;
}

function title(job) {
  if (ENDED.has(job.state)) return stateWord(job);
  return job.state === "importing" ? `${percent(job.records - job.notProcessed, job.records)} % ${job.dryRun ? "checked" : "imported"}` : stateWord(job);
}
