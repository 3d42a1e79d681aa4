// The form: a file and a source become an import.
import { newKey, Problem, upload } from "./api.js";
import { by, say, show, tell } from "./dom.js";
import { duration, percent, size } from "./words.js";

let chosen = null;
let key = newKey();
let stopping = null;

/** `accepted` is called with the jobId. */
export function startForm(accepted) {
  by("file").addEventListener("change", () => choose(by("file").files[0]));
  for (const id of ["source", "dry-run"]) by(id).addEventListener("change", forget);
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
  // Anywhere on the page: a file that misses the field would replace the page.
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
  forget();
  by("file-name").textContent = file.name;
  by("file-size").textContent = size(file.size);
  show(by("file-told"), true);
  tell(by("form-told"), null);
  say(`${file.name} chosen, ${size(file.size)}`);
  if (!by("source").value) by("source").focus();
}

/** Another submission has another key. */
function forget() {
  key = newKey();
}

function mark(field, wrong) {
  if (wrong) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

function missing() {
  if (!chosen) return [by("file"), "There is no file yet", "Drop one on the page, or choose one."];
  if (!by("source").value.trim()) {
    return [by("source"), "Where the contacts come from is missing", "Give it a name, such as crm-tool-x."];
  }
  return null;
}

async function submit(accepted) {
  const lack = missing();
  mark(by("source"), lack?.[0] === by("source"));
  tell(by("form-told"), lack && { title: lack[1], detail: lack[2] });
  if (lack) {
    lack[0].focus();
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
      progress: paced(),
      signal: stopping.signal,
    });
    reset();
    accepted(jobId);
  } catch (problem) {
    tell(by("form-told"), problem instanceof Problem ? problem : null);
    if (!problem) say("The upload was stopped; nothing was imported.");
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
    say(`Uploading ${chosen.name}`);
  }
}

function paced() {
  const start = performance.now();
  return (loaded, total) => {
    by("upload-bar").value = total ? loaded / total : 0;
    const left = ((performance.now() - start) / 1000 / loaded) * (total - loaded);
    const rest = loaded < total && left > 3 ? `, ${duration(left)} left` : "";
    by("upload-numbers").textContent = `${percent(loaded, total)} % of ${size(total)}${rest}`;
    if (loaded === total) by("upload-words").textContent = "Uploaded; being stored";
  };
}

function reset() {
  chosen = null;
  by("file").value = "";
  show(by("file-told"), false);
  forget();
}
