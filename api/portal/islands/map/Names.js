// What cars and stores are called: asked for once, in columns, and again when a car comes that has no name yet.

import { askApi } from "../Api.js";

const PAUSE_MS = 15_000;

export class Names {
  constructor() {
    this.plates = new Map();
    this.stores = new Map();
    this.storeNames = [];
    this.order = []; // vehicle ids by plate
    this.changed = () => {};
    this.asked_ms = 0;
    this.allowed = true;
  }

  plateOf = (id) => this.plates.get(id) ?? "";
  storeOf = (id) => this.stores.get(id) ?? 0;
  storeName = (id) => this.storeNames.find(([number]) => number === id)?.[1] ?? "";

  /** See whether every car has a name, and ask if one has not: at most every 15 s. */
  want(cars) {
    if (!this.allowed || Date.now() - this.asked_ms < PAUSE_MS) return;
    if (this.asked_ms && cars.slots.size <= this.plates.size && this.all(cars)) return;
    this.asked_ms = Date.now();
    void this.ask();
  }

  all(cars) {
    for (const id of cars.slots.keys()) if (!this.plates.has(id)) return false;
    return true;
  }

  async ask() {
    let answer;
    try {
      answer = await askApi("/api/v1/live/names");
    } catch (problem) {
      this.allowed = problem.code !== "right_missing";
      return;
    }
    this.plates = new Map(answer.vehicles.map((id, at) => [id, answer.plates[at]]));
    this.stores = new Map(answer.vehicles.map((id, at) => [id, answer.stores[at]]));
    this.storeNames = answer.store_names.filter(({ store }) => answer.stores.includes(store)).map(({ store, name }) => [store, name]);
    const words = new Intl.Collator(document.documentElement.lang, { numeric: true });
    this.order = [...answer.vehicles].sort((a, b) => words.compare(this.plates.get(a), this.plates.get(b)) || a - b);
    this.changed();
  }

  /** Ids of cars whose plate or number has the text in it. */
  search(text, slots) {
    const wanted = text.toLocaleUpperCase().replace(/[\s·.-]/g, "");
    const found = new Set();
    for (const id of slots.keys()) {
      const plate = this.plateOf(id).toLocaleUpperCase().replace(/[\s·.-]/g, "");
      if (plate.includes(wanted) || String(id) === wanted) found.add(id);
    }
    return found;
  }
}
