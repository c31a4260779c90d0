// The coordinates of a shape as a table one can type in: drawing without a pointer.

import { t } from "../Texts.js";

const SHOWN_MAX = 500;

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
      const [ring, index] = button.dataset.take.split(" ").map(Number);
      const rings = this.shape.rings.map((one) => [...one]);
      rings[ring].splice(index, 1);
      this.changed({ ...this.shape, rings: rings.filter((one, k) => k === 0 || one.length >= 3) });
    });
  }

  show(shape) {
    this.shape = shape;
    // What is being typed stays as it is, half a corner too.
    if (this.typing || (this.box.contains(document.activeElement) && document.activeElement.matches("input"))) return;
    if (!this.box.closest("details").open && this.box.childElementCount === 0 && !shape) return;
    const rows = [];
    if (shape?.kind === "circle") rows.push(this.row(t("geofences_centre"), shape.centre, ""));
    else
      (shape?.rings ?? [[]]).slice(0, 50).forEach((ring, r) => {
        const head = document.createElement("h4");
        head.textContent = r ? t("geofences_hole", { n: r }) : t("geofences_outline");
        rows.push(head);
        ring.slice(0, SHOWN_MAX).forEach((point, k) => rows.push(this.row(t("geofences_corner", { n: k + 1 }), point, `${r} ${k}`)));
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

  /** One more empty row at the outline's end. */
  add() {
    if (this.shape?.kind === "circle") return;
    const count = this.box.querySelectorAll('[data-at^="0 "]').length;
    const row = this.row(t("geofences_corner", { n: count + 1 }), [null, null], `0 ${count}`);
    const holes = this.box.querySelectorAll("h4")[1];
    if (holes) holes.before(row);
    else this.box.append(row);
    row.querySelector("input").focus();
  }

  read() {
    const points = (selector) => [...this.box.querySelectorAll(selector)].map((row) => [...row.querySelectorAll("input")].map((input) => (input.value.trim() === "" ? NaN : Number(input.value.replace(",", ".")))));
    for (const input of this.box.querySelectorAll("input")) input.toggleAttribute("aria-invalid", input.value.trim() !== "" && Number.isNaN(Number(input.value.replace(",", "."))));
    const whole = ([lon, lat]) => Math.abs(lon) <= 180 && Math.abs(lat) <= 90;
    if (this.shape?.kind === "circle") {
      const [centre] = points(".corner-row");
      if (whole(centre)) this.changed({ ...this.shape, centre });
      return;
    }
    const rings = (this.shape?.rings ?? [[]]).map((ring, r) => {
      const typed = points(`[data-at^="${r} "]`);
      // Rows past what is shown are as they were.
      return [...typed.filter(whole), ...ring.slice(Math.max(typed.length, SHOWN_MAX))];
    });
    this.changed({ kind: "polygon", rings });
  }
}
