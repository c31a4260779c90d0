// The part of the fence's form that says how it is judged by: role, stays, speed, hours, and when cars are expected.

import { t } from "../Texts.js";
import { WeekGrid } from "./WeekGrid.js";
import { Windows } from "./Windows.js";

export class Judged {
  constructor(form, changed) {
    this.form = form;
    this.part = (name) => form.querySelector(`[data-part="${name}"]`);
    this.kind = "polygon";
    this.zone = "";
    this.week = new WeekGrid(this.part("week"), changed);
    this.expected = new Windows(this.part("windows"), changed);
    form.addEventListener("input", (event) => {
      if (["when", "role", "applies", "speed_limit_kmh"].includes(event.target.name)) this.shape();
    });
  }

  field(name) {
    return this.form.elements[name];
  }

  get isRoute() {
    return this.kind === "corridor" && this.field("role").value === "route";
  }

  /** Show only what can be said of this kind of fence now. */
  shape(kind = this.kind) {
    this.kind = kind;
    this.part("role").hidden = kind !== "corridor";
    this.part("week").hidden = this.field("when").value !== "hours";
    const chosen = this.field("applies").value === "vehicles";
    this.form.querySelector('[data-do="add-window"]').disabled = !chosen;
    this.part("windows").hidden = !chosen;
    this.part("expected-what").textContent = chosen ? t("geofences_expected_what") : t("geofences_expected_chosen");
    this.part("watched-what").textContent = this.isRoute ? t("geofences_watched_route") : t("geofences_watched_zone");
    this.field("speed_s").disabled = !this.field("speed_limit_kmh").value;
  }

  set({ role = "zone", hours = [], expected = [], time_zone: zone = "", dwell_s: dwell = 0, speed_limit_kmh: limit = 0, speed_s: seconds = 0 }, kind) {
    this.field("role").value = role;
    this.zone = zone;
    this.field("dwell_min").value = dwell ? String(Number((dwell / 60).toFixed(2))) : "";
    this.field("speed_limit_kmh").value = limit || "";
    this.field("speed_s").value = limit ? seconds : "";
    this.field("when").value = hours.length ? "hours" : "always";
    this.week.set(hours);
    this.expected.set(expected);
    this.shape(kind);
  }

  /** What keeps it from being saved before it is asked for: a text of hours that says nothing, or no hour at all. */
  get fault() {
    if (this.field("when").value !== "hours") return "";
    if (this.week.wrong) return t("geofences_week_wrong", { n: this.week.wrong });
    return this.week.isEmpty ? t("geofences_week_empty") : "";
  }

  /** The properties to save. */
  get properties() {
    const number = (name) => (this.field(name).disabled ? 0 : Number(this.field(name).value) || 0);
    return {
      role: this.isRoute ? "route" : "zone",
      hours: this.field("when").value === "hours" ? this.week.windows : [],
      expected: this.field("applies").value === "vehicles" ? this.expected.windows : [],
      time_zone: this.zone,
      dwell_s: Math.round(number("dwell_min") * 60),
      speed_limit_kmh: Math.round(number("speed_limit_kmh")),
      speed_s: Math.round(number("speed_s")),
    };
  }
}
