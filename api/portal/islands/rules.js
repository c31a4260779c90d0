// Thresholds of a detector: what is written is compared with what is in force, shown before it is saved, and tried.

import "./rules.css";
import { Problem, api, htmx, openDialog, t, toast } from "./portal.js";

const form = document.getElementById("rule");
const rows = form ? [...form.querySelectorAll("[data-threshold]")] : [];
const review = document.getElementById("review-form");

const inputOf = (row) => row.querySelector("input");
const rawNow = (row) => JSON.parse(row.dataset.raw);

// The API's value of what stands in a field; null for what is no number.
function rawOf(row) {
  const input = inputOf(row);
  if (row.dataset.kind === "switch") return input.checked;
  if (input.value.trim() === "" || Number.isNaN(input.valueAsNumber)) return null;
  const raw = input.valueAsNumber * Number(row.dataset.scale);
  // 0.1 min is 6000 ms and not 6000.000000000001.
  return row.dataset.kind === "integer" ? Math.round(raw) : Number(raw.toPrecision(12));
}

function show(row, raw) {
  const input = inputOf(row);
  if (row.dataset.kind === "switch") input.checked = raw;
  else input.value = Number((raw / Number(row.dataset.scale)).toPrecision(10));
}

function shown(row, raw) {
  if (row.dataset.kind === "switch") return t(raw ? "rules_on" : "rules_off");
  const unit = row.querySelector(".unit")?.textContent ?? "";
  return `${Number((raw / Number(row.dataset.scale)).toPrecision(10))} ${unit}`.trim();
}

const edited = () => rows.filter((row) => rawOf(row) !== rawNow(row));

function say(row, text) {
  row.querySelector(".refusal").textContent = text;
  inputOf(row).toggleAttribute("aria-invalid", Boolean(text));
}

function check(row) {
  const input = inputOf(row);
  let fault = "";
  if (row.dataset.kind !== "switch") {
    const value = input.valueAsNumber;
    if (rawOf(row) === null) fault = t("rules_wrong_number");
    else if (input.min !== "" && value < Number(input.min)) fault = t("rules_wrong_least", { bound: input.min });
    else if (input.max !== "" && value > Number(input.max)) fault = t("rules_wrong_most", { bound: input.max });
    else if (input.step === "1" && !Number.isInteger(value)) fault = t("rules_wrong_whole");
  }
  say(row, fault);
  return !fault;
}

function renew() {
  const changes = edited();
  for (const row of rows) {
    row.classList.toggle("edited", changes.includes(row));
    const back = row.querySelector("[data-to-default]");
    if (back) back.hidden = rawOf(row) === JSON.parse(row.dataset.default);
  }
  const summary = form.querySelector("[data-summary]");
  if (!summary) return;
  summary.textContent = changes.length ? t("rules_changed", { n: changes.length }) : t("rules_unchanged");
  form.querySelector('[type="submit"]').disabled = !changes.length;
}

const values = () => Object.fromEntries(edited().map((row) => [row.dataset.threshold, rawOf(row)]));

function openReview() {
  const body = review.querySelector("tbody");
  body.replaceChildren(
    ...edited().map((row) => {
      const line = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = row.querySelector("label b").textContent;
      line.append(name);
      for (const raw of [rawNow(row), rawOf(row)]) {
        const cell = document.createElement("td");
        cell.className = "number";
        cell.textContent = shown(row, raw);
        line.append(cell);
      }
      return line;
    }),
  );
  review.querySelector(".refusal.whole").textContent = "";
  document.getElementById("trial")?.replaceChildren();
  openDialog(document.getElementById("review"));
}

async function save() {
  const button = review.querySelector('[type="submit"]');
  button.setAttribute("aria-busy", "true");
  try {
    const body = { values: values(), version: Number(form.dataset.version), note: review.elements.namedItem("note").value.trim() };
    await api("PUT", `/api/v1/rules/${form.dataset.detector}`, body);
    toast({ kind: "good", title: t("rules_saved") });
    location.reload();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const row = rows.find((one) => one.dataset.threshold === problem.field);
    if (row) {
      document.getElementById("review").close();
      say(row, problem.sentence);
      inputOf(row).focus();
    } else review.querySelector(".refusal.whole").textContent = problem.sentence;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function tryIt(button) {
  button.setAttribute("aria-busy", "true");
  try {
    const trial = await api("POST", `/api/v1/rules/${form.dataset.detector}/trials`, { values: values() });
    await htmx.ajax("GET", `/rules/${form.dataset.detector}/trial?number=${trial.id}`, { target: "#trial", swap: "outerHTML" });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    review.querySelector(".refusal.whole").textContent = problem.sentence;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

async function cancelTrial(button) {
  button.setAttribute("aria-busy", "true");
  await api("DELETE", `/api/v1/rules/${form.dataset.detector}/trials/${button.dataset.cancelTrial}`);
}

form?.addEventListener("input", (event) => {
  const row = event.target.closest("[data-threshold]");
  if (row) check(row);
  renew();
});

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const wrong = rows.filter((row) => !check(row));
  if (wrong.length) inputOf(wrong[0]).focus();
  else if (edited().length) openReview();
});

review?.addEventListener("submit", (event) => {
  event.preventDefault();
  void save();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("toDefault" in button.dataset) {
    const row = button.closest("[data-threshold]");
    show(row, JSON.parse(row.dataset.default));
    check(row);
    inputOf(row).focus();
  } else if ("allDefault" in button.dataset) {
    for (const row of rows) show(row, JSON.parse(row.dataset.default));
  } else if (button.dataset.versionValues) {
    const wanted = JSON.parse(button.dataset.versionValues);
    for (const row of rows) if (row.dataset.threshold in wanted) show(row, wanted[row.dataset.threshold]);
    form.scrollIntoView({ behavior: "smooth" });
  } else if ("try" in button.dataset) return void tryIt(button);
  else if (button.dataset.cancelTrial) return void cancelTrial(button);
  else return;
  renew();
});

document.body.dataset.ready = "rules";
