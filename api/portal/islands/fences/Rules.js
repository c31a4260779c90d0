// The part of the fence's form that says what terminals do with it: in and out of the property `terminal`.

const FLAGS = ["enter_driver", "enter_platform", "leave_driver", "leave_platform", "doors_shut", "radio_off", "detailed"];
const AREA_ONLY = ["doors_shut", "radio_off", "detailed"];
const NUMBERS = ["speed_kmh", "overspeed_s", "night_speed_kmh"];
const HOUR_MS = 3_600_000;

/** Terminals know one clock, GMT+8, whatever zone the reader is in. */
const local = (ms) => (ms === null ? "" : new Date(ms + 8 * HOUR_MS).toISOString().slice(0, 16));
const instant = (text) => (text ? Date.parse(`${text}:00+08:00`) : null);

export class Rules {
  constructor(form) {
    this.form = form;
    this.box = form.querySelector('[data-part="rules"]');
    form.addEventListener("input", (event) => {
      if (["on_terminals", "hours"].includes(event.target.name) || event.target.name === "speed_kmh") this.shape();
    });
  }

  field(name) {
    return this.form.elements[name];
  }

  /** Show only what can be said now. */
  shape() {
    this.box.hidden = !this.field("on_terminals").checked;
    const hours = this.field("hours").value;
    for (const one of this.box.querySelectorAll("[data-hours]")) one.hidden = one.dataset.hours !== hours;
    const limited = Boolean(this.field("speed_kmh").value);
    for (const name of ["overspeed_s", "night_speed_kmh"]) this.field(name).disabled = !limited;
  }

  set({ on_terminals: on = false, terminal = {} }, kind) {
    // A route on a terminal has fewer attributes than an area (0x8606).
    for (const name of AREA_ONLY) {
      this.field(name).closest("label").hidden = kind === "corridor";
      this.field(name).disabled = kind === "corridor";
    }
    this.form.querySelector('[data-part="rules-more"]').hidden = kind === "corridor";
    this.field("on_terminals").checked = on;
    for (const name of FLAGS) this.field(name).checked = terminal[name] ?? name.endsWith("_platform");
    for (const name of NUMBERS) this.field(name).value = terminal[name] ?? "";
    this.field("hours").value = terminal.daily_from ? "daily" : terminal.from_ms ? "period" : "";
    this.field("daily_from").value = terminal.daily_from ?? "08:00";
    this.field("daily_to").value = terminal.daily_to ?? "18:00";
    this.field("from_ms").value = local(terminal.from_ms ?? null);
    this.field("to_ms").value = local(terminal.to_ms ?? null);
    this.shape();
  }

  /** The properties to save. */
  get properties() {
    const hours = this.field("hours").value;
    const terminal = Object.fromEntries(FLAGS.map((name) => [name, this.field(name).checked && !this.field(name).disabled]));
    for (const name of NUMBERS) {
      const { value, disabled } = this.field(name);
      terminal[name] = value === "" || disabled ? null : Number(value);
    }
    for (const name of ["daily_from", "daily_to"]) terminal[name] = hours === "daily" ? this.field(name).value || null : null;
    for (const name of ["from_ms", "to_ms"]) terminal[name] = hours === "period" ? instant(this.field(name).value) : null;
    return { on_terminals: this.field("on_terminals").checked, terminal };
  }
}
