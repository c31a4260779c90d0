// A field under the pointer or the focus is lit in the bytes and in the table at once.

import "./portal.js";

function light(event) {
  const field = event.target.closest?.("[data-field]");
  for (const lit of document.querySelectorAll(".explained .lit")) lit.classList.remove("lit");
  if (!field) return;
  const both = field.closest(".explained").querySelectorAll(`[data-field="${field.dataset.field}"]`);
  for (const one of both) one.classList.add("lit");
}

document.addEventListener("pointerover", light);
document.addEventListener("focusin", light);
document.addEventListener("click", (event) => {
  // From the bytes to the row, which may be far below.
  const run = event.target.closest(".run[data-field]");
  if (!run) return;
  const row = run.closest(".explained").querySelector(`tr[data-field="${run.dataset.field}"]`);
  row.scrollIntoView({ block: "center", behavior: "smooth" });
  row.focus({ preventScroll: true });
});
document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.("tr[data-field]");
  if (!row || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  if (!next) return;
  event.preventDefault();
  next.focus();
});

// One stop of Tab a table; from there the arrows go through its rows.
function reachable() {
  for (const table of document.querySelectorAll(".explained tbody")) table.firstElementChild.tabIndex = 0;
}
document.addEventListener("htmx:after:swap", reachable);
reachable();
document.body.dataset.ready = "explain";
