// Keys: `/` to the search, `g` and the letters of a page (as the navigation's links say), `?` or Ctrl+K for the list of
// all pages and keys, in which one finds a page by a part of its name.

import { openDialog } from "./Dialogs.js";

const WAIT_MS = 1200;

export function watchKeys() {
  let going = 0;
  let typed = "";
  document.addEventListener("keydown", (event) => {
    const keys = document.getElementById("keys");
    if ((event.ctrlKey || event.metaKey) && event.key === "k" && keys && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      return openDialog(keys);
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && typing?.matches('input[type="search"]') && !typing.closest("dialog")) return typing.blur();
    if (typing || document.querySelector("dialog[open]")) return;
    if (Date.now() - going < WAIT_MS) {
      const letters = typed + event.key;
      const links = [...document.querySelectorAll(".side a[data-keys]")].filter((link) => link.dataset.keys.startsWith(letters));
      const link = links.find((one) => one.dataset.keys === letters);
      [going, typed] = links.length && !link ? [Date.now(), letters] : [0, ""];
      if (links.length) event.preventDefault();
      if (links.length) return link?.click();
    }
    if (event.key === "/") {
      const search = document.querySelector("main [data-search], main input[type='search']");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "?") {
      if (!keys) return;
      // Or the field that gets the focus would get the question mark too.
      event.preventDefault();
      openDialog(keys);
    } else if (event.key === "g") {
      [going, typed] = [Date.now(), ""];
    }
  });
  watchGoto();
}

// Typing in the list of pages leaves those whose name, heading or keys hold what is typed; Enter opens the first.
function watchGoto() {
  const input = document.getElementById("goto");
  if (!input) return;
  const dialog = input.closest("dialog");
  const groups = [...dialog.querySelectorAll(".group")];
  const left = () => [...dialog.querySelectorAll(".group:not([hidden]) li:not([hidden]) a")];
  const narrow = () => {
    const asked = input.value.trim().toLowerCase();
    for (const group of groups) {
      const items = [...group.querySelectorAll("li")];
      const whole = group.querySelector("h3").textContent.toLowerCase().includes(asked);
      for (const item of items) {
        const [name, keys] = [...item.querySelectorAll("span")].map((one) => one.textContent.toLowerCase().trim());
        item.hidden = !(whole || name.includes(asked) || keys.replaceAll(" ", "") === asked);
      }
      group.hidden = items.every((item) => item.hidden);
    }
    dialog.querySelector("[data-nowhere]").hidden = left().length > 0;
    for (const link of dialog.querySelectorAll(".group a.next")) link.classList.remove("next");
    if (asked) left()[0]?.classList.add("next");
  };
  input.addEventListener("input", narrow);
  dialog.addEventListener("close", () => {
    input.value = "";
    narrow();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const links = left();
    if (event.key === "Enter" && event.target === input) {
      event.preventDefault();
      links[0]?.click();
    } else if (event.key === "Escape") {
      // A search field with something in it would take the first one for itself.
      event.preventDefault();
      dialog.close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const at = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      (at < 0 ? input : links[Math.min(at, links.length - 1)])?.focus();
    }
  });
}
