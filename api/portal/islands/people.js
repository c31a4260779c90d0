// People, keys and stores: forms whose answer is shown once, and dialogs that are filled from a row.

import "./people.css";
import { Problem, api, openDialog, t } from "./portal.js";

const place = (id) => document.getElementById(id);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("form[data-account]")) {
    event.preventDefault();
    void sendAccount(form);
  } else if (form.matches("form[data-key]")) {
    event.preventDefault();
    void makeKey(form);
  }
});

async function sendAccount(form) {
  const body = { name: form.elements.namedItem("name").value, role: form.elements.namedItem("role").value, stores: storesOf(form) };
  for (const name of ["login", "language"]) {
    const field = form.elements.namedItem(name);
    if (field) body[name] = field.value;
  }
  const [method, path] = form.dataset.account.split(" ");
  const answer = await trying(form, () => api(method, path, body));
  if (!answer) return;
  if (!answer.invitation) {
    location.reload();
    return;
  }
  place("invite").close();
  form.reset();
  place("link-once-value").value = answer.invitation.link;
  openDialog(place("link-once"));
}

// null is the whole group; a list, even an empty one, is just those stores: the API says if there must be one.
function storesOf(form) {
  const whole = form.querySelector('[name="whole"]:checked');
  if (whole?.value === "true") return null;
  return [...form.querySelectorAll('[name="stores"]:checked')].map((one) => Number(one.value));
}

async function makeKey(form) {
  const days = Number(form.elements.namedItem("days").value);
  const body = {
    name: form.elements.namedItem("name").value,
    rights: [...form.querySelectorAll('[name="rights"]:checked')].map((one) => one.value),
    expires_ms: days ? Date.now() + days * 86_400_000 : 0,
  };
  if (!body.rights.length) {
    place("r-rights").textContent = t("people_key_rights_none");
    return;
  }
  const answer = await trying(form, () => api("POST", "/api/v1/keys", body));
  if (!answer) return;
  place("make").close();
  form.reset();
  place("key-once-value").value = answer.key;
  openDialog(place("key-once"));
}

const FIELDS = { login_taken: "login", login_unfit: "login", role_above: "role", store_outside: "stores", stores_needed: "stores" };

async function trying(form, ask) {
  for (const box of form.querySelectorAll(".refusal")) box.textContent = "";
  const button = form.querySelector('[type="submit"]');
  button.setAttribute("aria-busy", "true");
  try {
    return await ask();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const name = problem.field || FIELDS[problem.code];
    const box = (name && form.querySelector(`#r-${CSS.escape(name)}`)) || form.querySelector(".refusal.whole");
    box.textContent = problem.title;
    return null;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-reloads]")) location.reload();
  const button = event.target.closest("[data-store]");
  if (!button) return;
  const store = JSON.parse(button.dataset.store);
  const form = place("store-form");
  form.reset();
  form.dataset.api = store.id ? `PUT /api/v1/stores/${store.id}` : "POST /api/v1/stores";
  for (const [name, value] of Object.entries(store)) {
    const field = form.elements.namedItem(name);
    if (field) field.value = value ?? "";
  }
  openDialog(place("store"), button);
});

// Which stores only matters where it is not the whole group.
function showStores() {
  for (const set of document.querySelectorAll("[data-stores]")) {
    const whole = set.querySelector('[name="whole"]:checked');
    set.querySelector(".some").hidden = whole?.value === "true";
  }
}
document.addEventListener("change", (event) => {
  if (event.target.name === "whole") showStores();
});
document.addEventListener("reset", () => queueMicrotask(showStores));
showStores();

// A dialog that shows a thing once is not closed by a press beside it.
for (const id of ["link-once", "key-once"]) if (place(id)) place(id).dataset.stay = "";
