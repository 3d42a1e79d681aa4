// Which of the three steps the page shows, and what the title of its window says.
import { by, show } from "./dom.js";

const TITLE = document.title;
const CARDS = { file: ["file-step"], check: ["check-step"], upload: ["uploading"], result: ["job"] };
const ORDER = ["file", "check", "result"];

/**
 * Shows a step.
 * @param {"file" | "check" | "upload" | "result"} name
 * @param {{ focus?: boolean }} [options] `focus` moves the focus to the heading of the step.
 */
export function showStep(name, { focus = true } = {}) {
  for (const [step, ids] of Object.entries(CARDS)) for (const id of ids) show(by(id), step === name);
  show(by("recent-card"), name !== "check" && name !== "upload");
  const at = ORDER.indexOf(name === "upload" ? "result" : name);
  ORDER.forEach((step, index) => {
    const item = by(`steps-${step}`);
    item.classList.toggle("past", index < at);
    if (index === at) item.firstElementChild.setAttribute("aria-current", "step");
    else item.firstElementChild.removeAttribute("aria-current");
  });
  setTitle("");
  if (focus) focusHeading(name);
}

/** Lets the second step be reached from the list of steps, while there is a file to check. */
export function linkCheckStep(there) {
  const link = by("steps-check").firstElementChild;
  if (there) link.setAttribute("href", "#check");
  else link.removeAttribute("href");
}

/** Puts words, such as a percentage, before the name of the page in the title of the window. */
export function setTitle(words) {
  document.title = words ? `${words} · ${TITLE}` : TITLE;
}

function focusHeading(name) {
  const heading = by(CARDS[name][0]).querySelector("h2");
  heading.focus({ preventScroll: true });
  scrollTo({ top: 0 });
}
