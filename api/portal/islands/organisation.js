// The organisation: forms whose fields the API wants in another shape than a form has them.

import "./organisation.css";
import { Problem, api, openDialog } from "./portal.js";

const root = document.getElementById("content");
const value = (form, name) => form.elements.namedItem(name)?.value?.trim() ?? "";

// A day of the reader's browser, its first moment: days of validity are the store's, and a few hours do not matter there.
const dayMs = (text) => (text ? new Date(`${text}T00:00:00`).getTime() : 0);

const SENDS = {
  organisation: (form) => {
    const [method, path] = form.dataset.organisation.split(" ");
    const body = {};
    if (form.dataset.kind) body.kind = form.dataset.kind;
    for (const name of ["parent", "name_zh", "name_en", "code", "time_zone"]) {
      if (form.elements.namedItem(name)) body[name] = value(form, name);
    }
    if (form.elements.namedItem("brands")) body.brands = value(form, "brands").split(/[\s,，、]+/).filter(Boolean);
    if (form.elements.namedItem("opens")) body.opens_ms = dayMs(value(form, "opens"));
    return [method, path, body];
  },
  calendar: (form) => [...form.dataset.calendar.split(" "), { days: [[value(form, "day"), value(form, "what")]] }],
  shift: (form) => {
    const offset = Number(form.dataset.offsetMin) * 60_000;
    const at = (time) => Date.parse(`${value(form, "day")}T${time}:00Z`) - offset;
    const from_ms = at(value(form, "begins"));
    let to_ms = at(value(form, "ends"));
    if (to_ms <= from_ms) to_ms += 86_400_000;
    return ["POST", "/api/v1/shifts", { node: form.dataset.node, account: Number(value(form, "account")), duty: value(form, "duty"), from_ms, to_ms }];
  },
  place: (form) => {
    const to = dayMs(value(form, "to"));
    const wanted = { node: form.dataset.node, role: value(form, "role"), grade: value(form, "grade"), from_ms: dayMs(value(form, "from")), to_ms: to && to + 86_400_000 };
    return ["POST", `/api/v1/accounts/${value(form, "account")}/places`, { places: [wanted] }];
  },
  certificate: (form) => {
    const until = dayMs(value(form, "until"));
    return ["PUT", form.dataset.path, { level: Number(value(form, "level")), expires_ms: until && until + 86_400_000 }];
  },
  named: (form) => ["PUT", `/api/v1/skills/${encodeURIComponent(value(form, "code"))}`, { name_zh: value(form, "name_zh"), name_en: value(form, "name_en") }],
  duty: (form) => {
    const needs = [...form.querySelectorAll("[data-skill]")].filter((one) => one.value !== "0").map((one) => [one.dataset.skill, Number(one.value)]);
    return ["PUT", `/api/v1/duties/${encodeURIComponent(value(form, "code"))}`, { name_zh: value(form, "name_zh"), name_en: value(form, "name_en"), needs }];
  },
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  const kind = Object.keys(SENDS).find((name) => name in form.dataset);
  if (!kind) return;
  event.preventDefault();
  void send(form, () => api(...SENDS[kind](form)));
});

async function send(form, ask) {
  for (const box of form.querySelectorAll(".refusal")) box.textContent = "";
  const button = form.querySelector('[type="submit"]');
  button.setAttribute("aria-busy", "true");
  try {
    await ask();
    location.reload();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const field = problem.field && form.querySelector(`[name="${CSS.escape(problem.field)}"]`);
    const box = field?.closest(".field")?.querySelector(".refusal") ?? form.querySelector(".refusal.whole");
    box.textContent = problem.sentence ?? problem.title;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", (event) => {
  const certify = event.target.closest("[data-certify]");
  if (certify) {
    const [account, skill] = certify.dataset.certify.split(" ");
    const form = document.querySelector("form[data-certificate]");
    form.reset();
    form.dataset.path = `/api/v1/accounts/${account}/skills/${encodeURIComponent(skill)}`;
    form.querySelector("[data-about]").textContent = `${certify.dataset.who} · ${certify.dataset.skillName}`;
    if (certify.dataset.level) form.elements.namedItem("level").value = certify.dataset.level;
    form.querySelector("[data-withdraw]").hidden = !certify.dataset.level;
    openDialog(document.getElementById("certify"), certify);
  }
  const withdraw = event.target.closest("[data-withdraw]");
  if (withdraw) void send(withdraw.form, () => api("DELETE", withdraw.form.dataset.path));
  const china = event.target.closest("[data-china]");
  if (china) {
    const days = JSON.parse(document.getElementById("china").textContent);
    void send(china.closest("form"), () => api(...china.dataset.china.split(" "), { days }));
  }
});

// Closed nodes are history: shown when asked for.
root.addEventListener("change", (event) => {
  if (event.target.matches("[data-closed]")) root.classList.toggle("with-closed", event.target.checked);
});

// Arrow keys walk the tree as it is drawn.
root.addEventListener("keydown", (event) => {
  const here = event.target.closest?.(".tree a.leaf");
  if (!here || !event.key.startsWith("Arrow")) return;
  const item = here.parentElement;
  const seen = (one) => one?.offsetParent && one;
  const targets = {
    ArrowRight: () => item.querySelector(":scope > ol > li > a.leaf"),
    ArrowLeft: () => item.parentElement.closest("li")?.querySelector(":scope > a.leaf"),
    ArrowDown: () => step(here, 1),
    ArrowUp: () => step(here, -1),
  };
  const next = seen(targets[event.key]?.());
  if (next) {
    event.preventDefault();
    next.focus();
  }
});

function step(here, by) {
  const all = [...root.querySelectorAll(".tree a.leaf")].filter((one) => one.offsetParent);
  return all[all.indexOf(here) + by];
}
