// Connects the parts of the page. The address has the id of the import to show after the #.
import { startForm } from "./form.js";
import { closeJob, openJob, startJob } from "./job.js";
import { markRecent, refreshRecent, startRecent } from "./recent.js";

function route({ focus }) {
  const id = location.hash.slice(1);
  markRecent(id);
  if (id.startsWith("import-")) openJob(id, { focus });
  else closeJob();
}

startJob(refreshRecent);
startRecent();
startForm((id) => {
  location.hash = id;
});
addEventListener("hashchange", () => route({ focus: true }));
route({ focus: false });
refreshRecent();
