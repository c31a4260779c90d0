// What every page has: htmx, toasts, forms that speak to the API, dialogs, menus, keys, times that stay true.
//
// Pages are complete HTML; this makes them quicker to use. Nothing here needs inline script or eval: no hx-on, no
// hx-vals="js:…", no trigger filters. Islands import { api, t, toast, … } from "./portal.js".

import htmx from "htmx.org/dist/htmx.esm.js";
import { Problem, api, askApi, fieldsOf } from "./Api.js";
import { t } from "./Texts.js";
import { toast } from "./Toasts.js";
import { openDialog, confirmIn, watchDialogs } from "./Dialogs.js";
import { watchKeys } from "./Keys.js";
import { watchTimes } from "./Times.js";

const root = document.documentElement;

// --- htmx ------------------------------------------------------------------------------------------------------------

// Back reloads the page: a fragment that was there an hour ago is no truth.
Object.assign(htmx.config, { history: "reload", defaultTimeout: 30_000, includeIndicatorCSS: false, noSwap: [204, 304] });

let underWay = 0;
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  underWay += 1;
  // What renews itself must not make the page look busy every few seconds.
  if (!ctx.sourceElement.matches("[data-quiet]")) {
    root.dataset.busy = "";
    ctx.target?.setAttribute?.("aria-busy", "true");
  }
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  underWay = Math.max(0, underWay - 1);
  if (!underWay) delete root.dataset.busy;
  ctx.target?.removeAttribute?.("aria-busy");
});
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  // A filter that is not set stays out of the address, so that what is shared is short.
  if (ctx.request.method !== "GET" || !(ctx.request.body instanceof FormData)) return;
  for (const [name, value] of [...ctx.request.body]) if (value === "") ctx.request.body.delete(name);
});
document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  const type = ctx.response.headers.get("content-type") ?? "";
  if (ctx.response.status < 400 || ctx.hx.redirect) return;
  // A fault never replaces what is on the page: it is said beside it.
  event.preventDefault();
  if (ctx.sourceElement.matches("[data-quiet]")) return;
  toast(Problem.from(ctx.response.status, type.includes("json") ? ctx.text : ""));
});
document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.ctx && !detail.ctx.sourceElement.matches("[data-quiet]")) toast(new Problem("unreachable"));
});

// --- forms and buttons that call the API -------------------------------------------------------------------------------
// <form data-api="POST /api/v1/stores" data-then="go /people" data-done="…">; see docs/portal.md.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-api]")) return;
  event.preventDefault();
  void call(form, event.submitter ?? form.querySelector('[type="submit"]'), fieldsOf(form));
});
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-api]");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.confirm && !(await confirmIn(button.dataset.confirm, button.dataset.confirmDo))) return;
  void call(button, button, button.dataset.body ? JSON.parse(button.dataset.body) : undefined);
});

async function call(source, button, body) {
  const [method, path] = source.dataset.api.split(" ");
  if (button?.getAttribute("aria-busy") === "true") return;
  button?.setAttribute("aria-busy", "true");
  clearRefusals(source);
  try {
    const answer = await api(method, path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(body?.[name] ?? "")), body);
    if (source.dataset.done) toast({ kind: "good", title: source.dataset.done });
    follow(source, answer);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const codes = problem.code === "code_needed" && source.querySelector?.("[data-code-field]");
    if (codes) {
      codes.hidden = false;
      codes.querySelector("input").focus();
    } else if (!showRefusal(source, problem)) toast(problem);
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

function follow(source, answer) {
  const [verb, ...rest] = (source.dataset.then ?? "").split(" ");
  const target = rest.join(" ").replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer?.[name] ?? ""));
  source.dispatchEvent(new CustomEvent("api:done", { bubbles: true, detail: { answer } }));
  if (verb === "go") location.assign(target);
  else if (verb === "reload") location.reload();
  else if (verb === "refresh") {
    source.closest("dialog")?.close();
    htmx.trigger(document.querySelector(target), "refresh");
  } else if (verb === "show") {
    // One-time things (a key, a link): shown once, here, and never again.
    const place = document.querySelector(target);
    for (const one of place.querySelectorAll("[data-answer]")) {
      const told = answer?.[one.dataset.answer] ?? "";
      const value = Array.isArray(told) ? told.join("\n") : String(told);
      if (one.matches("img")) one.src = value;
      else if ("value" in one) one.value = value;
      else one.textContent = value;
    }
    place.hidden = false;
    if (place.matches("dialog")) openDialog(place);
    source.closest("form")?.reset();
  }
}

function clearRefusals(source) {
  for (const field of source.querySelectorAll?.("[aria-invalid]") ?? []) field.removeAttribute("aria-invalid");
  for (const one of source.querySelectorAll?.(".refusal") ?? []) one.textContent = "";
}

function showRefusal(source, problem) {
  const place = problem.field && source.querySelector?.(`[name="${CSS.escape(problem.field)}"]`);
  const whole = source.querySelector?.(".refusal.whole");
  if (!place && !whole) return false;
  const box = place ? (place.closest(".field")?.querySelector(".refusal") ?? whole) : whole;
  if (!box) return false;
  box.textContent = problem.sentence;
  if (place) {
    place.setAttribute("aria-invalid", "true");
    place.focus();
  }
  return true;
}

