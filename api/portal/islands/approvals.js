// What waits for approval: how long it may still wait, and one press to approve or, with a reason, to reject.

import { Problem, api, htmx, t, toast } from "./portal.js";
import "./approvals.css";

const SECOND_MS = 1000;

function tick() {
  for (const card of document.querySelectorAll("[data-expires]")) {
    const left = Math.max(0, Math.round((Number(card.dataset.expires) - Date.now()) / SECOND_MS));
    card.querySelector("[data-left]").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    card.querySelector("meter").value = left / 6;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-judge]");
  if (!form) return;
  event.preventDefault();
  const verdict = event.submitter?.value ?? "approve";
  const reason = form.elements.reason.value.trim();
  const refusal = form.querySelector(".refusal");
  refusal.textContent = "";
  if (verdict === "reject" && !reason) {
    refusal.textContent = t("approvals_reason_missing");
    return form.elements.reason.focus();
  }
  event.submitter?.setAttribute("aria-busy", "true");
  try {
    const after = await api("POST", `/api/v1/commands/${form.dataset.judge}/${verdict}`, { reason });
    const more = after.approvals_needed - after.approvals;
    toast({ kind: "good", title: verdict === "reject" ? t("approvals_rejected") : more > 0 ? t("approvals_one_more") : t("approvals_sent") });
    // What is written keeps the list from renewing itself: it has been said.
    form.reset();
    renew();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refusal.textContent = problem.sentence;
  } finally {
    event.submitter?.removeAttribute("aria-busy");
  }
});

function renew() {
  document.activeElement?.blur?.();
  htmx.trigger(document.getElementById("waiting"), "refresh");
  document.dispatchEvent(new CustomEvent("tally"));
}

// Whoever writes a reason is not interrupted: the list renews itself when nobody is in it.
document.addEventListener("htmx:before:request", (event) => {
  const writing = document.activeElement?.closest?.("form[data-judge]");
  const begun = [...document.querySelectorAll("form[data-judge] input")].some((field) => field.value);
  if (event.detail.ctx.sourceElement.id === "waiting" && (writing || begun)) event.preventDefault();
});
document.addEventListener("htmx:after:swap", tick);
setInterval(tick, SECOND_MS);
tick();
document.body.dataset.ready = "approvals";
