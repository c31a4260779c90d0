// Pictures of a car: the light box with its keys, the forms that ask a terminal, and the gallery that fills itself.

import { Problem, api, htmx, openDialog, t, toast } from "./portal.js";
import "./media.css";

// --- the light box ----------------------------------------------------------------------------------------------------

const box = document.getElementById("lightbox");
if (box) {
  const image = box.querySelector("img");
  const fault = box.querySelector("[data-fault]");
  let shown = null;
  // Asked anew each time: the gallery may have been filled meanwhile.
  const all = () => [...document.querySelectorAll("a[data-shot]")];

  const show = (link) => {
    shown = link.dataset.shot;
    const links = all();
    const place = links.indexOf(link);
    fault.hidden = true;
    image.hidden = false;
    image.src = link.dataset.url;
    image.alt = link.dataset.name;
    box.querySelector("[data-name]").textContent = link.dataset.name;
    box.querySelector("[data-place]").textContent = t("media_position", { n: place + 1, of: links.length });
    box.querySelector("[data-own]").href = link.href;
    box.querySelector("[data-save]").href = `${link.dataset.url}?save=true`;
    for (const button of box.querySelectorAll("[data-step]")) {
      button.disabled = !links[place + Number(button.dataset.step)];
    }
  };
  const step = (by) => {
    const links = all();
    const next = links[links.findIndex((one) => one.dataset.shot === shown) + by];
    if (next) show(next);
  };

  image.addEventListener("error", () => {
    image.hidden = true;
    fault.hidden = false;
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-shot]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    show(link);
    openDialog(box, link);
  });
  box.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (button) step(Number(button.dataset.step));
  });
  box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });
}

// --- asking the terminal ----------------------------------------------------------------------------------------------

for (const form of document.querySelectorAll("form[data-order]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    const refusal = form.querySelector(".refusal.whole");
    const fields = {};
    for (const field of form.elements) {
      if (!field.name) continue;
      if (field.type === "checkbox") fields[field.name] = field.checked ? 1 : 0;
      else if (field.type === "datetime-local") fields[field.name] = field.value ? Date.parse(field.value) : null;
      else fields[field.name] = Number(field.value);
    }
    refusal.textContent = "";
    button.setAttribute("aria-busy", "true");
    try {
      await api("POST", form.dataset.path, { message: form.dataset.order, fields });
      toast({ kind: "good", title: form.dataset.done, brief: true });
      form.closest("dialog").close();
      htmx.trigger(document.getElementById("media-now"), "refresh");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      refusal.textContent = problem.sentence;
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}

// --- what comes -------------------------------------------------------------------------------------------------------

// The part above the gallery renews itself and says which item is the newest; the gallery is asked for only when that
// is another one: each look at it is written down.
const watched = new MutationObserver(() => {
  const now = document.getElementById("media-now");
  const grid = document.getElementById("media-grid");
  if (!now || !grid || now.dataset.newest === grid.dataset.newest || document.querySelector("dialog[open]")) return;
  if (grid.querySelector("audio, video") && [...grid.querySelectorAll("audio, video")].some((one) => !one.paused)) return;
  grid.dataset.newest = now.dataset.newest;
  htmx.trigger(grid, "refresh");
});
const place = document.getElementById("media-now")?.parentElement;
if (place) watched.observe(place, { childList: true });

document.body.dataset.ready = "media";
