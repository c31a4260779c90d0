// Talking to a car: a form that was drawn from a message's declaration is read back by its structure, measured while it
// is filled in, previewed as bytes, and sent. [data-fields] holds [data-input]s, each of a kind; a list holds [data-item]s.

import { Problem, api, htmx, t, toast } from "./portal.js";
import { measure } from "./Gbk.js";
import "./commands.css";

const form = document.getElementById("order");
if (form) order(form);
search(document.getElementById("message-search") ?? document.getElementById("f-message-search"));
keepOpen();
lightFields();
document.body.dataset.ready = "commands";

function order(form) {
  const offsetMs = Number(form.dataset.offsetMin) * 60_000;

  const inputsOf = (fields) => [...fields.querySelectorAll("[data-input]")].filter((one) => one.parentElement.closest("[data-fields]") === fields);
  const valueOf = (input) => input.querySelector("[data-value]");

  // --- reading ------------------------------------------------------------------------------------------------------

  /** Return {values, faults: [[input, what is wrong]], places: path -> input} of the form as it stands. */
  function read() {
    const found = { faults: [], places: new Map() };
    found.values = readFields(form.querySelector("[data-fields]"), "", found);
    return found;
  }

  function readFields(fields, path, found) {
    const values = {};
    if (!fields) return values;
    for (const input of inputsOf(fields)) {
      if (input.hidden) continue;
      const place = path ? `${path}.${input.dataset.input}` : input.dataset.input;
      found.places.set(place, input);
      const value = readInput(input, place, found);
      if (value !== undefined) values[input.dataset.input] = value;
    }
    return values;
  }

  function readInput(input, place, found) {
    const { kind } = input.dataset;
    const fault = (what) => void found.faults.push([input, what]);
    const missing = () => ("required" in input.dataset ? fault(t("commands_missing")) : undefined);
    if (kind === "bits") {
      let sum = 0;
      for (const box of input.querySelectorAll("[data-bit]:checked")) sum += 2 ** Number(box.dataset.bit);
      return sum;
    }
    if (kind === "object") return readFields(input.querySelector("[data-fields]"), place, found);
    if (kind === "variant") {
      const item = input.querySelector("[data-variant]").value;
      return { item, ...readFields(input.querySelector(`[data-of-variant="${item}"] > [data-fields]`), place, found) };
    }
    if (kind === "list" && input.dataset.of !== "number") {
      return itemsOf(input).map((item, number) => {
        const fields = item.querySelector("[data-fields]");
        if (input.dataset.of === "parameter") {
          found.places.set(`${place}[${number}]`, inputsOf(fields)[0]);
          return { id: item.dataset.parameter, ...readFields(fields, `${place}[${number}]`, found) };
        }
        if (input.dataset.of === "object") return readFields(fields, `${place}[${number}]`, found);
        const inner = inputsOf(fields)[0];
        found.places.set(`${place}[${number}]`, inner);
        return readInput(inner, `${place}[${number}]`, found);
      });
    }
    const field = valueOf(input);
    const text = field.value;
    if (kind === "list") {
      const parts = text.split(/[\s,，、;；]+/).filter(Boolean);
      const numbers = parts.map((part) => number(part, field, 1));
      const wrong = numbers.findIndex((one) => typeof one === "string");
      return wrong < 0 ? numbers : fault(numbers[wrong]);
    }
    if (kind === "number") {
      if (!text.trim()) return missing();
      const value = number(text, field, Number(field.dataset.scale));
      return typeof value === "string" ? fault(value) : value;
    }
    if (kind === "choice") {
      if (text === "") return missing();
      if (text !== "other") return Number(text);
      const other = input.querySelector("[data-other]");
      const value = number(other.value, other, 1);
      return typeof value === "string" ? fault(value) : value;
    }
    if (kind === "time") {
      // A time of every day is the terminal's own: milliseconds since its midnight.
      if (field.type === "time") return text ? Date.parse(`1970-01-01T${text}Z`) : undefined;
      return text ? Date.parse(`${text}Z`) - offsetMs : undefined;
    }
    if (kind === "text") {
      const said = textFault(text, field);
      return said ? fault(said) : text;
    }
    const digits = text.replace(/[\s:,-]+/g, "");
    if (!digits && kind === "digits") return missing();
    const said = hexFault(digits, field, kind);
    return said ? fault(said) : digits;
  }

  const itemsOf = (input) => [...input.querySelector("[data-items]").children];

  /** Return a number as on the wire, or what is wrong with its text. Hexadecimal with 0x in front. */
  function number(text, field, scale) {
    const written = text.trim();
    if (!/^(0[xX][0-9a-fA-F]+|-?\d+(\.\d+)?)$/.test(written)) return t("commands_no_number");
    const value = scale === 1 ? Number(written) : Math.round(Number(written) / scale);
    if (!Number.isInteger(value)) return t("commands_no_whole");
    const [low, high] = [Number(field.dataset.low), Number(field.dataset.high)];
    if (value < low || value > high) return t("commands_outside", { low: low * scale, high: Number((high * scale).toPrecision(12)) });
    return value;
  }

  function textFault(text, field) {
    const { bytes, strange } = measure(text);
    const most = Number(field.dataset.bytesMax ?? Infinity);
    if (strange) return t("commands_not_gbk", { sign: strange });
    return bytes > most ? t("commands_too_long", { used: bytes, n: most }) : "";
  }

  function hexFault(digits, field, kind) {
    if (/[^0-9a-fA-F]/.test(digits) || (kind === "bytes" && digits.length % 2)) return t("commands_no_hex");
    const bytes = Math.ceil(digits.length / 2);
    const most = Number(field.dataset.size ?? field.dataset.bytesMax ?? Infinity);
    if (bytes > most) return t("commands_too_long", { used: bytes, n: most });
    if (kind === "bytes" && "size" in field.dataset && bytes !== most) return t("commands_exactly", { used: bytes, n: most });
    return "";
  }

  // --- while it is filled in ----------------------------------------------------------------------------------------

  /** Show and hide what depends on other fields, count what is written, number the items. */
  function look() {
    for (const fields of form.querySelectorAll("[data-fields]")) {
      for (const input of inputsOf(fields)) if (input.dataset.when) input.hidden = !holds(input.dataset.when, fields);
    }
    for (const box of form.querySelectorAll("[data-counted]")) count(box.closest("[data-input]"), box);
    for (const other of form.querySelectorAll("[data-other]")) other.hidden = other.parentElement.querySelector("select").value !== "other";
    for (const list of form.querySelectorAll("[data-items]")) {
      [...list.children].forEach((item, number) => {
        const place = item.querySelector(":scope > header [data-number]");
        if (place) place.textContent = String(number + 1);
      });
      const add = list.closest("[data-input]").querySelector(":scope > [data-add]");
      if (add) add.disabled = list.children.length >= Number(list.dataset.itemsMax ?? Infinity);
    }
    for (const box of form.querySelectorAll("[data-daily]")) {
      const field = valueOf(box.closest("[data-input]"));
      const type = box.checked ? "time" : "datetime-local";
      if (field.type !== type) Object.assign(field, { type, value: "" });
    }
    for (const choice of form.querySelectorAll("[data-variant]"))
      for (const one of choice.closest("[data-input]").querySelectorAll(":scope > [data-of-variant]")) one.hidden = one.dataset.ofVariant !== choice.value;
    for (const picker of form.querySelectorAll("[data-picker]")) {
      const picked = pickedIn(picker.closest("[data-input]"));
      for (const one of picker.querySelectorAll("[data-pick]")) one.setAttribute("aria-pressed", String(picked.has(one.dataset.pick)));
    }
    const screen = document.getElementById("text-preview");
    if (screen) screen.textContent = form.querySelector('[data-input="text"] [data-value]')?.value ?? "";
  }

  function holds(conditions, fields) {
    return conditions.split(" ").every((condition) => {
      const [name, what, wanted] = condition.split(":");
      const input = inputsOf(fields).find((one) => one.dataset.input === name);
      if (!input || input.hidden) return false;
      const value = readInput(input, name, { faults: [], places: new Map() }) ?? 0;
      if (what === "bit") return Math.floor(value / 2 ** Number(wanted)) % 2 === 1;
      return wanted.split(",").map(Number).includes(value);
    });
  }

  function count(input, box) {
    const field = valueOf(input);
    const most = field.dataset.size ?? field.dataset.bytesMax;
    const used = "hex" in field.dataset ? Math.ceil(field.value.replace(/[\s:,-]+/g, "").length / 2) : measure(field.value).bytes;
    box.textContent = most ? t("commands_bytes", { used, n: most }) : used ? t("commands_bytes_only", { used }) : "";
    const fault = "hex" in field.dataset ? "" : textFault(field.value, field);
    say(input, fault);
  }

  function say(input, what) {
    const own = [...input.querySelectorAll(".refusal")].find((one) => one.closest("[data-input]") === input);
    if (own && own.textContent !== what) own.textContent = what;
    const field = valueOf(input);
    if (!field) return;
    if (what) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }

  function clear() {
    for (const input of form.querySelectorAll("[data-input]")) say(input, "");
    form.querySelector(".refusal.whole").textContent = "";
  }

  function refuse(faults) {
    faults.forEach(([input, what]) => say(input, what));
    const [first] = faults[0];
    (valueOf(first) ?? first.querySelector("input, select, textarea, button"))?.focus();
  }

  form.addEventListener("input", () => {
    look();
    previewSoon();
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-file]")) void takeFile(event.target);
    else {
      look();
      previewSoon();
    }
  });
  form.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add]");
    const remove = event.target.closest("[data-remove]");
    if (add) addItem(add.closest("[data-input]"));
    if (remove) {
      const list = remove.closest("[data-input]");
      remove.closest("[data-item]").remove();
      list.querySelector(":scope > [data-add]")?.focus();
    }
    if (add || remove) {
      look();
      previewSoon();
    }
  });

  let made = 0;
  function addItem(list) {
    const item = list.querySelector(":scope > template").content.firstElementChild.cloneNode(true);
    made += 1;
    rename(item, `-n${made}`);
    list.querySelector("[data-items]").append(item);
    item.querySelector("input, select, textarea")?.focus();
  }

  // What is cloned keeps its ids apart, and that of templates inside it.
  function rename(root, tail) {
    for (const one of root.querySelectorAll("[id], [for], [aria-describedby], [aria-labelledby]")) {
      for (const name of ["id", "for", "aria-describedby", "aria-labelledby"]) {
        if (one.hasAttribute(name)) one.setAttribute(name, one.getAttribute(name).split(" ").map((id) => id + tail).join(" "));
      }
    }
    for (const inner of root.querySelectorAll("template")) rename(inner.content, tail);
  }

  // --- parameters ---------------------------------------------------------------------------------------------------

  const idText = (text) => `0x${Number(text).toString(16).toUpperCase().padStart(4, "0")}`;

  /** The ids of parameters that are chosen: rows of 0x8103, or the list of 0x8106. */
  function pickedIn(list) {
    if (list.dataset.of === "parameter") return new Set(itemsOf(list).map((item) => item.dataset.parameter));
    return new Set(valueOf(list).value.split(/[\s,，、;；]+/).filter((one) => /^(0x[0-9a-f]+|\d+)$/i.test(one)).map(idText));
  }

  async function pick(list, id) {
    const picked = pickedIn(list);
    if (list.dataset.of !== "parameter") {
      if (!picked.delete(id)) picked.add(id);
      valueOf(list).value = [...picked].join(", ");
    } else if (picked.has(id)) {
      itemsOf(list).find((item) => item.dataset.parameter === id).remove();
    } else {
      made += 1;
      const query = new URLSearchParams({ id, version: form.dataset.version, number: String(made) });
      const answer = await fetch(`/commands/parameter?${query}`, { headers: { Accept: "text/html", "HX-Request": "true" } });
      const text = await answer.text();
      if (!answer.ok) return void toast(Problem.from(answer.status, text));
      const holder = document.createElement("template");
      holder.innerHTML = text;
      list.querySelector("[data-items]").append(holder.content.firstElementChild);
    }
    look();
    previewSoon();
  }

  form.addEventListener("click", (event) => {
    const one = event.target.closest("[data-pick]");
    if (one) void pick(one.closest("[data-input]"), one.dataset.pick);
    if (event.target.closest("[data-pick-other]")) pickOther(event.target.closest("[data-picker]"));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !event.target.matches("[data-pick-id], [data-find]")) return;
    event.preventDefault();
    if (event.target.matches("[data-pick-id]")) return pickOther(event.target.closest("[data-picker]"));
    [...event.target.closest("[data-picker]").querySelectorAll("[data-pick]")].find((one) => one.offsetParent)?.click();
  });
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[data-find]")) return;
    const wanted = event.target.value.trim().toLowerCase();
    for (const section of event.target.closest("[data-picker]").querySelectorAll("section")) {
      const all = [...section.querySelectorAll("[data-pick]")];
      for (const one of all) one.hidden = Boolean(wanted) && !`${one.textContent} ${one.dataset.pick}`.toLowerCase().includes(wanted);
      section.hidden = all.every((one) => one.hidden);
    }
  });

  function pickOther(picker) {
    const field = picker.querySelector("[data-pick-id]");
    const number = Number(field.value.trim());
    const fits = field.value.trim() && Number.isInteger(number) && number >= 0 && number < 2 ** 32;
    field.setAttribute("aria-invalid", String(!fits));
    if (!fits) return field.focus();
    field.value = "";
    void pick(picker.closest("[data-input]"), idText(number));
  }

  async function takeFile(chooser) {
    const [file] = chooser.files;
    if (!file) return;
    const input = chooser.closest("[data-input]");
    const bytes = new Uint8Array(await file.arrayBuffer());
    valueOf(input).value = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    chooser.value = "";
    look();
    previewSoon();
  }

  // --- preview and sending ------------------------------------------------------------------------------------------

  const preview = document.getElementById("preview");
  const shown = document.getElementById("preview-shown");
  let waiting = 0;
  // What others may have to approve is asked of the server while it is filled in, seen or not.
  const approving = "approving" in form.dataset;
  function previewSoon() {
    if (!preview.open && !approving) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => void showPreview(), 350);
  }
  preview.addEventListener("toggle", previewSoon);

  async function showPreview() {
    const { values, faults } = read();
    if (faults.length) return void (shown.textContent = t("commands_preview_faults", { n: faults.length }));
    const body = JSON.stringify({ message: form.dataset.message, fields: values, version: Number(form.dataset.version) });
    const answer = await fetch("/commands/preview", { method: "POST", headers: { "Content-Type": "application/json", Accept: "text/html", "HX-Request": "true" }, body });
    const text = await answer.text();
    if (answer.ok) {
      shown.innerHTML = text;
      if (approving) showApproving(Number(shown.querySelector("[data-approvals]")?.dataset.approvals ?? 0) > 0);
    } else shown.textContent = Problem.from(answer.status, text).sentence;
  }

  const send = form.querySelector("[type=submit] span");
  const sendText = send.textContent;
  function showApproving(needed) {
    document.getElementById("approving").hidden = !needed;
    send.textContent = needed ? form.dataset.ask : sendText;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clear();
    const found = read();
    if (found.faults.length) return refuse(found.faults);
    const button = form.querySelector("[type=submit]");
    button.setAttribute("aria-busy", "true");
    try {
      const expires_s = Number(document.getElementById("expires").value);
      await api("POST", form.dataset.path, { message: form.dataset.message, fields: found.values, expires_s });
      toast({ kind: "good", title: t("commands_sent"), brief: true });
      htmx.trigger(document.getElementById("history"), "refresh");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const [place, what] = placed(problem, found.places);
      if (place) refuse([[place, what]]);
      else form.querySelector(".refusal.whole").textContent = problem.sentence;
    } finally {
      button.removeAttribute("aria-busy");
    }
  });

  /** Return the input that a refusal speaks of (`circles[0].radius_m: …`), and what it says. */
  function placed(problem, places) {
    const [, path = "", what = ""] = problem.detail.match(/^([\w.[\]]+): (.*)$/s) ?? [];
    for (let way = problem.field || path; way; way = way.replace(/(\.|\[)[^.[]*$/, "")) {
      if (places.has(way)) return [places.get(way), path ? what : problem.detail];
      if (!/[.[]/.test(way)) break;
    }
    return [null, ""];
  }

  look();
  previewSoon();
}

// The list of messages: what is typed leaves those whose words hold it; arrows walk, Enter opens.
function search(field) {
  if (!field) return;
  const list = document.getElementById("message-list");
  const links = () => [...list.querySelectorAll("a")].filter((one) => one.offsetParent);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const link of list.querySelectorAll("a")) link.parentElement.hidden = Boolean(wanted) && !link.dataset.words.includes(wanted);
    for (const group of list.querySelectorAll("section")) {
      // What is common stands in its own group too: it is found once.
      group.hidden = !group.querySelector("li:not([hidden])") || (Boolean(wanted) && group.dataset.group === "common");
    }
    document.getElementById("message-none").hidden = links().length > 0;
  });
  const walk = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && event.target === field) {
      event.preventDefault();
      links()[0]?.click();
    }
    if (!step) return;
    event.preventDefault();
    const all = links();
    const next = all.indexOf(document.activeElement) + step;
    (next < 0 ? field : all[Math.min(next, all.length - 1)])?.focus();
  };
  field.addEventListener("keydown", walk);
  list.addEventListener("keydown", walk);
  const narrow = matchMedia("(max-width: 1199px)");
  const fold = () => (document.getElementById("messages").open = !narrow.matches);
  narrow.addEventListener("change", fold);
  fold();
}

// What was sent renews itself every few seconds: what a reader has opened or closed stays so.
function keepOpen() {
  let states = new Map();
  document.addEventListener("htmx:before:swap", () => {
    states = new Map([...document.querySelectorAll("#history details[id]")].map((one) => [one.id, one.open]));
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const [id, open] of states) {
      const one = document.getElementById(id);
      if (one) one.open = open;
    }
  });
}

function lightFields() {
  const light = (event, on) => {
    const field = event.target.closest?.("#preview-shown [data-field]");
    if (!field) return;
    for (const one of document.querySelectorAll(`#preview-shown [data-field="${field.dataset.field}"]`)) one.classList.toggle("lit", on);
  };
  document.addEventListener("pointerover", (event) => light(event, true));
  document.addEventListener("pointerout", (event) => light(event, false));
}
