// The form that creates an import.
import { newKey, Problem, upload } from "./api.js";
import { announce, by, show, showProblem } from "./dom.js";
import { duration, percent, size } from "./words.js";

let chosen = null;
let key = newKey();
let stopping = null;

/** `accepted` is called with the jobId. */
export function startForm(accepted) {
  by("file").addEventListener("change", () => choose(by("file").files[0]));
  for (const id of ["source", "dry-run"]) by(id).addEventListener("change", renewKey);
  by("source").addEventListener("input", () => mark(by("source"), false));
  by("stop").addEventListener("click", () => stopping?.abort(null));
  by("upload").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stopping) submit(accepted);
  });
  takeDrops();
}

function takeDrops() {
  const drop = by("drop");
  const over = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  // Drops are accepted anywhere: otherwise the browser would open a file that misses the field.
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!stopping && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  });
}

function choose(file) {
  if (!file) return;
  chosen = file;
  renewKey();
  by("file-name").textContent = file.name;
  by("file-size").textContent = size(file.size);
  show(by("file-chosen"), true);
  showProblem(by("form-problem"), null);
  announce(`${file.name} chosen, ${size(file.size)}`);
  if (!by("source").value) by("source").focus();
}

/** A changed form is another import and needs another key. */
function renewKey() {
  key = newKey();
}

function mark(field, wrong) {
  if (wrong) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function missing() {
  if (!chosen) return [by("file"), "No file is chosen", "Drop a file on the page, or choose one."];
  if (!by("source").value.trim()) {
    return [by("source"), "The source is missing", "Enter a name for where the contacts come from, such as crm-tool-x."];
  }
  return null;
}

async function submit(accepted) {
  const problem = missing();
  mark(by("source"), problem?.[0] === by("source"));
  showProblem(by("form-problem"), problem && { title: problem[1], detail: problem[2] });
  if (problem) {
    problem[0].focus();
    return;
  }
  await send(accepted);
}

async function send(accepted) {
  stopping = new AbortController();
  busy(true);
  try {
    const { jobId } = await upload({
      file: chosen,
      source: by("source").value,
      dryRun: by("dry-run").checked,
      key,
      progress: showProgress(),
      signal: stopping.signal,
    });
    reset();
    accepted(jobId);
  } catch (problem) {
    showProblem(by("form-problem"), problem instanceof Problem ? problem : null);
    if (!problem) announce("The upload was stopped; nothing was imported.");
    else if (!(problem instanceof Problem)) throw problem;
  } finally {
    stopping = null;
    busy(false);
  }
}

function busy(is) {
  by("send").disabled = is;
  show(by("stop"), is);
  show(by("uploading"), is);
  for (const id of ["file", "source", "dry-run"]) by(id).disabled = is;
  if (is) {
    by("upload-bar").value = 0;
    by("upload-words").textContent = "Uploading";
    by("upload-numbers").textContent = "";
    announce(`Uploading ${chosen.name}`);
  }
}

function showProgress() {
  const start = performance.now();
  return (loaded, total) => {
    by("upload-bar").value = total ? loaded / total : 0;
    const left = ((performance.now() - start) / 1000 / loaded) * (total - loaded);
    const rest = loaded < total && left > 3 ? `, ${duration(left)} left` : "";
    by("upload-numbers").textContent = `${percent(loaded, total)} % of ${size(total)}${rest}`;
    if (loaded === total) by("upload-words").textContent = "Uploaded, waiting for storage";
  };
}

function reset() {
  chosen = null;
  by("file").value = "";
  show(by("file-chosen"), false);
  renewKey();
}
