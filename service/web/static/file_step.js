// The first step: a file is chosen or dropped anywhere on the page.
import { announce, by, element, show, showProblem } from "./dom.js";
import { helpFor } from "./file_kinds.js";
import { size } from "./words.js";

let isLocked = () => false;
let latest = 0;

/**
 * @param {(file: File) => void} chosen is called with a file that may be one of contacts.
 * @param {() => boolean} locked says whether no file can be taken now.
 */
export function startFileStep(chosen, locked) {
  isLocked = locked;
  by("file").addEventListener("change", () => {
    const [file] = by("file").files;
    by("file").value = ""; // the same file can be chosen again after it was changed
    if (file) take(file, chosen);
  });
  takeDrops(chosen);
}

/** Shows a problem with the file in this step. */
export function showFileProblem(problem) {
  showReading(null);
  showProblem(by("file-problem"), problem);
}

/** Says that the beginning of a file is being read; null says that it no longer is. */
export function showReading(file) {
  by("file-reading").textContent = file ? `Reading the beginning of ${file.name} (${size(file.size)}) …` : "";
  show(by("file-reading"), Boolean(file));
}

async function take(file, chosen) {
  const mine = ++latest;
  showFileProblem(null);
  show(by("file-help"), false);
  let help = null;
  try {
    help = await helpFor(file);
  } catch {
    if (mine === latest) refuse(UNREADABLE);
    return;
  }
  if (mine !== latest) return;
  if (help) showHelp(file, help);
  else if (!file.size) refuse({ title: "The file is empty", detail: `${file.name} has no bytes. Was it exported completely?` });
  else chosen(file);
}

/** Shows a problem with what was dropped or chosen, whatever step the page is at. */
function refuse(problem) {
  location.hash = "";
  showFileProblem(problem);
}

const SEVERAL = { title: "These are several files", detail: "Drop one file at a time: each is an import of its own." };

const UNREADABLE = {
  title: "The browser cannot read the file",
  detail: "Perhaps it is a folder, or it was moved or changed. Choose it again.",
};

function showHelp(file, { title, words, ways, end }) {
  const node = by("file-help");
  node.replaceChildren(element("h3", {}, title), element("p", {}, element("span", { className: "file-name" }, file.name), ` was not sent. ${words}`));
  if (ways) {
    node.append(element("dl", {}, ...ways.flatMap(([program, how]) => [element("dt", {}, program), element("dd", {}, how)])));
  }
  if (end) node.append(element("p", {}, end));
  show(node, true);
  location.hash = "";
  announce(title);
}

function takeDrops(chosen) {
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // otherwise the browser would open the file
    if (!isLocked()) document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    const { files } = event.dataTransfer;
    if (isLocked() || !files.length) return;
    if (files.length === 1) take(files[0], chosen);
    else refuse(SEVERAL);
  });
}
