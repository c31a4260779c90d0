// The cars beside the map as a list of any length: only the rows in sight exist, and they are used again and again.

import { t } from "../Texts.js";
import { STATES } from "./Cars.js";

const ROW_PX = 44;
const ALARM = STATES.indexOf("alarm");

export class CarList {
  constructor(box, many, { cars, names, shown, chosen, choose, number }) {
    Object.assign(this, { box, many, cars, names, shown, chosen, choose, number });
    this.slots = new Uint32Array(1024);
    this.length = 0;
    this.rows = [];
    this.active = 0;
    this.inner = box.querySelector(".rows");
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    box.addEventListener("click", (event) => {
      const row = event.target.closest(".car-row");
      if (row) this.choose(Number(row.dataset.id));
    });
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.paint()).observe(box);
    this.order = [];
  }

  /** Names have changed: their order has too. */
  reorder() {
    this.order = this.names.order;
  }

  /** Filter all cars anew: those in need first, then by plate. */
  refresh() {
    const { cars, shown } = this;
    if (this.slots.length < cars.count) this.slots = new Uint32Array(cars.capacity);
    let length = 0;
    const take = (slot) => (this.slots[length++] = slot);
    if (cars.counts[ALARM]) for (let slot = 0; slot < cars.count; slot++) if (cars.id[slot] && cars.state[slot] === ALARM && shown(slot)) take(slot);
    if (this.order.length)
      for (const id of this.order) {
        const slot = cars.slots.get(id);
        if (slot !== undefined && cars.state[slot] !== ALARM && shown(slot)) take(slot);
      }
    else for (let slot = 0; slot < cars.count; slot++) if (cars.id[slot] && cars.state[slot] !== ALARM && shown(slot)) take(slot);
    this.length = length;
    const said = t("map_many", { shown: this.number.format(length), all: this.number.format(cars.present) });
    if (this.many.textContent !== said) this.many.textContent = said;
    this.paint();
  }

  paint() {
    const { box, cars } = this;
    const height = box.clientHeight;
    if (!height) return;
    const whole = `${this.length * ROW_PX}px`;
    if (this.inner.style.height !== whole) this.inner.style.height = whole;
    const first = Math.max(0, Math.floor(box.scrollTop / ROW_PX) - 2);
    const last = Math.min(this.length, first + Math.ceil(height / ROW_PX) + 4);
    while (this.rows.length < last - first) this.rows.push(this.make());
    const chosen = this.chosen();
    for (const [at, row] of this.rows.entries()) {
      const index = first + at;
      const there = index < last;
      if (row.hidden === there) row.hidden = !there;
      if (!there) {
        // A row out of use must not keep the name of a car that another row now shows.
        row.removeAttribute("id");
        delete row.seen.id;
        continue;
      }
      const slot = this.slots[index];
      const id = cars.id[slot];
      put(row, "index", index, () => {
        row.style.transform = `translateY(${index * ROW_PX}px)`;
        row.setAttribute("aria-posinset", String(index + 1));
      });
      put(row, "id", id, () => (row.id = `car-row-${id}`));
      const state = STATES[cars.state[slot]];
      put(row, "state", state, () => (row.querySelector(".said").textContent = t(`state_${state}`)));
      write(row.children[1], this.names.plateOf(id) || t("map_car", { id }));
      write(row.children[2], this.names.storeName(this.names.storeOf(id)));
      write(row.children[3], state === "driving" || state === "alarm" ? t("map_speed", { speed: Math.round(cars.speed[slot] / 10) }) : t(`state_${state}`));
      put(row, "chosen", id === chosen, () => row.setAttribute("aria-selected", String(id === chosen)));
      put(row, "active", index === this.active, () => row.classList.toggle("active", index === this.active));
    }
    box.setAttribute("aria-activedescendant", this.length ? `car-row-${cars.id[this.slots[Math.min(this.active, this.length - 1)]]}` : "");
    this.inner.nextElementSibling.hidden = this.length > 0;
  }

  make() {
    const row = document.createElement("div");
    row.className = "car-row";
    row.setAttribute("role", "option");
    row.innerHTML = '<i class="sign" aria-hidden="true"></i><b translate="no"></b><small></small><em></em><span class="hush said"></span>';
    this.inner.append(row);
    row.seen = {};
    return row;
  }

  first() {
    return this.length ? this.slots[0] : -1;
  }

  focus() {
    this.box.focus();
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8, Home: -1e9, End: 1e9 }[event.key];
    if (step) {
      event.preventDefault();
      this.active = Math.max(0, Math.min(this.length - 1, this.active + step));
      const top = this.active * ROW_PX;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (top + ROW_PX > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW_PX - this.box.clientHeight;
      this.paint();
    } else if (event.key === "Enter" && this.length) {
      this.choose(this.cars.id[this.slots[this.active]]);
    }
  }
}

function put(row, name, value, apply) {
  if (row.seen[name] === value) return;
  row.seen[name] = value;
  row.dataset[name] = String(value);
  apply();
}
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
