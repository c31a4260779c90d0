// Choosing cars: search, a list of what was found, and those chosen. A combobox that keys can use.

import { Problem, askApi } from "../Api.js";
import { t } from "../Texts.js";

const FOUND = 12;
const SHOWN_MAX = 200;

export class Picker {
  constructor(box, about, changed) {
    Object.assign(this, { box, about, changed, store: 0, chosen: new Map(), found: [], active: -1 });
    this.input = box.querySelector("input");
    this.list = box.querySelector('[data-part="found"]');
    this.list_chosen = box.querySelector('[data-part="chosen"]');
    this.none = box.querySelector('[data-part="chosen-none"]');
    let timer = 0;
    this.input.addEventListener("input", (event) => {
      event.stopPropagation();
      clearTimeout(timer);
      timer = setTimeout(() => this.search(), 200);
    });
    this.input.addEventListener("focus", () => this.search());
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  get ids() {
    return [...this.chosen.keys()].sort((a, b) => a - b);
  }

  set(ids, store) {
    this.store = store;
    this.chosen = new Map(ids.map((id) => [id, ""]));
    this.show();
    void this.nameChosen();
  }

  // Plates of those that came by number only.
  async nameChosen() {
    for (const id of this.ids.slice(0, SHOWN_MAX)) {
      try {
        const car = await askApi(`/api/v1/vehicles/${id}`);
        if (this.chosen.has(id)) this.chosen.set(id, car.plate ?? car.terminals?.[0]?.plate ?? "");
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
      }
    }
    this.show();
  }

  async search() {
    const query = this.input.value.trim();
    const store = this.store ? `&store=${this.store}` : "";
    try {
      const { items } = await askApi(`/api/v1/vehicles?limit=${FOUND}${store}&search=${encodeURIComponent(query)}`);
      this.found = items.filter((car) => !this.chosen.has(car.vehicle_id));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.found = [];
    }
    if (document.activeElement !== this.input) return;
    this.active = -1;
    this.showFound();
  }

  showFound() {
    const nothing = document.createElement("li");
    nothing.className = "note";
    nothing.textContent = t("geofences_car_none");
    this.list.replaceChildren(
      ...this.found.map((car, k) => {
        const item = document.createElement("li");
        item.id = `car-found-${k}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", String(k === this.active));
        const plate = document.createElement("span");
        plate.className = "plate";
        plate.textContent = car.plate || t("geofences_car", { id: car.vehicle_id });
        const more = document.createElement("small");
        more.textContent = [car.vin, car.phones?.[0]].filter(Boolean).join(" · ");
        item.append(plate, more);
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          this.choose(car);
        });
        return item;
      }),
      ...(this.found.length ? [] : [nothing]),
    );
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    if (this.active >= 0) this.input.setAttribute("aria-activedescendant", `car-found-${this.active}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  choose(car) {
    this.chosen.set(car.vehicle_id, car.plate);
    this.found = this.found.filter((one) => one !== car);
    this.input.value = "";
    this.changed();
    this.show();
    this.showFound();
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.found.length) {
      this.active = (this.active + step + this.found.length) % this.found.length;
      this.showFound();
      this.list.children[this.active].scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      if (this.active >= 0 || this.found.length === 1) this.choose(this.found[Math.max(0, this.active)]);
      this.active = -1;
    } else if (event.key === "Escape" && !this.list.hidden) this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  show() {
    const ids = this.ids;
    this.none.hidden = ids.length > 0;
    this.list_chosen.replaceChildren(
      ...ids.slice(0, SHOWN_MAX).map((id) => {
        const plate = this.chosen.get(id) || t("geofences_car", { id });
        const item = document.createElement("li");
        const name = document.createElement("span");
        name.textContent = plate;
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = "×";
        button.setAttribute("aria-label", t("geofences_car_remove", { plate }));
        button.addEventListener("click", () => {
          this.chosen.delete(id);
          this.changed();
          this.show();
        });
        item.append(name, button);
        return item;
      }),
      ...(ids.length > SHOWN_MAX ? [document.createTextNode(`… +${ids.length - SHOWN_MAX}`)] : []),
    );
  }
}
