// Customers: one press verifies, merges back or forgets; of pairs that may be one, one key decides the first.

import { Problem, api, htmx, t, toast } from "./portal.js";
import "./persons.css";

const BODY = {
  verify: ({ attribute, value, method }) => ({ attribute, value: Number(value), method }),
  unreachable: ({ attribute, value }) => ({ attribute, value: Number(value) }),
  unmerge: () => undefined,
  erase: () => ({ reason: "asked" }),
};
const KEYS = { s: "same", d: "different", h: "household" };

async function trying(button, ask) {
  const refusal = document.getElementById("refused");
  refusal.textContent = "";
  button?.setAttribute("aria-busy", "true");
  try {
    await ask();
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refusal.textContent = problem.sentence;
    refusal.scrollIntoView({ block: "nearest" });
    return false;
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

async function act(button) {
  const { act: what, person, sure } = button.dataset;
  if (sure && !window.confirm(sure)) return;
  const done = await trying(button, () => api("POST", `/api/v1/persons/${person}/${what}`, BODY[what](button.dataset)));
  if (!done) return;
  if (what === "erase") return location.assign("/persons");
  toast({ kind: "good", title: t("persons_done") });
  htmx.trigger(document.getElementById("dossier"), "refresh");
}

async function decide(card, verdict, button) {
  const done = await trying(button, () => api("POST", `/api/v1/matches/${card.dataset.match}`, { verdict }));
  if (!done) return;
  toast({ kind: "good", title: t(`matches_done_${verdict}`) });
  htmx.trigger(document.getElementById("matches"), "refresh");
  document.dispatchEvent(new CustomEvent("tally"));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act], button[data-verdict]");
  if (!button) return;
  if (button.dataset.act) void act(button);
  else void decide(button.closest("[data-match]"), button.dataset.verdict, button);
});

document.addEventListener("keydown", (event) => {
  const writing = event.target.closest("input, textarea, select, [contenteditable]");
  const verdict = KEYS[event.key];
  if (!verdict || writing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const card = document.activeElement?.closest?.("[data-match]") ?? document.querySelector("[data-match]");
  const button = card?.querySelector(`[data-verdict="${verdict}"]`);
  if (button) void decide(card, verdict, button);
});

document.body.dataset.ready = "persons";
