// The terminals' page: a row opens in a drawer, a knocking terminal fills the form, a list is shown before it is written.

import "./terminals.css";
import { Problem, api, htmx, openDialog, t, toast } from "./portal.js";

const SHOWN = 200;
const place = (id) => document.getElementById(id);

// --- one terminal in a drawer ---

document.addEventListener("click", (event) => {
  const link = event.target.closest("#terminals-table a.into");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openDialog(place("terminal"), link);
  htmx.ajax("GET", link.getAttribute("href"), { target: "#terminal-body", swap: "innerHTML" });
});

// --- accepting who knocks: the form with what it said of itself ---

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-accept]");
  if (!button) return;
  const form = place("add-form");
  form.reset();
  for (const [name, value] of Object.entries(JSON.parse(button.dataset.accept))) {
    const field = form.elements.namedItem(name);
    if (field) field.value = String(value);
  }
  openDialog(place("add"), button);
});

// --- a list ---

const drop = place("drop");
const file = place("file");
let chosen = null;

if (drop) {
  file.addEventListener("change", () => void look(file.files[0]));
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.dataset.over = "";
    });
  }
  drop.addEventListener("dragleave", () => delete drop.dataset.over);
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    delete drop.dataset.over;
    void look(event.dataTransfer.files[0]);
  });
  place("import-again").addEventListener("click", again);
  place("import-do").addEventListener("click", () => void write());
  place("importing").querySelector('[name="whole"]').addEventListener("change", say);
}

let report = null;

function send(query) {
  return api("POST", `/api/v1/terminals/import?${query}`, chosen, { headers: { "Content-Type": "text/csv" } });
}

function again() {
  chosen = report = null;
  file.value = "";
  place("preview").hidden = true;
  drop.hidden = false;
  place("import-refusal").textContent = "";
}

async function look(one) {
  if (!one) return;
  again();
  chosen = one;
  drop.setAttribute("aria-busy", "true");
  try {
    report = await send("preview=true");
    show();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    chosen = null;
    place("import-refusal").textContent = problem.sentence;
  } finally {
    drop.removeAttribute("aria-busy");
  }
}

function show() {
  const kinds = { added: "good", changed: "info", unchanged: "quiet", refused: "bad" };
  place("import-counts").replaceChildren(
    ...Object.keys(kinds).map((what) => {
      const badge = element("span", `badge ${report.counts[what] ? kinds[what] : "quiet"}`);
      badge.append(element("b", "", String(report.counts[what])), ` ${t(`terminals_counts_${what}`)}`);
      return badge;
    }),
  );
  // Those that need a person come first.
  const order = { refused: 0, changed: 1, added: 2, unchanged: 3 };
  const rank = (one) => (one.what === "refused" ? 0 : one.warnings.length ? 1 : 2 + order[one.what]);
  const rows = [...report.outcomes].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
  place("import-rows").replaceChildren(
    ...rows.slice(0, SHOWN).map((one) => {
      const row = element("tr");
      row.append(
        element("td", "number fit", String(one.line)),
        element("td", "fit"),
        element("td", "fit mono", one.phone),
        element("td", "fit", one.plate),
        element("td", "grow", why(one)),
      );
      row.children[1].append(element("span", `badge ${kinds[one.what]}`, t(`terminals_counts_${one.what}`)));
      return row;
    }),
  );
  const more = place("import-more");
  more.hidden = rows.length <= SHOWN;
  more.textContent = t("terminals_more_rows").replace("{n}", String(SHOWN));
  const ignored = place("import-ignored");
  ignored.hidden = !report.ignored_columns.length;
  ignored.textContent = `${t("terminals_ignored")} ${report.ignored_columns.join(", ")}`;
  drop.hidden = true;
  place("preview").hidden = false;
  say();
  place("import-do").focus();
}

function why(one) {
  const said = one.refusals.map(({ code, detail }) => t(`problem_${code}`) + (detail ? ` (${detail})` : ""));
  said.push(...one.changes.map((name) => t(`terminals_change_${name}`)));
  said.push(...one.warnings.map((name) => t(`terminals_warning_${name}`)));
  return said.join("; ");
}

function say() {
  const { added, changed, refused } = report.counts;
  const whole = place("importing").querySelector('[name="whole"]').checked;
  const lines = whole && refused ? 0 : added + changed;
  const button = place("import-do");
  button.disabled = lines === 0;
  button.querySelector("span").textContent = lines
    ? t("terminals_write_n").replace("{n}", String(lines))
    : t("terminals_write_none");
}

async function write() {
  const button = place("import-do");
  const whole = place("importing").querySelector('[name="whole"]').checked;
  button.setAttribute("aria-busy", "true");
  try {
    report = await send(`whole=${whole}`);
    if (!report.written) {
      show();
      toast({ kind: "bad", title: t("terminals_not_written") });
      return;
    }
    const lines = report.counts.added + report.counts.changed;
    place("import").close();
    again();
    toast({ kind: "good", title: t("terminals_written").replace("{n}", String(lines)) });
    htmx.trigger(place("terminals-table"), "refresh");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    place("import-refusal").textContent = problem.sentence;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function element(name, classes = "", text = "") {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  if (text) made.textContent = text;
  return made;
}
