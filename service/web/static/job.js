// One import: where it stands, what can be done with it, what was rejected.
import { cancelImport, getImport, Problem, retryImport, undoImport } from "./api.js";
import { confirmed } from "./confirming.js";
import { by, element, say, show, tell } from "./dom.js";
import { facts } from "./facts.js";
import { forgetRejections, showRejections } from "./rejections.js";
import { counted, duration, ENDED, number, percent, STATES, stateWord } from "./words.js";

const SOON = 400;
const LATE = 3000;

let current = null;
let watch = 0;
let wanted = false;
let unseen = false;
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
  words: "What is imported already stays; the rest is left out. You can undo the whole import later.",
  yes: "Cancel it",
};

const undoQuestion = (job) => ({
  title: "Undo this import?",
  words: job.dryRun
    ? "Its file and its rejections are removed. This cannot be taken back."
    : `Its ${counted(job.imported, "contact", "contacts")}, its file and its rejections are removed. This cannot be taken back.`,
  yes: "Undo it",
});

/** Show an import and follow it to its end; `focus` brings it into view once it is there. */
export async function openJob(id, { focus = false } = {}) {
  if (current?.jobId !== id) {
    current = null;
    told(null);
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
  for (let wait = SOON; ; wait = Math.min(wait * 1.15, LATE)) {
    const job = await look(id, mine);
    if (job === null || (job && ENDED.has(job.state))) return;
    await pause(wait);
    if (mine !== watch) return;
  }
}

/** The job; undefined if it cannot be seen now, null if it never will or is not wanted any more. */
async function look(id, mine) {
  try {
    const job = await getImport(id);
    if (mine !== watch) return null;
    if (unseen) told(null);
    render(job);
    return job;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (mine !== watch) return null;
    if (!current) untold(id);
    told(problem);
    unseen = true;
    return problem.status >= 400 && problem.status < 500 ? null : undefined;
  }
}

/** What went wrong: seeing it clears what kept it from being seen, and nothing else. */
function told(problem) {
  tell(by("job-told"), problem);
  unseen = false;
}

/** The page is not seen: look again when it is. */
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
  told(null);
  try {
    const job = await action(jobId);
    if (current?.jobId !== jobId) return;
    wanted = true; // the button that had the focus may be gone
    render(job);
    follow(jobId);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    told(problem);
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

function untold(id) {
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
    say(`${stateWord(job)}: ${sentence(job)}`);
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
  by("undo").textContent = job.dryRun ? "Forget this check" : "Undo the import";
}
