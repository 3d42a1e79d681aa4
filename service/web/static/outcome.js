// What became of an import, in sentences, and what helps now.
import { counted, hasPassed, number } from "./words.js";

/** The sentence above an import. */
export function sentence(job) {
  const { state, imported, rejected, dryRun } = job;
  if (state in UNFINISHED) return UNFINISHED[state](job);
  const all = people(job);
  if (!all) return "The file has no contacts.";
  const fixing = rejected ? `${number(rejected)} ${rejected === 1 ? "needs" : "need"} fixing` : "";
  if (!imported) {
    return `${dryRun ? "No contact can be imported" : "No contact was imported"}: ${number(rejected)} of ${counted(all, "record", "records")} ${rejected === 1 ? "needs" : "need"} fixing.`;
  }
  const end = dryRun ? "can be imported" : "imported";
  if (imported === all) return imported === 1 ? `The contact ${dryRun ? end : "was imported"}.` : `All ${number(imported)} contacts ${end}.`;
  return `${number(imported)} of ${counted(all, "contact", "contacts")} ${end}, ${fixing}.`;
}

/** Records without those that are no contacts, such as blank rows. */
const people = ({ records, skipped = 0 }) => records - skipped;

const UNFINISHED = {
  queued: ({ dryRun }) => (dryRun ? "The check starts in a moment." : "The import starts in a moment."),
  importing: ({ dryRun, records }) => `${dryRun ? "Checking" : "Importing"} ${counted(records, "record", "records")} …`,
  failed: ({ dryRun, imported, records }) =>
    dryRun ? "The check failed." : `The import failed: ${number(imported)} of ${counted(records, "record", "records")} are imported.`,
  cancelling: ({ dryRun }) => (dryRun ? "The check is being cancelled …" : "The import is being cancelled …"),
  cancelled: ({ dryRun, imported, records }) =>
    dryRun ? "The check was cancelled." : `The import was cancelled: ${number(imported)} of ${counted(records, "record", "records")} are imported.`,
  undoing: ({ dryRun }) => (dryRun ? "The check is being removed …" : "The import is being undone …"),
  undone: ({ dryRun }) => (dryRun ? "The check was removed." : "The import was undone: its contacts are removed."),
  undo_failed: ({ failure }) =>
    failure?.contactsLeft ? `The import is not undone: ${counted(failure.contactsLeft, "contact is", "contacts are")} left.` : "The import is not undone.",
};

/** What happened, and what to do: paragraphs for a state that needs some. */
export function explanation(job) {
  const { state, dryRun, failure } = job;
  if (state === "failed") return [failure?.detail, failureOf(job).words].filter(Boolean);
  if (state === "undo_failed") return [failure?.detail, "Something in the database prevents it, such as rows of other tables that refer to the contacts. Remove that, or ask your operator to, and undo the import again."].filter(Boolean);
  if (state === "cancelled" && !dryRun) {
    return [job.imported ? "What was imported stays. Undo the import to remove it, or to import the whole file again without duplicates." : "Nothing was imported."];
  }
  if (state === "undone" && !dryRun) return ["Its file and its list of records are removed, too. To import the contacts again, send the file again."];
  if (state !== "completed") return [];
  if (!people(job)) return ["It has no rows besides the names of columns, or only rows that are no contacts. Was it exported completely, or filtered?"];
  if (dryRun) return ["Nothing is imported yet."];
  return [];
}

const RETRY = { retry: true };
const FAILURES = {
  object_missing: { words: "The stored file no longer exists, so a retry cannot help. Undo this import, then send the file again." },
  upstream_unavailable: { ...RETRY, words: "Storage or the database was unavailable for too long. Retry the failed parts: nothing is imported twice." },
  attempts_exhausted: { ...RETRY, words: "The workers crashed or timed out at this part. Retry it; if it fails again, give the id and the part under “Details” to your operator." },
  storage_refused: { ...RETRY, words: "Ask your operator to check the key and the bucket of Storage. Then retry the failed parts." },
  database_refused: { ...RETRY, words: "Ask your operator to check the key, the tables and the permissions of the database. Then retry the failed parts." },
};
const DAMAGED = { words: "The stored file is not the one that was accepted, so a retry cannot help. Ask your operator to check Storage. Undo this import, then send the file again." };

const EXPIRED = { words: "The stored file has been removed, so a retry cannot help. Undo this import, then send the file again." };

/** What helps against the failure of an import; a retry needs the stored file. */
function failureOf({ failure, expiresAt }) {
  const found = FAILURES[failure?.code] ?? DAMAGED;
  return found.retry && hasPassed(expiresAt?.object) ? EXPIRED : found;
}

/**
 * What can be done with an import now.
 * @returns {Record<"retry" | "cancel" | "undo" | "importValid" | "sendAgain" | "chooseOther", boolean>}
 */
export function offers(job) {
  const { state, dryRun } = job;
  const canRetry = state === "failed" && Boolean(failureOf(job).retry);
  return {
    retry: canRetry,
    cancel: state === "queued" || state === "importing",
    undo: ["completed", "failed", "cancelled", "undo_failed"].includes(state),
    importValid: dryRun && state === "completed" && job.imported > 0,
    sendAgain: state === "undone" || (state === "failed" && !canRetry) || (state === "cancelled" && dryRun),
    chooseOther: state === "completed" && !people(job),
  };
}
