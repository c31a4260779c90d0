// A week as a grid of days and hours that one paints with pointer or keys, and the same as text.

import { t } from "../Texts.js";
import { DAY_MIN, WEEK_MIN, clock, dayName, minutesOf, readText, windowsOf, windowsText } from "./Week.js";

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Fills `box`, which has a [data-week=grid] and a textarea; `changed()` after each change by hand. */
export class WeekGrid {
  constructor(box, changed) {
    Object.assign(this, { box, changed, minutes: new Uint8Array(WEEK_MIN), at: [0, 8], painting: null });
    this.grid = box.querySelector("[data-week=grid]");
    this.text = box.querySelector("textarea");
    this.refusal = box.querySelector("[data-week=refusal]");
    this.build();
    this.grid.addEventListener("pointerdown", (event) => this.press(event));
    this.grid.addEventListener("pointermove", (event) => this.paint(event));
    window.addEventListener("pointerup", () => this.release());
    window.addEventListener("pointercancel", () => this.release());
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.text.addEventListener("input", (event) => {
      event.stopPropagation();
      this.read();
    });
    this.text.addEventListener("change", () => !this.wrong && this.showText());
    box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-week-set]");
      if (button) this.take(button.dataset.weekSet);
    });
  }

  build() {
    const cell = (role, className, text = "") => {
      const element = document.createElement("span");
      element.setAttribute("role", role);
      element.className = className;
      element.textContent = text;
      return element;
    };
    const head = cell("row", "week-row");
    head.append(cell("columnheader", "week-day"));
    for (let hour = 0; hour < 24; hour++) {
      const name = cell("columnheader", "week-hour", hour % 3 ? "" : String(hour));
      name.setAttribute("aria-label", clock(hour * 60));
      head.append(name);
    }
    this.cells = [];
    const rows = [1, 2, 3, 4, 5, 6, 7].map((day) => {
      const row = cell("row", "week-row");
      const name = cell("rowheader", "week-day", dayName(day));
      name.dataset.day = day - 1;
      row.append(name);
      this.cells.push(
        Array.from({ length: 24 }, (_, hour) => {
          const one = cell("gridcell", "week-cell");
          one.dataset.at = `${day - 1} ${hour}`;
          one.tabIndex = -1;
          row.append(one);
          return one;
        }),
      );
      return row;
    });
    this.grid.replaceChildren(head, ...rows);
    this.focusable();
  }

  get windows() {
    return this.minutes.every((one) => one) ? [] : windowsOf(this.minutes);
  }

  get isEmpty() {
    return !this.minutes.some((one) => one);
  }

  set(windows) {
    this.minutes = minutesOf(windows);
    this.show();
    this.showText();
  }

  covered(day, hour) {
    let sum = 0;
    const first = day * DAY_MIN + hour * 60;
    for (let k = 0; k < 60; k++) sum += this.minutes[first + k];
    return sum;
  }

  fill(day, hour, on) {
    this.minutes.fill(on ? 1 : 0, day * DAY_MIN + hour * 60, day * DAY_MIN + hour * 60 + 60);
  }

  show() {
    this.cells.forEach((row, day) =>
      row.forEach((cell, hour) => {
        const minutes = this.covered(day, hour);
        const said = minutes === 60 ? t("geofences_week_in") : minutes ? t("geofences_week_part", { n: minutes }) : t("geofences_week_out");
        cell.dataset.on = minutes === 60 ? "all" : minutes ? "part" : "";
        cell.setAttribute("aria-selected", String(minutes === 60));
        cell.setAttribute("aria-label", `${dayName(day + 1, "long")} ${clock(hour * 60)}–${clock(hour * 60 + 60)}: ${said}`);
        // Part of an hour is shown as that part of its cell.
        if (minutes > 0 && minutes < 60) this.partial(cell, day, hour);
        else cell.style.backgroundImage = "";
      }),
    );
  }

  partial(cell, day, hour) {
    const first = day * DAY_MIN + hour * 60;
    const stops = [];
    for (let k = 0; k < 60; k++) {
      const on = this.minutes[first + k];
      if (k === 0 || on !== this.minutes[first + k - 1]) stops.push([on, k]);
    }
    const colours = stops.map(([on, k], i) => `${on ? "var(--accent)" : "transparent"} ${(k / 60) * 100}% ${(((stops[i + 1]?.[1] ?? 60) / 60) * 100)}%`);
    cell.style.backgroundImage = `linear-gradient(90deg, ${colours.join(", ")})`;
  }

  showText() {
    this.wrong = 0;
    this.text.removeAttribute("aria-invalid");
    this.refusal.textContent = "";
    this.text.value = windowsText(windowsOf(this.minutes)).join("\n");
  }

  read() {
    const { windows, wrong } = readText(this.text.value);
    this.wrong = wrong;
    this.text.toggleAttribute("aria-invalid", wrong > 0);
    this.refusal.textContent = wrong ? t("geofences_week_wrong", { n: wrong }) : "";
    if (wrong) return;
    this.minutes = minutesOf(windows);
    this.show();
    this.changed();
  }

  take(name) {
    const sets = {
      work: [{ days: [1, 2, 3, 4, 5], from: "08:00", to: "18:00" }],
      shop: [{ days: [1, 2, 3, 4, 5, 6, 7], from: "09:00", to: "20:00" }],
      night: [{ days: [1, 2, 3, 4, 5, 6, 7], from: "22:00", to: "06:00" }],
      none: [],
    };
    if (name === "turn") this.minutes = this.minutes.map((one) => 1 - one);
    else this.minutes = minutesOf(sets[name]);
    this.show();
    this.showText();
    this.changed();
  }

  // --- pointer --------------------------------------------------------------------------------------------------------

  cellAt(event) {
    const cell = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-at]");
    return cell && this.grid.contains(cell) ? cell.dataset.at.split(" ").map(Number) : null;
  }

  press(event) {
    if (event.button) return;
    const day = event.target.closest("[data-day]");
    if (day) {
      const row = Number(day.dataset.day);
      const on = this.cells[row].some((_, hour) => this.covered(row, hour) < 60);
      for (let hour = 0; hour < 24; hour++) this.fill(row, hour, on);
      this.done();
      return;
    }
    const at = this.cellAt(event);
    if (!at) return;
    event.preventDefault();
    if (event.target.hasPointerCapture?.(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
    this.painting = { from: at, on: this.covered(...at) < 60, before: this.minutes.slice() };
    this.move(at);
    this.paint(event);
  }

  paint(event) {
    if (!this.painting) return;
    const at = this.cellAt(event);
    if (at) this.rectangle(at);
  }

  /** All cells between where painting began and here, what was painted before undone. */
  rectangle([day, hour]) {
    const { from, on, before } = this.painting;
    this.minutes = before.slice();
    for (let d = Math.min(day, from[0]); d <= Math.max(day, from[0]); d++) for (let h = Math.min(hour, from[1]); h <= Math.max(hour, from[1]); h++) this.fill(d, h, on);
    this.show();
  }

  release() {
    if (!this.painting) return;
    this.painting = null;
    this.done();
  }

  done() {
    this.show();
    this.showText();
    this.changed();
  }

  // --- keys -----------------------------------------------------------------------------------------------------------

  focusable() {
    for (const row of this.cells) for (const cell of row) cell.tabIndex = -1;
    this.cells[this.at[0]][this.at[1]].tabIndex = 0;
  }

  move([day, hour]) {
    this.at = [Math.min(6, Math.max(0, day)), Math.min(23, Math.max(0, hour))];
    this.focusable();
    this.cells[this.at[0]][this.at[1]].focus({ preventScroll: true });
  }

  key(event) {
    const arrow = ARROWS[event.key];
    const [day, hour] = this.at;
    if (arrow) {
      const to = [day + arrow[0], hour + arrow[1]];
      // With Shift the arrows carry on what stands here.
      const on = this.covered(day, hour) === 60;
      this.move(to);
      if (event.shiftKey) {
        this.fill(...this.at, on);
        this.done();
      }
    } else if (event.key === "Home") this.move([day, 0]);
    else if (event.key === "End") this.move([day, 23]);
    else if (event.key === " " || event.key === "Enter") {
      this.fill(day, hour, this.covered(day, hour) < 60);
      this.done();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
