// The first rejections of an import, and a link to all of them.
import { listRejections, Problem, rejectionsCsv } from "./api.js";
import { by, element, show } from "./dom.js";
import { number, plain } from "./words.js";

const FIRST = 10;

let seen = "";

export function forgetRejections() {
  seen = "";
  show(by("rejections"), false);
}

/** Loads the rejections when their number has changed. */
export async function showRejections(job) {
  const now = `${job.jobId} ${job.state} ${job.rejected}`;
  if (now === seen) return;
  seen = now;
  if (!job.rejected || job.state === "undone") {
    show(by("rejections"), false);
    return;
  }
  const rows = await load(job.jobId);
  if (rows && seen === now) render(job, rows);
}

async function load(id) {
  try {
    return (await listRejections(id, FIRST)).rejections;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    seen = ""; // the next poll of the import tries again
    return null;
  }
}

function render(job, rows) {
  by("rejection-rows").replaceChildren(...rows.map(row));
  by("rejections-csv").href = rejectionsCsv(job.jobId);
  by("rejections-more").textContent = `${reasons(job)}${first(job, rows)}`;
  show(by("rejections-more"), rows.length < job.rejected);
  show(by("rejections"), rows.length > 0);
}

const first = (job, rows) => `The first ${number(rows.length)} of ${number(job.rejected)} are shown.`;

/** The number of rejections for each reason, if there are several. */
function reasons({ rejectedByCode }) {
  const codes = Object.entries(rejectedByCode).sort((a, b) => b[1] - a[1]);
  if (codes.length < 2) return "";
  return `${codes.map(([code, count]) => `${number(count)} ${code.replaceAll("_", " ")}`).join(", ")}. `;
}

// The roles are explicit because narrow screens show rows as blocks, which removes implicit roles.
function row({ record, message, hint, content }) {
  const why = element("td", { role: "cell" }, message);
  if (hint) why.append(element("span", { className: "hint" }, `Did you mean ${hint}?`));
  return element(
    "tr",
    { role: "row" },
    element("td", { className: "number", role: "cell" }, number(record)),
    why,
    element("td", { className: "content", role: "cell" }, element("code", {}, contentText(content))),
  );
}

function contentText(content) {
  if (content === null || typeof content !== "object") return plain(content);
  if (Array.isArray(content)) return plain(content);
  return Object.entries(content).map(([name, value]) => `${name}: ${plain(value)}`).join("\n");
}
