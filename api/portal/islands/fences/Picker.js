// Choosing cars: search, a pasted list, those chosen, and those of other stores, whom the fence cannot judge.

import { Problem, askApi } from "../Api.js";
import { t } from "../Texts.js";

const FOUND = 12;
const SHOWN_MAX = 200;
const ASKED_ALONE_MAX = 50;
const SAID_MAX = 8;

/** 粤B·12345 and 粤b12345 are one plate. */
const plain = (text) => text.toLocaleUpperCase().replace(/[\s·.\-—]/g, "");

export class Picker {
  constructor(box, about, changed) {
    Object.assign(this, { box, about, changed, of: 0, chosen: new Map(), found: [], active: -1, names: null });
    this.part = (name) => box.querySelector(`[data-part="${name}"]`);
    this.input = box.querySelector("input");
    this.list = this.part("found");
    this.list_chosen = this.part("chosen");
    let timer = 0;
    this.input.addEventListener("input", (event) => {
      event.stopPropagation();
      clearTimeout(timer);
      timer = setTimeout(() => this.search(), 200);
    });
    this.input.addEventListener("focus", () => this.search());
    this.input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.part("paste-do").addEventListener("click", () => this.paste());
    box.querySelector("textarea").addEventListener("input", (event) => event.stopPropagation());
  }

  /** Those that the fence can be for, by id. */
  get ids() {
    return [...this.chosen.keys()].filter((id) => !this.isElsewhere(id)).sort((a, b) => a - b);
  }

  get store() {
    return this.of;
  }

  set store(store) {
    this.of = store;
    this.show();
  }

  set(ids, store) {
    this.of = store;
    this.chosen = new Map(ids.map((id) => [id, { plate: "", store: null }]));
    this.part("pasted").textContent = "";
    this.box.querySelector("textarea").value = "";
    this.show();
    if (ids.length) void this.nameChosen();
  }

  isElsewhere(id) {
    const store = this.chosen.get(id)?.store ?? null;
    return this.of !== 0 && store !== null && store !== this.of;
  }

  /** Plates and stores of all cars that this reader sees: in columns, asked for once. */
  async known() {
    if (!this.names) {
      const { vehicles, plates, stores } = await askApi("/api/v1/live/names");
      this.names = { byId: new Map(vehicles.map((id, k) => [id, { plate: plates[k], store: stores[k] }])), byPlate: new Map(vehicles.map((id, k) => [plain(plates[k]), id])) };
    }
    return this.names;
  }

  // Plates of those that came by number only.
  async nameChosen() {
    try {
      const { byId } = await this.known();
      for (const id of this.chosen.keys()) if (byId.has(id)) this.chosen.set(id, byId.get(id));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
    this.show();
  }

  async search() {
    const query = this.input.value.trim();
    const store = this.of ? `&store=${this.of}` : "";
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
    this.chosen.set(car.vehicle_id, { plate: car.plate, store: car.store?.id ?? null });
    this.found = this.found.filter((one) => one !== car);
    this.input.value = "";
    this.changed();
    this.show();
    this.showFound();
  }

  /** Take over a pasted list: plates, VINs, phones or numbers, apart by lines, commas, semicolons or tabs. */
  async paste() {
    const box = this.box.querySelector("textarea");
    const wanted = [...new Set(box.value.split(/[\n,，;；、\t]+/).map((one) => one.trim()).filter(Boolean))];
    const button = this.part("paste-do");
    if (!wanted.length) return box.focus();
    button.setAttribute("aria-busy", "true");
    const missing = [];
    let added = 0;
    let asked = 0;
    try {
      const { byPlate, byId } = await this.known();
      for (const text of wanted) {
        let id = byPlate.get(plain(text));
        let car = byId.get(id);
        if (id === undefined && asked < ASKED_ALONE_MAX) {
          asked++;
          const { items } = await askApi(`/api/v1/vehicles?limit=2&search=${encodeURIComponent(text)}`);
          const exact = items.filter((one) => [one.vin, one.plate, ...one.phones].some((said) => plain(said) === plain(text)));
          if (exact.length === 1) [id, car] = [exact[0].vehicle_id, { plate: exact[0].plate, store: exact[0].store?.id ?? null }];
        }
        if (id === undefined) missing.push(text);
        else {
          if (!this.chosen.has(id)) added++;
          this.chosen.set(id, car);
        }
      }
      box.value = missing.join("\n");
      const said = [t("geofences_pasted", { n: added })];
      if (missing.length) said.push(t("geofences_pasted_not", { n: missing.length, what: missing.slice(0, SAID_MAX).join(", ") + (missing.length > SAID_MAX ? " …" : "") }));
      this.part("pasted").textContent = said.join(" ");
      this.changed();
      this.show();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.part("pasted").textContent = problem.sentence;
    } finally {
      button.removeAttribute("aria-busy");
    }
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
    // Those whom it is not for come first: they are what there is to decide.
    const ids = [...this.chosen.keys()].sort((a, b) => this.isElsewhere(b) - this.isElsewhere(a) || a - b);
    const elsewhere = ids.filter((id) => this.isElsewhere(id)).length;
    this.part("chosen-none").hidden = ids.length > elsewhere;
    this.part("chosen-left").hidden = !elsewhere;
    this.part("chosen-left").textContent = elsewhere ? t("geofences_chosen_left", { n: elsewhere }) : "";
    this.list_chosen.replaceChildren(
      ...ids.slice(0, SHOWN_MAX).map((id) => {
        const plate = this.chosen.get(id).plate || t("geofences_car", { id });
        const item = document.createElement("li");
        const name = document.createElement(this.isElsewhere(id) ? "s" : "span");
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
