// Calling /api/v1: JSON in, JSON out, and a Problem where it could not be done.

import { has, t } from "./Texts.js";

/** What the API could not do: a code that decides, words for people, and the field at fault if it is one. */
export class Problem extends Error {
  constructor(code, { title = "", detail = "", field = "", status = 0, reason = "", refusals = [] } = {}) {
    super(detail || title || code);
    Object.assign(this, { code, status, field, detail, reason, refusals, kind: "bad" });
    // A fault may say in one word which of several it is: password_weak, detail short; a refusal of the business says its
    // own code as the field, and in words the rest.
    const exact = [`problem_${code}_${detail}`, `problem_${code}_${field}`].find(has) ?? "";
    const known = exact ? exact : has(`problem_${code}`) ? `problem_${code}` : "";
    this.title = known ? t(known) : title || code;
    if (known === exact) this.detail = "";
  }

  static from(status, text) {
    try {
      const said = JSON.parse(text);
      return new Problem(said.code ?? "internal", { ...said, status });
    } catch {
      return new Problem(status === 401 ? "login_needed" : status === 403 ? "right_missing" : "internal", { status });
    }
  }

  /** One sentence for beside a field: what exactly is wrong, else what kind of fault it is. */
  get sentence() {
    return this.detail && this.detail !== this.title ? `${this.title}: ${this.detail}` : this.title;
  }
}

/** Ask and return what JSON there is (null for none); throws Problem. `options` goes to fetch (signal, headers). */
export async function api(method, path, body, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  const request = { method, credentials: "same-origin", ...options, headers };
  if (body !== undefined) {
    headers["Content-Type"] ??= "application/json";
    request.body = typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("unreachable");
  }
  const text = await answer.text();
  if (!answer.ok) {
    const problem = Problem.from(answer.status, text);
    if (problem.code === "login_needed" && !location.pathname.startsWith("/login")) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    }
    throw problem;
  }
  return text ? JSON.parse(text) : null;
}

/** api("GET", path). */
export const askApi = (path, options) => api("GET", path, undefined, options);

// How a field's text becomes JSON, by its data-type.
const READ = {
  int: (text) => (text === "" ? null : Number.parseInt(text, 10)),
  number: (text) => (text === "" ? null : Number(text)),
  ms: (text) => (text === "" ? null : Date.parse(text)),
  json: (text) => (text === "" ? null : JSON.parse(text)),
  text: (text) => text,
};

/** Return a form's fields as an object for JSON. Empty ones are left out unless they say data-keep. */
export function fieldsOf(form) {
  const fields = {};
  for (const element of form.elements) {
    const { name, type } = element;
    if (!name || element.disabled || ((type === "radio" || type === "submit") && !element.checked)) continue;
    const kind = element.dataset.type ?? "text";
    if (type === "checkbox") {
      if (kind === "list") (fields[name] ??= []).push(...(element.checked ? [READ[element.dataset.of ?? "text"](element.value)] : []));
      else fields[name] = element.checked;
      continue;
    }
    if (element.multiple && element.options) {
      fields[name] = [...element.selectedOptions].map((one) => READ[element.dataset.of ?? "text"](one.value));
      continue;
    }
    const value = READ[kind](element.value);
    if (value === null || (value === "" && !("keep" in element.dataset))) continue;
    fields[name] = value;
  }
  return fields;
}
