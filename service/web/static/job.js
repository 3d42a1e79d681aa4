// One import: its state, its actions and its rejections.
import { cancelImport, getImport, Problem, retryImport, undoImport } from "./api.js";
import { confirmed } from "./confirm.js";
import { announce, by, element, show, showProblem } from "./dom.js";
import { facts } from "./facts.js";
import { forgetRejections, showRejections } from "./rejections.js";
import { counted, duration, ENDED, number, percent, STATES, stateWord } from "./words.js";

const FIRST_POLL = 400; // milliseconds
const SLOWEST_POLL = 3000;

let current = null;
let watch = 0;
let wanted = false;
let loadFailed = false;
let changed = () => {};

/** `onChange` is called whenever a state changed. */
export function startJob(onChange) {
  changed = onChange;
  by("retry").addEventListener("click", () => act(retryImport));
  by("cancel").addEventListener("click", async () => {
    if (await confirmed(CANCEL)) await act(cancelImport);
  });
  by("undo").addEventListener("click", async () => {
    if (await confirmed(undoQuestion(current))) await act(undoImport);
  });
}

const CANCEL = {
  title: "Cancel this import?",
  words: "Contacts that are already imported stay, the rest is not imported. You can undo the whole import later.",
  yes: "Cancel it",
};

const undoQuestion = (job) => ({
  title: "Undo this import?",
  words: job.dryRun
    ? "Its file and its rejections are removed. This cannot be reversed."
    : `Its ${counted(job.imported, "contact", "contacts")}, its file and its rejections are removed. This cannot be reversed.`,
  yes: "Undo it",
});

/** Show an import and follow it to its end; `focus` brings it into view once it is there. */
export async function openJob(id, { focus = false } = {}) {
  if (current?.jobId !== id) {
    current = null;
    setProblem(null);
    forgetRejections();
    show(by("job"), false);
  }
  wanted = focus;
  await follow(id);
}

export function closeJob() {
  watch += 1;
  current = null;
  show(by("job"), false);
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
    if (loadFailed) setProblem(null);
    render(job);
    return job;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine !== watch) return null;
    if (!current) showUnknown(id);
    setProblem(problem);
    loadFailed = true;
    return problem.status >= 400 && problem.status < 500 ? null : undefined;
  }
}

/** Shows a problem, or hides it. A later load hides only a problem of loading. */
function setProblem(problem) {
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
  setProblem(null);
  try {
    const job = await action(jobId);
    if (current?.jobId !== jobId) return;
    wanted = true; // the button that had the focus may be gone
    render(job);
    follow(jobId);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    setProblem(problem);
  } finally {
    enable(true);
  }
}

function enable(is) {
  for (const id of BUTTONS) by(id).disabled = !is;
}

const BUTTONS = ["retry", "cancel", "undo"];

function appear() {
  show(by("job"), true);
  if (wanted) by("job").focus();
  wanted = false;
}

function showUnknown(id) {
  by("job-title").textContent = "Import";
  by("job-id").textContent = id;
  for (const part of ["importing", "job-failure", ...BUTTONS]) show(by(part), false);
  by("job").classList.add("unknown");
  appear();
}

function render(job) {
  const before = current;
  current = job;
  by("job").classList.remove("unknown");
  by("job-title").textContent = job.source;
  by("job-id").textContent = job.jobId;
  state(job);
  gauge(job);
  counts(job);
  failure(job);
  buttons(job);
  by("facts").replaceChildren(...facts(job));
  showRejections(job);
  appear();
  if (before?.jobId !== job.jobId || before.state !== job.state) {
    announce(`${stateWord(job)}: ${sentence(job)}`);
    changed();
  }
}

function state(job) {
  by("job-state").textContent = stateWord(job);
  by("job-state").className = `state ${STATES[job.state]?.tone ?? ""}`;
}

const sentence = (job) =>
  `${number(job.imported)} of ${counted(job.records, "record", "records")} ${job.dryRun ? "would be imported" : "imported"}, ${number(job.rejected)} rejected.`;

function gauge(job) {
  const done = job.imported + job.rejected;
  by("importing").classList.toggle("bad-end", job.state === "failed");
  by("import-bar").value = job.records ? done / job.records : Number(ENDED.has(job.state));
  by("import-words").textContent = progressWords(job);
  by("import-numbers").textContent = `${percent(done, job.records)} %${pace(job)}`;
  show(by("importing"), !["undone", "undoing", "undo_failed"].includes(job.state));
}

function progressWords(job) {
  const parts = job.parts.total > 1 ? `, ${number(job.parts.done)} of ${number(job.parts.total)} parts done` : "";
  return `${number(job.imported + job.rejected)} of ${counted(job.records, "record", "records")}${parts}`;
}

function pace(job) {
  if (!job.rate) return "";
  const left = ENDED.has(job.state) ? 0 : job.notProcessed / job.rate;
  return `, ${number(Math.round(job.rate))} a second${left > 3 ? `, ${duration(left)} left` : ""}`;
}

function counts(job) {
  const values = { records: job.records, imported: job.imported, rejected: job.rejected, left: job.notProcessed };
  for (const [name, value] of Object.entries(values)) {
    by(`count-${name}`).textContent = number(value);
    by(`count-${name}`).parentElement.classList.toggle("zero", !value);
  }
  by("imported-word").textContent = job.dryRun ? "Would be imported" : "Imported";
}

function failure(job) {
  const why = job.failure;
  by("job-failure").replaceChildren();
  if (why) {
    by("job-failure").append(element("p", {}, element("strong", {}, "Why it failed"), `${why.detail}${left(why)}`));
    if (why.advice) by("job-failure").append(element("p", {}, why.advice));
  }
  show(by("job-failure"), Boolean(why));
}

function left({ contactsLeft }) {
  if (contactsLeft === undefined) return "";
  return ` ${counted(contactsLeft, "contact is", "contacts are")} left.`;
}

function buttons(job) {
  const { state: now } = job;
  show(by("retry"), now === "failed");
  show(by("cancel"), now === "queued" || now === "importing");
  show(by("undo"), ["completed", "failed", "cancelled", "undo_failed"].includes(now));
  by("undo").textContent = job.dryRun ? "Remove this check" : "Undo the import";
}
