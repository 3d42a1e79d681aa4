// Numbers, times, states and codes as text.

export const STATES = {
  queued: { word: "Waiting", tone: "busy" },
  importing: { word: "Importing", tone: "busy" },
  completed: { word: "Completed", tone: "good" },
  failed: { word: "Failed", tone: "bad" },
  cancelling: { word: "Being cancelled", tone: "busy" },
  cancelled: { word: "Cancelled", tone: "" },
  undoing: { word: "Being undone", tone: "busy" },
  undone: { word: "Undone", tone: "" },
  undo_failed: { word: "Not undone", tone: "bad" },
};

export const ENDED = new Set(["completed", "failed", "cancelled", "undone", "undo_failed"]);

const DRY_RUN = { importing: "Checking", completed: "Checked" };

export const stateWord = (job) => (job.dryRun && DRY_RUN[job.state]) || (STATES[job.state]?.word ?? job.state);

const REASONS = {
  email_invalid: "E-mail not valid",
  email_too_long: "E-mail too long",
  email_not_text: "E-mail is not text",
  name_too_long: "Name too long",
  name_not_text: "Name is not text",
  no_name_and_no_email: "Neither name nor e-mail",
  wrong_field_count: "Row cut or shifted",
  malformed_quotes: "Quotes not clear",
  unclosed_quote: "Quote left open",
  unstorable_text: "Characters that cannot be stored",
  not_an_object: "Not an object",
  nested_too_deeply: "Nested too deeply",
  refused_by_database: "Refused by the database",
};

const NOTES = {
  address_dropped: "no address",
  address_repaired: "address repaired",
  further_addresses: "further addresses left out",
  name_repaired: "name repaired",
  name_broken: "name looks broken",
  name_dropped: "no name",
  cells_missing: "cells are missing",
  quotes_guessed: "quotes were guessed",
  blank_row: "blank row",
  repeated_header: "repeated column names",
  footer: "total or note",
};

/** A rejection's code in a few words. */
export const reasonWord = (code) => REASONS[code] ?? spelled(code);

/** The code of a warning or of a skipped row in a few words. */
export const noteWord = (code) => NOTES[code] ?? spelled(code).toLowerCase();

function spelled(code) {
  const words = code.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const number = (value) => (value ?? 0).toLocaleString("en");

export const counted = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;

export function size(bytes) {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${value.toLocaleString("en", { maximumFractionDigits: power && value < 100 ? 1 : 0 })} ${units[power]}`;
}

export function percent(part, whole) {
  return whole ? Math.floor((100 * part) / whole) : 0;
}

const when = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat("en", { timeStyle: "short" });

export const moment = (iso) => when.format(new Date(iso));

/** Whether there is such a time, and it is over. */
export const hasPassed = (iso) => Boolean(iso) && new Date(iso) <= new Date();

/** A time as the end of "it was imported ...". */
export function ago(iso) {
  const then = new Date(iso);
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday ? `today at ${hour.format(then)}` : `on ${when.format(then)}`;
}

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toLocaleString("en", { maximumFractionDigits: 1 })} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** Any value as text. */
export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
