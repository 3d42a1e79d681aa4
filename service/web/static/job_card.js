// One import on the page: the sentence, the progress, the counts, and what can be done.
import { by, element, show } from "./dom.js";
import { facts } from "./facts.js";
import { explanation, offers, sentence } from "./outcome.js";
import { showRejections } from "./rejections.js";
import { showWarnings } from "./warnings.js";
import { counted, duration, ENDED, moment, number, percent, STATES, stateWord } from "./words.js";

/** Shows that there is no such import; its problem is shown beside. */
export function renderUnknown(id) {
  by("job-title").textContent = "Import";
  by("job-about").textContent = id;
  for (const part of ["importing", "job-outcome", "job-warnings", "details", "retry", "cancel", "undo", "import-valid", "send-again", "choose-again"]) show(by(part), false);
  by("job").classList.add("unknown");
}

/**
 * Shows an import.
 * @param {object} job
 * @param {object} context
 * @param {object | undefined} context.request the request that made it, if this page has sent it
 * @param {(record: number) => number | null} context.rowOf the row in the file of a record
 */
export function renderJob(job, { request, rowOf }) {
  by("job").classList.remove("unknown");
  by("job-title").textContent = sentence(job);
  about(job, request);
  by("job-state").textContent = stateWord(job);
  by("job-state").className = `state ${STATES[job.state]?.tone ?? ""}`;
  gauge(job);
  counts(job);
  outcome(job);
  buttons(job, request);
  showWarnings("job-warnings", job.state === "undone" ? [] : job.warnings ?? [], { rowOf });
  show(by("details"), true);
  by("facts").replaceChildren(...facts(job));
  showRejections(job);
}

function about(job, request) {
  const words = [element("strong", {}, job.source), ` · ${moment(job.createdAt)}`];
  if (request?.origin) words.push(" · corrected rows of ", element("a", { href: `#${request.origin}` }, "an earlier import"));
  by("job-about").replaceChildren(...words);
}

function gauge(job) {
  const done = job.records - job.notProcessed;
  const bar = by("import-bar");
  if (job.records && (done || job.parts.total > 1)) bar.value = done / job.records;
  else bar.removeAttribute("value"); // the progress within the only part is not known
  by("import-words").textContent = progressWords(job, done);
  by("import-numbers").textContent = done ? `${percent(done, job.records)} %${pace(job)}` : "";
  show(by("importing"), ["queued", "importing", "cancelling"].includes(job.state));
  show(by("may-close"), job.state !== "cancelling");
}

function progressWords(job, done) {
  const parts = job.parts.total > 1 ? `, ${number(job.parts.done)} of ${number(job.parts.total)} parts done` : "";
  return `${number(done)} of ${counted(job.records, "record", "records")}${parts}`;
}

function pace(job) {
  if (!job.rate) return "";
  const left = ENDED.has(job.state) ? 0 : job.notProcessed / job.rate;
  return `, ${number(Math.round(job.rate))} a second${left > 3 ? `, ${duration(left)} left` : ""}`;
}

function counts(job) {
  const values = { records: job.records, imported: job.imported, rejected: job.rejected, skipped: job.skipped ?? 0, left: job.notProcessed };
  for (const [name, value] of Object.entries(values)) {
    by(`count-${name}`).textContent = number(value);
    by(`count-${name}`).parentElement.classList.toggle("zero", !value);
  }
  show(by("count-skipped").parentElement, values.skipped > 0);
  show(by("count-left").parentElement, values.left > 0);
  show(by("counts"), job.state !== "undone");
  by("imported-word").textContent = job.dryRun ? "Can be imported" : "Imported";
}

function outcome(job) {
  const paragraphs = explanation(job);
  by("job-outcome").className = `outcome ${STATES[job.state]?.tone === "bad" ? "problem" : ""}`;
  by("job-outcome").replaceChildren(...paragraphs.map((words) => element("p", {}, words)));
  show(by("job-outcome"), paragraphs.length > 0);
}

function undoWords({ dryRun, state, imported }) {
  if (dryRun) return "Remove this check";
  if (state === "undo_failed") return "Undo it again";
  return imported ? "Undo the import" : "Remove this import";
}

function buttons(job, request) {
  const can = offers(job);
  show(by("retry"), can.retry);
  show(by("cancel"), can.cancel);
  show(by("undo"), can.undo);
  by("undo").textContent = undoWords(job);
  by("cancel").textContent = job.dryRun ? "Cancel the check" : "Cancel the import";
  show(by("import-valid"), can.importValid && Boolean(request));
  by("import-valid").textContent = job.rejected
    ? `Import the ${counted(job.imported, "valid row", "valid rows")}`
    : `Import ${counted(job.imported, "row", "rows")}`;
  show(by("send-again"), can.sendAgain && Boolean(request));
  show(by("choose-again"), can.chooseOther || ((can.sendAgain || can.importValid) && !request));
  by("choose-again").textContent = can.importValid ? "Choose the file again to import it" : can.chooseOther ? "Choose another file" : "Choose the file again";
}
