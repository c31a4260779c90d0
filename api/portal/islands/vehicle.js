// A car's frames (a field and its bytes light up together) and its commands (a text is measured before it is sent).

import { Problem, api, htmx, t, toast } from "./portal.js";
import { measure } from "./Gbk.js";
import "./vehicle.css";

// --- frames -----------------------------------------------------------------------------------------------------------

const explained = document.getElementById("explained");
if (explained) {
  const light = (event, on) => {
    const run = event.target.closest("[data-run]");
    if (!run) return;
    for (const one of explained.querySelectorAll(`[data-run="${run.dataset.run}"]`)) one.classList.toggle("lit", on);
  };
  explained.addEventListener("pointerover", (event) => light(event, true));
  explained.addEventListener("pointerout", (event) => light(event, false));
}

// --- commands ---------------------------------------------------------------------------------------------------------

const form = document.getElementById("text-form");
if (form) {
  const field = form.querySelector("#text");
  const refusal = form.querySelector("#text-refusal");
  const most = Number(form.dataset.bytesMax);
  const flags = () => [...form.querySelectorAll("[name=flag]:checked")].reduce((sum, box) => sum | Number(box.value), 0);

  const look = () => {
    const { bytes, strange } = measure(field.value);
    const fault = strange
      ? t("commands_not_gbk", { sign: strange })
      : bytes > most
        ? t("commands_too_long", { used: bytes, n: most })
        : "";
    form.querySelector("#text-bytes").textContent = t("commands_bytes", { used: bytes, n: most });
    form.querySelector("#text-preview").textContent = field.value;
    refusal.textContent = fault;
    if (fault) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    return !fault && bytes > 0;
  };
  field.addEventListener("input", look);
  look();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!look()) return field.focus();
    const button = form.querySelector("[type=submit]");
    button.setAttribute("aria-busy", "true");
    try {
      await api("POST", form.dataset.path, { message: "0x8300", fields: { flags: flags(), text: field.value } });
      toast({ kind: "good", title: t("commands_sent"), brief: true });
      field.value = "";
      look();
      htmx.trigger(document.getElementById("history"), "refresh");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      refusal.textContent = problem.sentence;
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

document.body.dataset.ready = "vehicle";
