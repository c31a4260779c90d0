// The terminals that keep a fence: how many are how far, and which; comparing what they hold, and telling them again.

import { api, askApi } from "../Api.js";
import { icon } from "../Icons.js";
import { has, t } from "../Texts.js";
import { toast } from "../Toasts.js";
import { make } from "./Make.js";

const PAGE = 100;
const KINDS = { told: "good", queued: "info", wanted: "info", withdrawing: "quiet", withdrawn: "quiet", differs: "warn", refused: "bad", unknown: "bad" };
const GROUPS = [
  ["told", ["told"]],
  ["waiting", ["queued", "wanted"]],
  ["leaving", ["withdrawing"]],
  ["differs", ["differs"]],
  ["refused", ["refused"]],
  ["unknown", ["unknown"]],
];
const TRIABLE = ["refused", "differs", "unknown"];

/** A word of ours for what the server says in English, or what it says. */
const words = (word) => word.replaceAll(" ", "_");
const why = (reason) => (has(`geofences_why_${words(reason)}`) ? t(`geofences_why_${words(reason)}`) : reason);
const difference = (name) => (has(`geofences_differs_${name}`) ? t(`geofences_differs_${name}`) : name);

export class Told {
  /**
   * @param section the element that holds the panel
   * @param {{commands: boolean, moment: Intl.DateTimeFormat, carName: Function}} how
   */
  constructor(section, how) {
    this.section = section;
    this.how = how;
    this.fence = 0;
    this.group = "";
    this.limit = PAGE;
    section.addEventListener("click", (event) => {
      const button = event.target.closest("[data-told]");
      if (button) void this.press(button);
    });
  }

  part(name) {
    return this.section.querySelector(`[data-part="${name}"]`);
  }

  /** Show a fence's terminals; resolves to whether something is on its way. */
  async show(feature) {
    if (this.fence !== feature.id) Object.assign(this, { fence: feature.id, group: "", limit: PAGE });
    const states = GROUPS.find(([group]) => group === this.group)?.[1] ?? [];
    const only = states.map((state) => `&state=${state}`).join("");
    const page = await askApi(`/api/v1/geofences/${feature.id}/terminals?limit=${this.limit}${only}`);
    if (this.fence !== feature.id) return false;
    const total = Object.values(page.counts).reduce((sum, count) => sum + count, 0);
    this.section.hidden = !feature.properties.on_terminals && !total;
    this.showBar(page.counts, total);
    this.showRows(page);
    this.part("told-none").hidden = total > 0;
    const buttons = this.part("told-actions");
    if (buttons) {
      buttons.querySelector('[data-told="compare"]').disabled = !(page.counts.told + page.counts.differs + page.counts.unknown);
      buttons.querySelector('[data-told="retry"]').hidden = !TRIABLE.some((state) => page.counts[state]);
    }
    if (feature.properties.on_terminals && !total) return true;
    return page.counts.queued + page.counts.withdrawing > 0 || page.items.some((one) => one.comparing);
  }

  hide() {
    this.fence = 0;
    this.section.hidden = true;
  }

  /** What is there already stays the same element: whoever is about to press it must not lose it to a renewal. */
  showBar(counts, total) {
    const bar = this.part("told-bar");
    const legend = this.part("told-legend");
    if (!legend.children.length)
      for (const [group] of GROUPS) {
        bar.append(make("span", { class: `told-${group}` }));
        const name = make("span", {}, t(`geofences_told_${group}`));
        legend.append(make("button", { type: "button", class: `told-key told-${group}`, "data-told": "group", "data-group": group }, make("i", {}), name, make("b", {})));
      }
    this.part("told-count").textContent = total ? String(total) : "";
    bar.hidden = legend.hidden = !total;
    const words = [];
    GROUPS.forEach(([group, states], k) => {
      const count = states.reduce((sum, state) => sum + counts[state], 0);
      const [segment, button] = [bar.children[k], legend.children[k]];
      segment.style.flexGrow = String(count);
      segment.hidden = !count;
      button.hidden = !count && this.group !== group;
      button.lastChild.textContent = String(count);
      button.setAttribute("aria-pressed", String(this.group === group));
      if (count) words.push(`${t(`geofences_told_${group}`)} ${count}`);
    });
    bar.setAttribute("aria-label", words.join(", "));
  }

  showRows({ items, next }) {
    const list = this.part("told-rows");
    const before = new Map([...list.children].map((element) => [element.dataset.seen, element]));
    const after = items.map((row) => {
      const seen = JSON.stringify(row);
      const element = before.get(seen) ?? this.row(row);
      element.dataset.seen = seen;
      return element;
    });
    if (after.some((element, k) => element !== list.children[k]) || after.length !== list.children.length) list.replaceChildren(...after);
    this.part("told-more").hidden = next === null;
  }

  row(row) {
    const { moment, carName, commands } = this.how;
    const notes = [];
    if (row.reason) notes.push(why(row.reason));
    const compared = this.compared(row);
    const head = make(
      "div",
      { class: "told-head" },
      make("a", { href: `/vehicles/${row.vehicle_id}` }, carName(row)),
      row.phone ? make("a", { class: "note", href: `/terminals/${row.terminal}`, translate: "no" }, row.phone) : "",
      make("span", { class: `badge ${KINDS[row.state]}` }, t(`geofences_area_${row.state}`)),
    );
    const foot = make("div", { class: "told-foot" }, make("small", { class: "faint number" }, moment.format(row.since_ms)));
    if (commands && !row.comparing && ["told", "differs", "unknown", "refused"].includes(row.state)) foot.append(this.button("compare", "search", row));
    if (commands && TRIABLE.includes(row.state) && row.reason !== "full") foot.append(this.button("retry", "refresh", row));
    return make(
      "li",
      {},
      head,
      ...notes.map((note) => make("p", { class: "note wrap" }, note)),
      compared ? make("p", { class: `note wrap${row.differences.length ? " told-warn" : ""}` }, compared) : "",
      foot,
    );
  }

  button(what, sign, row) {
    const button = make("button", { type: "button", class: "button small plain", "data-told": what, "data-terminal": row.terminal }, icon(sign), make("span", {}, t(`geofences_do_${what}`)));
    return button;
  }

  compared(row) {
    if (row.comparing) return t("geofences_comparing");
    if (!row.compared_ms) return "";
    const parts = row.differences.map(difference);
    let text = parts.length ? parts.join(t("geofences_and")) : t("geofences_same");
    if (row.differences.length && !["missing", "edition", "unanswered", "long"].includes(row.differences[0])) text = t("geofences_differs_in", { what: text });
    if (row.others.length) text += ` ${t("geofences_others", { ids: row.others.slice(0, 10).join(", ") })}`;
    return `${text} · ${this.how.moment.format(row.compared_ms)}`;
  }

  async press(button) {
    const what = button.dataset.told;
    if (what === "group") this.group = this.group === button.dataset.group ? "" : button.dataset.group;
    else if (what === "more") this.limit = Math.min(500, this.limit + PAGE);
    else {
      const terminal = Number(button.dataset.terminal ?? 0);
      button.setAttribute("aria-busy", "true");
      try {
        const asked = await api("POST", `/api/v1/geofences/${this.fence}/${what}`, { terminal });
        if (!terminal) toast({ kind: "good", title: t(`geofences_asked_${what}`, { n: asked.terminals }) });
      } catch (problem) {
        toast(problem);
      } finally {
        button.removeAttribute("aria-busy");
      }
    }
    this.section.dispatchEvent(new Event("renew", { bubbles: true }));
  }
}
