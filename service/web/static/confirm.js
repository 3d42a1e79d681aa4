// Asks for confirmation before something is removed.
import { by } from "./dom.js";

/** Resolves to true if the user confirms; Escape means no. */
export function confirmed({ title, words, yes }) {
  const dialog = by("confirm");
  by("confirm-title").textContent = title;
  by("confirm-words").textContent = words;
  by("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  by("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
