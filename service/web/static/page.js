// Connects the steps. The address says which one is shown: nothing for the first, #check for the
// second, the id of an import for the third.
import { startApiKey } from "./api_key.js";
import { hasFile, openFile, showUploadProblem, startCheckStep } from "./check_step.js";
import { by } from "./dom.js";
import { showFileProblem, showReading, startFileStep } from "./file_step.js";
import { closeJob, openJob, showJobProblem, startJob } from "./job.js";
import { markRecent, refreshRecent, startRecent } from "./recent.js";
import { startRejections } from "./rejections.js";
import { forgetKey, isSending, sendFile, startSending } from "./sending.js";
import { rememberSent } from "./sent.js";
import { linkCheckStep, showStep } from "./steps.js";

const CHECK = "check";

function route({ focus }) {
  if (isSending()) return;
  const id = location.hash.slice(1);
  markRecent(id);
  if (id.startsWith("import-")) {
    openJob(id, { focus });
    return;
  }
  closeJob();
  showStep(id === CHECK && hasFile() ? "check" : "file", { focus });
}

async function check(file) {
  showReading(file);
  const problem = await openFile(file);
  if (problem === undefined) return;
  showReading(null);
  linkCheckStep(!problem);
  go(problem ? "" : CHECK);
  if (problem) showFileProblem(problem);
}

/** Shows what belongs to an address, also if it is the present one. */
function go(hash) {
  if (location.hash.slice(1) === hash) route({ focus: true });
  else location.hash = hash;
}

/** Sends a request, then shows the import; returns whether there is one. */
async function send(request) {
  const from = location.hash.slice(1);
  const { jobId, problem } = await sendFile(request);
  if (jobId) {
    rememberSent(jobId, request);
    forgetKey();
    go(jobId);
    return true;
  }
  go(from);
  if (from === CHECK) showUploadProblem(problem);
  else showJobProblem(problem);
  return false;
}

startApiKey(refreshRecent);
startJob({ changed: refreshRecent, send, check });
startRecent();
startSending();
startCheckStep(send);
startRejections(
  ({ jobId, source }, file, reading) => send({ file, source, dryRun: false, reading, origin: jobId }),
  showJobProblem,
);
startFileStep(check, isSending);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says which step is shown
  by("main").focus();
});
addEventListener("hashchange", () => route({ focus: true }));
by("steps-file").firstElementChild.addEventListener("click", () => showFileProblem(null));
route({ focus: false });
refreshRecent();
