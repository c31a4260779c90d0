// Windows of the week as a list one adds to: days to press, from and to. Each is asked for by itself.

import { icon } from "../Icons.js";
import { t } from "../Texts.js";
import { dayName } from "./Week.js";

export class Windows {
  /** Fills `box`; `changed()` after each change by hand. */
  constructor(box, changed) {
    Object.assign(this, { box, changed });
    box.addEventListener("click", (event) => {
      const day = event.target.closest("[data-day]");
      const take = event.target.closest("[data-take]");
      if (day) day.setAttribute("aria-pressed", String(day.getAttribute("aria-pressed") !== "true"));
      else if (take) {
        const next = take.closest(".window").nextElementSibling ?? take.closest(".window").previousElementSibling;
        take.closest(".window").remove();
        this.number();
        next?.querySelector("button")?.focus();
      } else return;
      this.changed();
    });
    box.addEventListener("input", () => this.changed());
  }

  set(windows) {
    this.box.replaceChildren(...windows.map((one) => this.row(one)));
    this.number();
  }

  add() {
    const row = this.row({ days: [1, 2, 3, 4, 5], from: "08:00", to: "18:00" });
    this.box.append(row);
    this.number();
    row.querySelector("button").focus();
    this.changed();
  }

  row({ days, from, to }) {
    const row = document.createElement("div");
    row.className = "window";
    row.setAttribute("role", "group");
    const dayButtons = document.createElement("div");
    dayButtons.className = "window-days";
    for (const day of [1, 2, 3, 4, 5, 6, 7]) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.day = day;
      button.textContent = dayName(day, "narrow");
      button.setAttribute("aria-label", dayName(day, "long"));
      button.setAttribute("aria-pressed", String(days.includes(day)));
      dayButtons.append(button);
    }
    const time = (value, name) => {
      const input = document.createElement("input");
      // A field of type time knows no 24:00, and every browser shows it differently.
      input.type = "text";
      input.inputMode = "numeric";
      input.maxLength = 5;
      input.pattern = "([01]?[0-9]|2[0-3]):[0-5][0-9]|24:00";
      input.value = value;
      input.setAttribute("aria-label", name);
      return input;
    };
    const take = document.createElement("button");
    take.type = "button";
    take.className = "button plain small icon-only";
    take.dataset.take = "";
    take.setAttribute("aria-label", t("geofences_window_remove"));
    take.append(icon("close"));
    const dash = document.createElement("span");
    dash.textContent = "–";
    const times = document.createElement("div");
    times.className = "window-times";
    times.append(time(from, t("geofences_window_from")), dash, time(to, t("geofences_window_to")), take);
    row.append(dayButtons, times);
    return row;
  }

  number() {
    [...this.box.children].forEach((row, k) => row.setAttribute("aria-label", t("geofences_window_n", { n: k + 1 })));
  }

  get windows() {
    return [...this.box.children].map((row) => {
      const [from, to] = [...row.querySelectorAll("input")].map((input) => input.value.trim().replace("：", ":").padStart(5, "0"));
      return { days: [...row.querySelectorAll('[data-day][aria-pressed="true"]')].map((one) => Number(one.dataset.day)), from, to };
    });
  }

  /** Show which windows are wrong, by their numbers from 0. */
  mark(numbers) {
    [...this.box.children].forEach((row, k) => row.toggleAttribute("data-wrong", numbers.includes(k)));
  }
}
