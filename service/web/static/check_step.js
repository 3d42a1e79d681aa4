// The second step: how the file is read, and what each column is imported as.
import { previewImport, Problem } from "./api.js";
import { showColumns } from "./columns_table.js";
import { announce, by, show, showProblem } from "./dom.js";
import { beginning, isCompressed, proposedSource } from "./file_kinds.js";
import { FIELDS, Mapping } from "./mapping.js";
import { rememberedMapping, rememberMapping } from "./mapping_memory.js";
import { showPreviewRows } from "./preview_rows.js";
import { ask, isQuestion } from "./question.js";
import { showReadingOptions, startReadingOptions } from "./reading_options.js";
import { showSameFile } from "./same_file.js";
import { showWarnings } from "./warnings.js";
import { counted, number, size } from "./words.js";

const SEEN = 64 * 1024; // bytes of an uncompressed file that a preview counts records in

const mapping = new Mapping();
/** @type {File | null} */
let file = null;
let reading = {};
let preview = null;
let columns = [];
let isFirst = true;
let running = null;

/** @param {(request: { file: File, source: string, dryRun: boolean, reading: object }) => void} send */
export function startCheckStep(send) {
  startReadingOptions((change) => {
    if ("header" in change) mapping.reset(); // columns without names are named by their numbers
    reading = { ...reading, ...change };
    refresh();
  });
  by("forget").addEventListener("click", forget);
  by("source").addEventListener("input", () => by("source").removeAttribute("aria-invalid"));
  by("upload").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(send, false);
  });
  by("check-all").addEventListener("click", () => submit(send, true));
}

export const hasFile = () => file !== null;

/**
 * Reads the beginning of a file for the first time.
 * @param {File} chosen
 * @returns {Promise<Problem | null | undefined>} a problem that no choice in this step can solve, null if
 *   there is none; undefined if another file was chosen meanwhile.
 */
export async function openFile(chosen) {
  file = chosen;
  reading = {};
  preview = null;
  columns = [];
  isFirst = true;
  mapping.reset();
  show(by("remembered"), false);
  by("check-file").textContent = file.name;
  by("check-size").textContent = size(file.size);
  by("source").value = proposedSource(file.name);
  by("source").removeAttribute("aria-invalid");
  showSameFile(file, () => file === chosen);
  const problem = await refresh();
  if (file !== chosen) return undefined;
  if (problem) file = null;
  return problem;
}

/** Takes back a file whose upload had a problem, perhaps one that is a question. */
export function showUploadProblem(problem) {
  if (problem && isQuestion(problem)) showQuestion(problem);
  else showProblem(by("check-problem"), problem);
}

/** Previews the file as it is to be read now. Returns a problem of the first preview only. */
async function refresh() {
  running?.abort();
  const mine = (running = new AbortController());
  by("check-step").setAttribute("aria-busy", "true");
  try {
    const options = { ...reading, ...mapping.options() };
    const answer = await previewImport({ file: beginning(file), reading: options, signal: mine.signal });
    if (mine !== running) return null;
    if (isFirst && recall(answer.columns)) return await refresh();
    showAnswer(answer);
  } catch (problem) {
    if (mine !== running || mine.signal.aborted) return null;
    if (!(problem instanceof Problem)) throw problem;
    if (isQuestion(problem)) {
      if (isFirst && problem.columns && recall(problem.columns)) return await refresh();
      showQuestion(problem);
    } else if (isFirst) {
      return problem;
    } else {
      showFailed(problem);
    }
  } finally {
    if (mine === running) by("check-step").removeAttribute("aria-busy");
  }
  isFirst = false;
  return null;
}

/** Takes the mapping that was last used for these columns; returns whether there is one. */
function recall(found) {
  const snapshot = mapping.isTouched || reading.header ? null : rememberedMapping(found);
  if (!snapshot) return false;
  mapping.restore(snapshot);
  isFirst = false;
  show(by("remembered"), true);
  return true;
}

function forget() {
  rememberMapping(columns, null);
  mapping.reset();
  show(by("remembered"), false);
  by("check-title").focus();
  refresh();
}

