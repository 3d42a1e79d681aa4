// Whether the same file was imported before, by the size and SHA-256 in the receipts of imports.
import { listImports, Problem } from "./api.js";
import { by, element, show } from "./dom.js";
import { ago, ENDED } from "./words.js";

const LOOKED_AT = 100; // of the newest imports
const MAX_HASHED = 256 * 1024 * 1024; // bytes: a browser hashes a file as a whole, in memory

/**
 * Says when the file was imported, if it was. The file is hashed only if an import has its size; a
 * larger one, or where the browser cannot hash, may be the same.
 * @param {() => boolean} wanted says whether the answer is still of interest.
 */
export async function showSameFile(file, wanted) {
  show(by("same-file"), false);
  const found = await findSame(file);
  if (!found || !wanted()) return;
  const link = element("a", { href: `#${found.job.jobId}` }, `imported ${ago(found.job.createdAt)}`);
  by("same-file").replaceChildren(found.certain ? "The same file was " : "A file of exactly the same size was ", link, ` as “${found.job.source}”.`);
  show(by("same-file"), true);
}

async function findSame(file) {
  const sameSize = (await newest()).filter(
    (job) => !job.dryRun && job.receipt?.bytes === file.size && (job.imported > 0 || !ENDED.has(job.state)),
  );
  if (!sameSize.length) return null;
  const digest = await sha256(file);
  const job = digest ? sameSize.find(({ receipt }) => receipt.sha256 === digest) : sameSize[0];
  return job ? { job, certain: Boolean(digest) } : null;
}

async function newest() {
  try {
    return (await listImports({ limit: LOOKED_AT })).imports;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return []; // the list of recent imports shows the problem
  }
}

/** The digest in hexadecimal; null if it cannot be computed. */
async function sha256(file) {
  if (!crypto.subtle || file.size > MAX_HASHED) return null; // without https there is no crypto.subtle
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return null; // not enough memory, or the file has changed: the upload will tell
  }
}
