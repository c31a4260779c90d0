// What needs somebody: crashes suspected and emergency buttons pressed, as the event log tells them, newest first.

import { askApi } from "../Api.js";
import { icon } from "../Icons.js";
import { t } from "../Texts.js";

const TYPES = ["sos.pressed", "crash.suspected", "theft.suspected", "theft.cleared"];
const SIGNS = { "sos.pressed": "sos", "crash.suspected": "crash", "theft.suspected": "lock" };
const SHOWN_MAX = 3;
/** What is older has been seen to, or is in the list of events. */
const FRESH_MS = 30 * 60e3;

export class Attention {
  constructor(box, { plate, clock, choose }) {
    Object.assign(this, { box, plate, clock, choose });
    this.items = [];
    this.seq = 0;
    void this.start();
    setInterval(() => this.paint(), 30_000);
  }

  async start() {
    try {
      const query = TYPES.map((type) => `type=${type}`).join("&");
      const recent = await askApi(`/api/v1/events?${query}&newest=true&limit=10`);
      for (const event of [...recent.items].reverse()) this.take(event);
    } catch {
      // Without the right to events there is nothing to attend to here; the cars still blink.
      return;
    }
    this.listen();
  }

  listen() {
    const query = [...TYPES.map((type) => `type=${type}`), `after=${this.seq}`].join("&");
    const stream = new EventSource(`/api/v1/events/stream?${query}`);
    const take = ({ data }) => this.take(JSON.parse(data));
    stream.onmessage = take;
    for (const type of TYPES) stream.addEventListener(type, take);
    stream.addEventListener("end", () => stream.close());
    // The browser comes back by itself, with Last-Event-ID; only a refusal ends it.
  }

  take(event) {
    this.seq = Math.max(this.seq, event.seq ?? 0);
    const id = Number(/^vehicle:(\d+)$/.exec(event.subject)?.[1]);
    if (event.type === "theft.cleared") {
      this.items = this.items.filter((item) => !(item.id === id && item.type === "theft.suspected"));
      this.paint();
      return;
    }
    if (!SIGNS[event.type] || !id || this.items.some((item) => item.seq === event.seq)) return;
    // One car in need is one line, however often it says so.
    this.items = this.items.filter((item) => !(item.id === id && item.type === event.type));
    this.items.unshift({ seq: event.seq, id, type: event.type, time_ms: event.time_ms });
    this.items.sort((a, b) => b.time_ms - a.time_ms);
    this.items.length = Math.min(this.items.length, 50);
    this.paint();
  }

  paint() {
    this.items = this.items.filter((item) => Date.now() - item.time_ms < FRESH_MS);
    this.box.hidden = !this.items.length;
    this.box.replaceChildren(...this.items.slice(0, SHOWN_MAX).map((item) => this.line(item)));
    if (this.items.length > SHOWN_MAX) {
      const more = document.createElement("a");
      more.className = "more";
      more.href = "/events";
      more.textContent = t("map_attention_more", { n: this.items.length - SHOWN_MAX });
      this.box.append(more);
    }
  }

  line(item) {
    const line = document.createElement("div");
    line.className = "need";
    const go = document.createElement("button");
    go.type = "button";
    go.dataset.vehicle = String(item.id);
    const text = document.createElement("span");
    const plate = document.createElement("b");
    plate.textContent = this.plate(item.id);
    plate.translate = false;
    text.append(plate, ` ${t(`need_${item.type.replace(".", "_")}`)}`);
    const time = document.createElement("time");
    time.textContent = this.clock(item.time_ms);
    go.append(icon(SIGNS[item.type]), text, time);
    go.addEventListener("click", () => this.choose(item.id));
    const done = document.createElement("button");
    done.type = "button";
    done.className = "done";
    done.setAttribute("aria-label", t("map_attention_done"));
    done.append(icon("close"));
    done.addEventListener("click", () => {
      this.items = this.items.filter((other) => other !== item);
      this.paint();
    });
    line.append(go, done);
    return line;
  }
}
