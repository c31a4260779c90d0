// The coordinates of a shape as a table one can type in: drawing without a pointer.

import { t } from "../Texts.js";
import { pathsOf } from "./Shapes.js";

const SHOWN_MAX = 500;
const PATHS_SHOWN_MAX = 50;

/** Shows a shape in `box`; `changed(shape)` is called when somebody typed another one. */
export class Corners {
  constructor(box, changed) {
    Object.assign(this, { box, changed, shape: null, typing: false });
    box.addEventListener("change", () => {
      this.typing = true;
      this.read();
      this.typing = false;
    });
    box.addEventListener("click", (event) => {
      const button = event.target.closest("[data-take]");
      if (!button) return;
      const [path, index] = button.dataset.take.split(" ").map(Number);
      const paths = pathsOf(this.shape).map((one) => [...one]);
      paths[path].splice(index, 1);
      this.changed(this.withPaths(paths));
    });
  }

  show(shape) {
    this.shape = shape;
    // What is being typed stays as it is, half a corner too.
    if (this.typing || (this.box.contains(document.activeElement) && document.activeElement.matches("input"))) return;
    // While it is folded up nobody reads it.
    if (!this.box.closest("details").open) return;
    this.fill();
  }

  fill() {
    const { shape } = this;
    const rows = [];
    if (shape?.kind === "circle") rows.push(this.row(t("geofences_centre"), shape.centre, ""));
    else
      (shape ? pathsOf(shape) : [[]]).slice(0, PATHS_SHOWN_MAX).forEach((path, p) => {
        const head = document.createElement("h4");
        head.textContent = shape?.kind === "corridor" ? t("geofences_line") : p ? t("geofences_hole", { n: p }) : t("geofences_outline");
        rows.push(head);
        path.slice(0, SHOWN_MAX).forEach((point, k) => rows.push(this.row(t("geofences_corner", { n: k + 1 }), point, `${p} ${k}`)));
      });
    this.box.replaceChildren(...rows);
  }

  row(name, [lon, lat], take) {
    const row = document.createElement("div");
    row.className = "corner-row";
    if (take) row.dataset.at = take;
    const label = document.createElement("span");
    label.textContent = name;
    row.append(label);
    for (const [key, value] of [["geofences_longitude", lon], ["geofences_latitude", lat]]) {
      const input = document.createElement("input");
      input.type = "text";
      input.inputMode = "decimal";
      input.value = value === null ? "" : String(Number(value.toFixed(7)));
      input.placeholder = key === "geofences_longitude" ? t("geofences_longitude") : t("geofences_latitude");
      input.setAttribute("aria-label", `${name}: ${input.placeholder}`);
      row.append(input);
    }
    if (take) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button plain small icon-only";
      button.dataset.take = take;
      button.textContent = "×";
      button.setAttribute("aria-label", `${t("geofences_corner_remove")}: ${name}`);
      row.append(button);
    }
    return row;
  }

  /** One more empty row at the first path's end. */
  add() {
    if (this.shape?.kind === "circle") return;
    const count = this.box.querySelectorAll('[data-at^="0 "]').length;
    const row = this.row(t("geofences_corner", { n: count + 1 }), [null, null], `0 ${count}`);
    const holes = this.box.querySelectorAll("h4")[1];
    if (holes) holes.before(row);
    else this.box.append(row);
    row.querySelector("input").focus();
  }

  withPaths(paths) {
    if (this.shape?.kind === "corridor") return { ...this.shape, line: paths[0] };
    return { kind: "polygon", rings: paths.filter((ring, k) => k === 0 || ring.length >= 3) };
  }

  read() {
    const number = (input) => Number(input.value.trim().replace(",", "."));
    const points = (selector) => [...this.box.querySelectorAll(selector)].map((row) => [...row.querySelectorAll("input")].map((input) => (input.value.trim() === "" ? NaN : number(input))));
    for (const input of this.box.querySelectorAll("input")) input.toggleAttribute("aria-invalid", input.value.trim() !== "" && Number.isNaN(number(input)));
    const whole = ([lon, lat]) => Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
    if (this.shape?.kind === "circle") {
      const [centre] = points(".corner-row");
      if (whole(centre)) this.changed({ ...this.shape, centre });
      return;
    }
    const paths = (this.shape ? pathsOf(this.shape) : [[]]).map((path, p) => {
      // What is not shown is as it was: paths and rows past the bounds.
      if (p >= PATHS_SHOWN_MAX) return path;
      const typed = points(`[data-at^="${p} "]`);
      return [...typed.filter(whole), ...path.slice(Math.max(typed.length, SHOWN_MAX))];
    });
    this.changed(this.withPaths(paths));
  }
}