// --- tables -----------------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  // A click anywhere in a linked row opens it; text can still be selected, and links and fields keep their own meaning.
  const row = event.target.closest("tr.linked");
  if (!row || event.target.closest("a, button, input, label, select, summary") || String(getSelection())) return;
  const link = row.querySelector("a.into");
  if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
  else link.click();
});
document.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches("[data-select], [data-select-all]")) return;
  const sheet = box.closest(".sheet");
  const boxes = [...sheet.querySelectorAll("[data-select]")];
  if (box.matches("[data-select-all]")) boxes.forEach((one) => (one.checked = box.checked));
  for (const one of boxes) one.closest("tr").setAttribute("aria-selected", String(one.checked));
  const chosen = boxes.filter((one) => one.checked).map((one) => one.value);
  const all = sheet.querySelector("[data-select-all]");
  all.checked = chosen.length === boxes.length;
  all.indeterminate = chosen.length > 0 && !all.checked;
  for (const bar of document.querySelectorAll(`[data-selection-of="${sheet.id}"]`)) {
    bar.hidden = chosen.length === 0;
    for (const count of bar.querySelectorAll("[data-count]")) count.textContent = String(chosen.length);
  }
  sheet.dispatchEvent(new CustomEvent("selection", { bubbles: true, detail: { chosen } }));
});

// --- menus, theme, copying ----------------------------------------------------------------------------------------------

const openMenus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (!button) return;
  event.preventDefault();
  const choice = button.dataset.themeChoice;
  root.dataset.theme = choice;
  keepCookie("carillon_theme", choice);
  for (const one of document.querySelectorAll("[data-theme-choice]"))
    one.setAttribute("aria-pressed", String(one.dataset.themeChoice === choice));
  document.dispatchEvent(new CustomEvent("theme"));
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("theme")));
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  const text = "value" in source ? source.value : source.textContent;
  try {
    await navigator.clipboard.writeText(text);
    toast({ kind: "good", title: t("copied"), brief: true });
  } catch {
    // Without https there is no clipboard: mark the text, so that Ctrl+C takes it.
    getSelection().selectAllChildren(source);
    toast({ kind: "warn", title: t("copy_by_hand") });
  }
});

// A file is of what the table shows now: its filters may have changed since the page came.
document.addEventListener(
  "toggle",
  (event) => {
    for (const link of event.target.querySelectorAll?.("a[data-export]") ?? []) {
      const query = document.getElementById(`${link.dataset.export}-table`)?.dataset.query ?? "";
      const format = new URLSearchParams(link.search).get("format");
      link.search = `${query}${query ? "&" : ""}format=${format}`;
    }
  },
  true,
);

function keepCookie(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
}

// The language stays in a cookie; in the address it would follow a shared link.
const address = new URL(location.href);
if (address.searchParams.has("lang") || address.searchParams.has("theme")) {
  address.searchParams.delete("lang");
  address.searchParams.delete("theme");
  history.replaceState(history.state, "", address);
}

// --- navigation -------------------------------------------------------------------------------------------------------

// What is folded stays folded, by a cookie: the server sends the next page as it will stand. See navigation.py.
document.addEventListener("click", (event) => {
  const group = event.target.closest(".side .group > summary")?.parentElement;
  if (!group) return;
  const cookie = document.cookie.match(/(?:^|; )carillon_folded=([a-z.]*)/)?.[1] ?? "";
  const folded = new Set(cookie.split(".").filter(Boolean));
  // The click comes before it opens or closes.
  if (group.open) folded.add(group.dataset.group);
  else folded.delete(group.dataset.group);
  keepCookie("carillon_folded", [...folded].join("."));
});

// What waits on a page (approvals) stands beside its name, wherever that is; asked for once for all of them. A folded
// group and the phone's `more` show the sum of theirs.
const TALLY_MS = 30_000;
async function tally() {
  const places = [...document.querySelectorAll("[data-tally]")];
  if (!places.length || document.hidden) return;
  await Promise.all(
    [...new Set(places.map((place) => place.dataset.tally))].map(async (address) => {
      try {
        const answer = await fetch(address, { headers: { Accept: "text/html", "HX-Request": "true" } });
        const text = answer.ok ? await answer.text() : "";
        for (const place of places) if (place.dataset.tally === address) place.innerHTML = text;
      } catch {
        // The server is away: whatever else the page does says so.
      }
    }),
  );
  for (const sum of document.querySelectorAll("[data-waiting]")) {
    const within = sum.closest(".group") ?? document.querySelector(".side");
    const waiting = [...within.querySelectorAll("[data-tally]")].map((place) => Number(place.textContent) || 0);
    const total = waiting.reduce((one, other) => one + other, 0);
    sum.className = total ? "tally" : "";
    sum.textContent = total || "";
  }
}
document.addEventListener("tally", tally);
setInterval(tally, TALLY_MS);
void tally();

watchDialogs();
watchKeys();
watchTimes();
document.addEventListener("htmx:after:process", () => watchTimes());
document.body.dataset.ready = "";

export { Problem, api, askApi, confirmIn, htmx, openDialog, t, toast };