function showAnswer(answer) {
  preview = answer;
  by("check-title").textContent = "Check the columns";
  showProblem(by("check-problem"), null);
  ask(null);
  showReadingOptions(answer.format, answer.detected, reading);
  takeColumns(answer.columns);
  showWarnings("plan-warnings", answer.warnings.filter(({ code }) => code !== "encoding_guessed")); // beside the encoding
  showPreviewRows(answer);
  by("import").textContent = `Import ${rows(answer)}`;
  const isEmpty = answer.complete && !answer.records.length;
  if (isEmpty) showProblem(by("check-problem"), NO_ROWS);
  allowSending(!isEmpty);
  const fields = Object.keys(answer.detected.mapping ?? {}).map((field) => FIELDS[field]);
  announce(`${counted(columns.length, "column", "columns")}. Imported as: ${fields.join(", ") || "nothing"}.`);
}

/** How many rows there are: exactly, or estimated from the beginning of the file. */
function rows({ complete, recordsSeen }) {
  if (!recordsSeen) return "all rows";
  if (complete) return counted(recordsSeen, "row", "rows");
  if (isCompressed(file)) return "all rows";
  const estimate = (recordsSeen * file.size) / SEEN;
  const step = 10 ** Math.max(Math.floor(Math.log10(estimate)) - 1, 0);
  return `all rows (about ${number(Math.round(estimate / step) * step)})`;
}

function showQuestion(problem) {
  preview = null;
  by("check-title").textContent = "One question about the file";
  showProblem(by("check-problem"), null);
  ask(problem, ANSWERS, reading);
  const format = problem.code === "csv_header_unusable" || /\.(csv|tsv|tab|txt)(\.(gz|zst))?$/i.test(file.name) ? "csv" : "";
  showReadingOptions(format, {}, reading);
  takeColumns(problem.columns ?? []);
  showWithoutPreview();
  announce(by("question-title").textContent);
}

const ANSWERS = {
  encoding: (encoding) => answered({ encoding }),
  noHeader: () => {
    mapping.reset();
    answered({ header: "none" });
  },
  noEmail: () => {
    mapping.without("email");
    answered({});
  },
  noName: () => {
    mapping.without("names");
    answered({});
  },
};

function answered(change) {
  reading = { ...reading, ...change };
  by("check-title").focus(); // the pressed button goes with the question
  refresh();
}

/** Shows that the file cannot be read as it was last chosen; the choices stay, to be changed back. */
function showFailed(problem) {
  preview = null;
  ask(null);
  showProblem(by("check-problem"), problem);
  showWithoutPreview();
}

function showWithoutPreview() {
  showWarnings("plan-warnings", []);
  showPreviewRows(null);
  allowSending(false);
}

function takeColumns(found) {
  columns = found;
  mapping.propose(columns);
  showColumns(columns, mapping, chooseField);
}

function chooseField(map, field) {
  const dropped = mapping.choose(map, field);
  showColumns(columns, mapping, chooseField);
  if (dropped.length) announce(`No longer imported: ${dropped.join(", ")}.`);
  refresh();
}

/** Shows the buttons that send the file, or hides them: a question comes first. */
function allowSending(is) {
  show(by("upload"), is);
}

function submit(send, dryRun) {
  if (!preview) return;
  const source = by("source").value.trim();
  if (!source) {
    by("source").setAttribute("aria-invalid", "true");
    showProblem(by("check-problem"), SOURCE_MISSING);
    by("source").focus();
    return;
  }
  showProblem(by("check-problem"), null);
  if (mapping.isTouched && !reading.header) rememberMapping(columns, mapping.snapshot());
  send({ file, source, dryRun, reading: { ...reading, ...mapping.options() } });
}

const NO_ROWS = {
  title: "The file has no contacts",
  detail: "There are no rows besides the names of the columns. Was it exported completely, or filtered?",
};

const SOURCE_MISSING = {
  title: "The source is missing",
  detail: "Enter a name for where the contacts come from, such as crm-tool-x.",
};
