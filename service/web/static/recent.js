// The list of recent imports, newest first, filtered by state.
import { listImports, Problem } from "./api.js";
import { by, element, show, showProblem } from "./dom.js";
import { counted, moment, number, STATES, stateWord } from "./words.js";

const PAGE = 10;

let next = null;
let requests = 0;

export function startRecent() {
  by("filter").append(element("option", { value: "" }, "all"));
  for (const [state, { word }] of Object.entries(STATES)) {
    by("filter").append(element("option", { value: state }, word.toLowerCase()));
  }
  by("filter").addEventListener("change", refreshRecent);
  by("more").addEventListener("click", more);
}

export async function refreshRecent() {
  const mine = ++requests;
  const page = await load(null);
  if (!page || mine !== requests) return;
  by("recent").replaceChildren(...page.imports.map(line));
  show(by("recent-none"), !page.imports.length);
  after(page);
}

/** Marks the import that the page shows. */
export function markRecent(id) {
  for (const link of by("recent").querySelectorAll("a")) {
    if (link.hash === `#${id}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

async function more() {
  const mine = ++requests;
  const page = await load(next);
  if (!page || mine !== requests) return;
  const lines = page.imports.map(line);
  by("recent").append(...lines);
  after(page);
  lines[0]?.querySelector("a").focus();
}

function after(page) {
  next = page.next;
  show(by("more"), Boolean(next));
  markRecent(location.hash.slice(1));
}

async function load(cursor) {
  try {
    const page = await listImports({ state: by("filter").value, cursor, limit: PAGE });
    showProblem(by("recent-problem"), null);
    return page;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem(by("recent-problem"), problem);
    return null;
  }
}

function line(job) {
  const tone = STATES[job.state]?.tone ?? "";
  return element(
    "li",
    {},
    element(
      "a",
      { href: `#${job.jobId}` },
      element("span", { className: "name" }, job.source),
      element("span", { className: `state ${tone}` }, stateWord(job)),
      element("span", { className: "figures quiet" }, figures(job)),
    ),
  );
}

function figures(job) {
  const what = [counted(job.records, "record", "records")];
  what.push(`${number(job.imported)} ${job.dryRun ? "can be imported" : "imported"}`);
  if (job.rejected) what.push(`${number(job.rejected)} ${job.rejected === 1 ? "needs" : "need"} fixing`);
  if (job.dryRun) what.unshift("only checked");
  return `${moment(job.createdAt)} · ${what.join(", ")}`;
}
