// Numbers, times and states as text.

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

export const stateWord = (job) =>
  job.dryRun && job.state === "completed" ? "Checked" : (STATES[job.state]?.word ?? job.state);

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

export const moment = (iso) => when.format(new Date(iso));

export function duration(seconds) {
  if (seconds < 10) return `${seconds.toLocaleString("en", { maximumFractionDigits: 1 })} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** Any value as text. */
export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
