// The list of fences: read page by page as one scrolls, filtered by the server; a few pages at most are by name.

import { askApi } from "../Api.js";
import { language } from "../Texts.js";
import { Rows } from "./Rows.js";

const PAGE = 500;
const AHEAD_ROWS = 100;

export class List {
  /**
   * @param box the element that scrolls
   * @param make (feature) => the element of its row
   * @param told () => called when what is listed has changed
   */
  constructor(box, height, make, told) {
    Object.assign(this, { told, items: [], next: null, reading: null, query: "" });
    this.rows = new Rows(box, height, make, (last) => last + AHEAD_ROWS > this.items.length && this.more());
  }

  /** Read anew with these filters. */
  async begin(filters) {
    this.query = filters.toString();
    const items = await this.page(0);
    if (!items) return;
    this.items = items;
    this.sort();
    this.rows.box.scrollTop = 0;
    this.show();
  }

  get whole() {
    return this.next === null;
  }

  async page(after) {
    const query = new URLSearchParams(this.query);
    query.set("limit", PAGE);
    query.set("after", after);
    const asked = this.query;
    const answer = await askApi(`/api/v1/geofences?${query}`);
    if (asked !== this.query) return null;
    this.next = answer.next;
    return answer.features;
  }

  async more() {
    if (this.reading || this.next === null) return;
    this.reading = this.page(this.next);
    const items = await this.reading;
    this.reading = null;
    if (!items) return;
    this.items.push(...items);
    this.show();
  }

  sort() {
    // By name where all of them are here; of more the order is that in which they were drawn.
    if (!this.whole) return;
    const order = new Intl.Collator(language, { numeric: true });
    this.items.sort((a, b) => order.compare(a.properties.name, b.properties.name) || a.id - b.id);
  }

  /** A fence as it has just been saved. */
  put(feature) {
    const at = this.items.findIndex((one) => one.id === feature.id);
    if (at >= 0) this.items[at] = feature;
    else this.items.push(feature);
    this.sort();
    this.show();
  }

  drop(id) {
    this.items = this.items.filter((one) => one.id !== id);
    this.show();
  }

  find(id) {
    return this.items.find((one) => one.id === id) ?? null;
  }

  show() {
    this.rows.show(this.items);
    this.told();
  }
}
