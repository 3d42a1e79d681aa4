// Questions about a file that cannot be read without an answer: 422 of a preview or an upload.
import { by, element, show } from "./dom.js";
import { encodingName } from "./reading_options.js";

const ASKED = new Set(["encoding_uncertain", "email_column_unclear", "name_column_unclear", "csv_header_unusable"]);

/** Whether the user can answer a problem by a choice in this step. */
export const isQuestion = ({ code, columns, encodings }) => ASKED.has(code) && Boolean(columns?.length || encodings?.length);

/**
 * Asks in words, with the choices ready. Null asks nothing.
 * @param {import("./api.js").Problem | null} problem
 * @param {{ encoding: (name: string) => void, noEmail: () => void, noName: () => void, noHeader: () => void }} answers
 *   are called with the user's choice; columns are chosen in their table.
 */
export function ask(problem, answers, reading = {}) {
  show(by("question"), Boolean(problem));
  if (!problem) return;
  const { title, words, choices } = QUESTIONS[problem.code](problem, answers, reading);
  by("question-title").textContent = title;
  by("question-words").textContent = words;
  by("question-choices").replaceChildren(...choices);
}

const QUESTIONS = {
  encoding_uncertain: ({ encodings }, { encoding }) => ({
    title: "Which of these reads right?",
    words: "The file does not say how its letters are encoded, and there are several ways to read it. Choose the line in which the names look right.",
    choices: encodings.map((each) =>
      choice(() => encoding(each.encoding), element("bdi", { className: "choice-sample" }, each.sample), encodingName(each.encoding))),
  }),
  email_column_unclear: ({ detail }, { noEmail }) => ({
    title: "Which column holds the contacts’ e-mail addresses?",
    words: `${withoutParameters(detail)} Choose “E-mail” for the right column below.`,
    choices: [choice(noEmail, "None of them", "Import the contacts without addresses")],
  }),
  name_column_unclear: ({ detail }, { noName }) => ({
    title: "Which column holds the contacts’ names?",
    words: `${withoutParameters(detail)} Choose “Full name”, or “First name” and “Last name”, for the right columns below.`,
    choices: [choice(noName, "None of them", "Import the contacts without names")],
  }),
  csv_header_unusable: (_problem, { noHeader }, { header }) => ({
    title: "Which columns hold the names and the addresses?",
    words: "The names of the columns do not say which of them hold names and e-mail addresses. Choose that in the table below.",
    choices: header === "none" ? [] : [choice(noHeader, "There are no column names", "The first row is a contact already")],
  }),
};

function choice(act, ...lines) {
  const made = element("button", { type: "button", className: "choice" }, ...lines.map((line) => element("span", {}, line)));
  made.addEventListener("click", act);
  return made;
}

/** The first sentence of a detail: the others are about parameters of the address. */
const withoutParameters = (detail) => (detail ?? "").split(/(?<=\.)\s+(?=Say |Name |If |Add |To )/)[0];
