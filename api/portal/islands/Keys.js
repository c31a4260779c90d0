// Keys: `/` to the search, `g` and a letter to a page (as the navigation's links say), `?` for the list of all.

import { openDialog } from "./Dialogs.js";

const WAIT_MS = 1200;

export function watchKeys() {
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing?.matches('input[type="search"]')) return typing.blur();
    if (typing || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const search = document.querySelector("main [data-search], main input[type='search']");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "?") {
      const keys = document.getElementById("keys");
      if (keys) openDialog(keys);
    } else if (event.key === "g") {
      going = Date.now();
    } else if (Date.now() - going < WAIT_MS) {
      going = 0;
      const link = document.querySelector(`.side a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
    }
  });
}
