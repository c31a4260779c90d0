// Native <dialog>s: opened by [data-opens="#id"], closed by [data-closes], Escape or a click beside; focus goes back to
// what opened them.

import { t } from "./Texts.js";

export function openDialog(dialog, opener = document.activeElement) {
  if (dialog.open) return;
  dialog.showModal();
  const first = dialog.querySelector("[autofocus], .body :is(input, select, textarea, a, button):not([disabled])");
  first?.focus();
  dialog.addEventListener("close", () => opener?.isConnected && opener.focus(), { once: true });
}

export function watchDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      event.preventDefault();
      for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
      openDialog(document.querySelector(opener.dataset.opens), opener);
      return;
    }
    const closer = event.target.closest("[data-closes]");
    if (closer) closer.closest("dialog").close();
    // The backdrop belongs to the dialog: a press that hits the dialog itself and not its box was beside it.
    if (event.target instanceof HTMLDialogElement && event.target.open && !("stay" in event.target.dataset)) {
      const box = event.target.getBoundingClientRect();
      const inside =
        event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && event.clientX + event.clientY > 0) event.target.close();
    }
  });
}

/** Ask in a dialog of ours; resolves to whether it was confirmed. */
export function confirmIn(question, action = "") {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("[data-question]").textContent = question;
  dialog.querySelector('[value="yes"]').textContent = action || t("do_confirm");
  dialog.returnValue = "";
  openDialog(dialog);
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
