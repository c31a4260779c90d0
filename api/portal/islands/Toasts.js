// Short notes at the corner: what was done, or why it was not. Never the only place where a form's refusal stands.

import { icon } from "./Icons.js";
import { t } from "./Texts.js";

const SHOWN_MAX = 4;
const SECONDS = { good: 4, info: 6, warn: 10, bad: 12 };
const ICONS = { good: "check", info: "info", warn: "alert", bad: "alert" };

/** Show a note {kind: good|info|warn|bad, title, detail}, or a Problem. It stays while the pointer or focus is on it. */
export function toast(note) {
  const region = document.getElementById("toasts");
  if (!region) return;
  const { kind = "info", title, detail = "" } = note;
  // The same fault over and over (a server that is away) is one note.
  for (const shown of region.children) if (shown.dataset.said === title + detail) shown.remove();
  const box = document.createElement("div");
  box.className = `toast ${kind}`;
  box.dataset.said = title + detail;
  const said = document.createElement("div");
  said.className = "said";
  const head = document.createElement("b");
  head.textContent = title;
  said.append(head);
  if (detail && detail !== title) {
    const more = document.createElement("p");
    more.textContent = detail;
    said.append(more);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button plain small icon-only";
  close.setAttribute("aria-label", t("do_close"));
  close.append(icon("close"));
  close.addEventListener("click", () => box.remove());
  box.append(icon(ICONS[kind] ?? "info"), said, close);
  region.append(box);
  while (region.children.length > SHOWN_MAX) region.firstElementChild.remove();
  const leave = () => {
    if (box.matches(":hover, :focus-within")) setTimeout(leave, 1500);
    else box.remove();
  };
  setTimeout(leave, (note.brief ? 2 : (SECONDS[kind] ?? 6)) * 1000);
}
