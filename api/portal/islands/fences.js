// /geofences: every fence on the map and in the list; drawing, changing and importing them.

import { Problem, api, askApi } from "./Api.js";
import { confirmIn } from "./Dialogs.js";
import { groundMap } from "./Ground.js";
import { icon } from "./Icons.js";
import { has, language, t } from "./Texts.js";
import { toast } from "./Toasts.js";
import { Corners } from "./fences/Corners.js";
import { Draw } from "./fences/Draw.js";
import { Importing } from "./fences/Importing.js";
import { Judged } from "./fences/Judged.js";
import { List } from "./fences/List.js";
import { make } from "./fences/Make.js";
import { Picker } from "./fences/Picker.js";
import { Rules } from "./fences/Rules.js";
import { area, areaText, cornerCount, geometryOf, isWhole, lengthText, perimeter, shapeOf, sizesOf } from "./fences/Shapes.js";
import { Told } from "./fences/Told.js";
import { View } from "./fences/View.js";
import { windowsText } from "./fences/Week.js";
import "./fences.css";

const ROW_PX = 56;
const RENEW_MS = 10_000;
const RENEW_SOON_MS = 2_000;
const SEARCH_MS = 200;
const WIDTH_M = 60;
const coarse = matchMedia("(pointer: coarse)");
const SIGNS = { polygon: "polygon", circle: "circle", corridor: "corridor" };
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const root = document.getElementById("fences");
const about = JSON.parse(document.getElementById("about").textContent);
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const pane = (name) => root.querySelector(`[data-pane-of="${name}"]`);
const doing = (name) => root.querySelector(`[data-do="${name}"]`);
const mapElement = document.getElementById("fences-map");
const zh = language.startsWith("zh");
// Swedish writes times as the rest of the portal does: 2026-11-22 13:51:00.
const moment = new Intl.DateTimeFormat("sv-SE", { timeZone: mapElement.dataset.zone, dateStyle: "short", timeStyle: "medium" });
const storeName = (id) => {
  const store = about.stores.find((one) => one.id === id);
  return id === 0 ? t("geofences_group") : store ? store[zh ? "zh" : "en"] || store.zh : `#${id}`;
};
const mine = (feature) => about.write && (feature.properties.store === 0 ? about.group : (about.stores.find((one) => one.id === feature.properties.store)?.mine ?? about.group));
const spanText = (seconds) => (seconds % 60 || seconds < 60 ? t("span_seconds", { n: seconds }) : seconds % 3600 || seconds < 3600 ? t("span_minutes", { n: seconds / 60 }) : t("span_hours", { n: seconds / 3600 }));

let chosen = null; // the fence whose detail is open, in full
let editing = null; // the feature being changed, or {id: 0, properties: …} of a new one
let unsaved = false;
let map, draw, view, list, picker, corners, rules, judged, told, importing;

// --- list -------------------------------------------------------------------------------------------------------------

function filters() {
  const query = new URLSearchParams();
  const text = document.getElementById("f-q").value.trim();
  if (text) query.set("search", text);
  for (const select of root.querySelectorAll("[data-filter]")) if (select.value !== "") query.set(select.dataset.filter, select.value);
  return query;
}

let searching = 0;
function filter(pause = 0) {
  clearTimeout(searching);
  searching = setTimeout(async () => {
    const query = filters().toString();
    for (const link of root.querySelectorAll("[data-export]")) {
      const url = new URL(link.href);
      url.search = query;
      url.searchParams.set("format", link.dataset.export);
      link.href = url.href;
    }
    try {
      await Promise.all([list.begin(filters()), view.renew(true)]);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem);
    }
  }, pause);
}

function listed() {
  const filtered = filters().size > 0;
  const none = list.items.length === 0;
  part("count").textContent = none ? "" : `${list.items.length}${list.whole ? "" : "+"}`;
  part("none").hidden = !none || filtered;
  part("nomatch").hidden = !none || !filtered;
  part("rows").hidden = none;
  root.querySelector(".pane-filters").hidden = none && !filtered;
}

function rowOf(feature) {
  const { name, store, active, colour, kind, role, applies, vehicle_count: count, hours = [] } = feature.properties;
  const swatch = make("span", { class: "fence-sign" }, icon(SIGNS[kind]));
  swatch.style.color = colour || "";
  const more = [storeName(store)];
  if (role === "route") more.push(t("geofences_role_route_short"));
  if (applies === "vehicles") more.push(t("geofences_for_n", { n: count }));
  if (feature.properties.on_terminals) more.push(t("geofences_on_terminals_short"));
  const button = make(
    "button",
    { type: "button", class: "fence-row", "aria-current": feature.id === chosen?.id ? "true" : null, "data-fence": feature.id },
    swatch,
    make("span", { class: "fence-said" }, make("b", {}, name), make("small", {}, more.join(" · "))),
    hours.length ? icon("clock") : "",
    active ? "" : make("span", { class: "badge quiet" }, t("geofences_inactive")),
  );
  button.addEventListener("click", () => void open(feature.id, true));
  button.addEventListener("pointerenter", () => view?.hover(feature.id));
  button.addEventListener("pointerleave", () => view?.hover(0));
  return button;
}

// --- panes ------------------------------------------------------------------------------------------------------------

function showPane(name) {
  root.dataset.pane = name;
  for (const one of root.querySelectorAll("[data-pane-of]")) one.hidden = one.dataset.paneOf !== name;
  root.querySelector(".fences-panel").scrollTop = 0;
}

function address() {
  const url = new URL(location.href);
  if (chosen) url.searchParams.set("fence", chosen.id);
  else url.searchParams.delete("fence");
  history.replaceState(history.state, "", url);
}

function backToList() {
  const before = chosen?.id ?? 0;
  chosen = null;
  clearTimeout(renewing);
  view.choose(0);
  view.cars([]);
  address();
  showPane("list");
  list.rows.show(list.items);
  root.querySelector(`[data-fence="${before}"]`)?.focus();
}

// --- one fence --------------------------------------------------------------------------------------------------------

let renewing = 0;
let opening = 0;

/** Open a fence's detail; `feature`: it, where it has just been read in full. */
async function open(id, zoom, feature = null) {
  opening = id;
  clearTimeout(renewing);
  if (!feature) {
    try {
      feature = await askApi(`/api/v1/geofences/${id}`);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast(problem);
      if (problem.code === "geofence_unknown") {
        view.drop(id);
        list.drop(id);
        if (root.dataset.pane === "detail") backToList();
      }
      return;
    }
    // Somebody who presses one after the other wants to see the last.
    if (opening !== id || editing) return;
  }
  const other = chosen?.id !== id;
  chosen = feature;
  view.choose(id, feature);
  address();
  if (other) forget();
  showDetail(feature);
  showPane("detail");
  part("name").focus({ preventScroll: true });
  if (zoom) view.look([shapeOf(feature)]);
  await renewDetail(id);
}

function forget() {
  told.hide();
  view.cars([]);
  part("inside-section").hidden = part("crossings-section").hidden = true;
  pane("detail").querySelector(".pane-body").scrollTop = 0;
}

function showDetail(feature) {
  const { name, store, active, applies, role, hours, expected, vehicle_count: count, changed_ms: changed, changed_by: by } = feature.properties;
  const { dwell_s: dwell, speed_limit_kmh: limit, speed_s: seconds } = feature.properties;
  const shape = shapeOf(feature);
  part("name").textContent = name;
  part("badges").replaceChildren(
    make("span", { class: `badge ${active ? "good" : "quiet"}` }, active ? t("geofences_active") : t("geofences_inactive")),
    make("span", { class: "badge info" }, storeName(store)),
    role === "route" ? make("span", { class: "badge quiet" }, t("geofences_role_route_short")) : "",
  );
  const facts = [[t("geofences_for"), applies === "vehicles" ? t("geofences_for_n", { n: count }) : t("geofences_for_all")]];
  if (hours?.length) facts.push([t("geofences_when"), windowsText(hours)]);
  if (dwell) facts.push([t("geofences_dwell_is"), spanText(dwell)]);
  if (limit) facts.push([t("geofences_limit_is"), t("geofences_limit", { kmh: limit, s: seconds })]);
  if (expected?.length) facts.push([t("geofences_expected"), windowsText(expected)]);
  if (shape.kind === "circle") facts.push([t("geofences_radius_is"), lengthText(shape.radius_m)]);
  else if (shape.kind === "corridor") facts.push([t("geofences_line"), `${lengthText(perimeter(shape))} · ${t("geofences_corners", { n: shape.line.length })}`], [t("geofences_width_is"), lengthText(shape.width_m)]);
  else {
    const holes = shape.rings.length - 1;
    facts.push([t("geofences_geometry"), [t("geofences_corners", { n: cornerCount(shape) }), holes ? t("geofences_holes", { n: holes }) : ""].filter(Boolean).join(" · ")]);
  }
  facts.push([t("geofences_area"), areaText(area(shape))]);
  if (shape.kind !== "corridor") facts.push([t("geofences_perimeter"), lengthText(perimeter(shape))]);
  if (feature.properties.on_terminals) facts.push([t("geofences_rules"), rulesText(feature.properties.terminal)]);
  if (changed) facts.push([t("geofences_changed"), `${moment.format(changed)}${by.startsWith("account:") ? "" : ` · ${by}`}`]);
  const lines = (value) => (Array.isArray(value) ? value.map((one) => make("div", {}, one)) : [value]);
  part("facts").replaceChildren(...facts.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, ...lines(value))]));
  part("actions").hidden = !mine(feature);
  const toggle = doing("toggle");
  toggle.replaceChildren(icon(active ? "pause" : "play"), make("span", {}, active ? t("geofences_pause") : t("geofences_activate")));
  toggle.removeAttribute("title");
  toggle.removeAttribute("aria-label");
  toggle.classList.remove("icon-only");
}

/** What terminals do with a fence, in a line. */
function rulesText(terminal) {
  const said = ["enter_driver", "enter_platform", "leave_driver", "leave_platform", "doors_shut", "radio_off", "detailed"].filter((name) => terminal[name]).map((name) => t(`geofences_rule_${name}`));
  if (terminal.speed_kmh !== null) {
    said.push(t("geofences_limit", { kmh: terminal.speed_kmh, s: terminal.overspeed_s ?? 10 }));
    if (terminal.night_speed_kmh !== null) said.push(t("geofences_limit_night", { kmh: terminal.night_speed_kmh }));
  }
  if (terminal.daily_from) said.push(t("geofences_daily_is", { from: terminal.daily_from, to: terminal.daily_to }));
  if (terminal.from_ms !== null) said.push(`${moment.format(terminal.from_ms)} – ${moment.format(terminal.to_ms)}`);
  return said.join(t("geofences_and")) || t("geofences_rules_none");
}

const carName = (car) => (car.plate ? make("span", { class: "plate", translate: "no" }, car.plate) : t("geofences_car", { id: car.vehicle_id }));

async function renewDetail(id) {
  let soon = false;
  try {
    const [inside, crossings, moving] = await Promise.all([
      about.positions ? askApi(`/api/v1/geofences/${id}/inside`) : null,
      about.events ? askApi(`/api/v1/geofences/${id}/crossings?limit=20`) : null,
      told.show(chosen),
    ]);
    soon = moving;
    if (chosen?.id !== id) return;
    if (inside) showInside(inside);
    if (crossings) showCrossings(crossings.items);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status && problem.code !== "not_ready") toast(problem);
  }
  clearTimeout(renewing);
  if (chosen?.id === id && root.dataset.pane === "detail") renewing = setTimeout(() => renewDetail(id), soon ? RENEW_SOON_MS : RENEW_MS);
}

function showInside({ items, count }) {
  part("inside-section").hidden = false;
  part("inside-count").textContent = count ? String(count) : "";
  part("inside-none").hidden = count > 0;
  part("inside").replaceChildren(
    ...items.slice(0, 100).map((car) =>
      make("li", {}, make("a", { href: `/vehicles/${car.vehicle_id}` }, carName(car)), make("span", { class: "note number" }, `${Math.round(car.speed_kmh)} ${zh ? "公里/时" : "km/h"}`)),
    ),
  );
  view.cars(items);
}

// How a happening at a fence is shown: its icon and its kind of knot.
const HAPPENINGS = {
  "fence.entered": ["enter", "info"], "fence.exited": ["exit", ""], "fence.dwelled": ["clock", "warn"], "fence.missed": ["alert", "warn"],
  "route.left": ["exit", "warn"], "route.rejoined": ["enter", "info"], "overspeed.began": ["speed", "warn"], "overspeed.ended": ["speed", ""],
};

function showCrossings(items) {
  part("crossings-section").hidden = false;
  part("crossings-none").hidden = items.length > 0;
  part("crossings").replaceChildren(
    ...items.map((crossing) => {
      const [sign, kind] = HAPPENINGS[crossing.type] ?? ["event", ""];
      const word = crossing.type.replaceAll(".", "_");
      const said = has(`geofences_crossed_${word}`) ? t(`geofences_crossed_${word}`) : crossing.type;
      const what = make("a", { href: `/events/${crossing.seq}` }, carName(crossing), ` ${said}`);
      return make("li", { class: kind }, make("span", { class: "knot" }, icon(sign)), make("div", { class: "said" }, make("span", { class: "what" }, what), make("span", { class: "when" }, moment.format(crossing.time_ms))));
    }),
  );
}

async function toggle() {
  const { properties } = chosen;
  await change(() => api("PUT", `/api/v1/geofences/${chosen.id}`, { ...chosen, properties: { ...properties, active: !properties.active } }));
}

async function remove() {
  const { id, properties } = chosen;
  if (!(await confirmIn(t("geofences_remove_sure", { name: properties.name }), t("geofences_remove")))) return;
  try {
    await api("DELETE", `/api/v1/geofences/${id}?revision=${properties.revision}`);
    toast({ kind: "good", title: t("geofences_removed", { name: properties.name }) });
    backToList();
    view.drop(id);
    list.drop(id);
  } catch (problem) {
    await notDone(problem);
  }
}

async function change(call) {
  try {
    saved(await call());
  } catch (problem) {
    await notDone(problem);
  }
}

function saved(feature) {
  view.put(feature);
  list.put(feature);
  void open(feature.id, false, feature);
}

async function notDone(problem) {
  if (!(problem instanceof Problem)) throw problem;
  toast(problem);
  if (problem.code === "geofence_changed" || problem.code === "geofence_unknown") {
    filter();
    if (chosen) await open(chosen.id, false);
  }
}

// --- drawing and the form ---------------------------------------------------------------------------------------------

const form = pane("form");

function hint() {
  // Fingers have no keys, and little room to read of them.
  const said = draw.mode === "idle" ? "" : coarse.matches ? t(`geofences_touch_${draw.mode}`) : t(`geofences_hint_${draw.mode}`);
  const box = part("hint");
  box.hidden = !said;
  if (box.textContent !== said) box.textContent = said;
  const tools = part("tools");
  tools.hidden = draw.mode === "idle";
  const cornered = draw.mode === "change" && draw.shape?.kind !== "circle";
  doing("undo").disabled = !draw.canUndo;
  doing("redo").disabled = !draw.canRedo;
  doing("corner").hidden = doing("insert").hidden = !cornered;
  doing("corner").disabled = doing("insert").disabled = !draw.canRemoveCorner;
  doing("hole").hidden = !(draw.mode === "change" && draw.shape?.kind === "polygon");
  doing("end").hidden = !draw.path;
  doing("end").disabled = !draw.canEnd;
  // It follows the corners on the map; whoever only draws by pointer is not told of each.
  part("said").textContent = draw.corner ? t("geofences_corner_chosen", { n: draw.corner[1] + 1, of: cornerCount(draw.shape) }) : "";
}

function beginNew(kind) {
  editing = { id: 0, properties: { name: "", store: about.group ? 0 : (about.stores.find((one) => one.mine)?.id ?? 0), active: true, colour: "", applies: "all", vehicles: [], on_terminals: false, role: kind === "corridor" ? "route" : "zone" } };
  clearTimeout(renewing);
  fillForm(t("geofences_new"), kind);
  showPane("form");
  draw.begin(kind, WIDTH_M);
  unsaved = false;
  map.getCanvas().focus({ preventScroll: true });
}

async function beginChange() {
  try {
    editing = await askApi(`/api/v1/geofences/${chosen.id}`);
  } catch (problem) {
    await notDone(problem);
    return;
  }
  clearTimeout(renewing);
  const shape = shapeOf(editing);
  fillForm(t("geofences_change"), shape.kind);
  showPane("form");
  draw.edit(shape);
  unsaved = false;
  view.hide(editing.id);
  form.elements.name.focus();
}

function fillForm(title, kind) {
  const { name, store, active, colour, applies, vehicles } = editing.properties;
  part("form-title").textContent = title;
  form.elements.name.value = name;
  form.elements.active.checked = active;
  form.elements.applies.value = applies;
  const stores = about.stores.filter((one) => one.mine || one.id === store).map((one) => [one.id, storeName(one.id)]);
  fillSelect(form.elements.store, [...(about.group || store === 0 ? [[0, t("geofences_group")]] : []), ...stores], store);
  showSwatches(colour);
  picker.set(vehicles ?? [], store);
  judged.set(editing.properties, kind);
  rules.set(editing.properties, kind);
  showApplies();
  refuse([]);
  form.querySelector(".pane-body").scrollTop = 0;
}

function fillSelect(select, options, value) {
  select.replaceChildren(...options.map(([id, text]) => make("option", { value: id, selected: String(id) === String(value) }, text)));
}

function showSwatches(colour) {
  const colours = ["", ...about.colours];
  if (colour && !colours.includes(colour)) colours.push(colour);
  part("swatches").replaceChildren(
    ...colours.map((one, k) => {
      const input = make("input", { type: "radio", name: "colour", value: one, checked: one === colour, "aria-label": one ? t("geofences_colour_own", { n: k }) : t("geofences_colour_none") });
      const label = make("label", { class: `swatch-choice${one ? "" : " none"}`, title: one ? null : t("geofences_colour_none") }, input);
      if (one) label.style.background = one;
      return label;
    }),
  );
}

function showApplies() {
  part("picker").hidden = form.elements.applies.value !== "vehicles";
}

/** What it measures, in a line: on the map while it is drawn, and in the form. */
function measures(shape) {
  if (shape.kind === "circle") return [lengthText(shape.radius_m), areaText(area(shape))];
  if (shape.kind === "corridor") return [t("geofences_corners", { n: shape.line.length }), lengthText(perimeter(shape)), `${t("geofences_width_is")} ${lengthText(shape.width_m)}`];
  const holes = shape.rings.length - 1;
  // What crosses itself has no area.
  if (draw.crossing) return [t("geofences_corners", { n: cornerCount(shape) }), lengthText(perimeter(shape))];
  return [t("geofences_corners", { n: cornerCount(shape) }), holes ? t("geofences_holes", { n: holes }) : "", areaText(area(shape)), lengthText(perimeter(shape))].filter(Boolean);
}

function showShape() {
  const { shape } = draw;
  const text = isWhole(shape) ? measures(shape).join(" · ") : "";
  part("measures").textContent = text || t("geofences_not_drawn");
  part("figures").textContent = text;
  part("figures").hidden = !text;
  const crossed = draw.crossing;
  part("crossed").hidden = !crossed;
  if (crossed) {
    const said = t("fence_fault_edges_cross", { ring: crossed[0] + 1, corner: crossed[1] + 1, other_ring: crossed[2] + 1, other: crossed[3] + 1 });
    if (part("crossed").textContent !== said) part("crossed").textContent = said;
  }
  for (const [kind, name] of [["circle", "radius_m"], ["corridor", "width_m"]]) {
    part(`${kind}-fields`).hidden = shape?.kind !== kind;
    const field = form.elements[name];
    if (shape?.kind === kind && document.activeElement !== field) field.value = shape[name] ? Math.round(shape[name] * 10) / 10 : "";
  }
  corners.show(shape);
  hint();
}

// Where a refusal is said: by the beginning of its code, the longest first.
const PLACES = [
  ["terminal", "terminal"], ["terminals", "terminal"], ["name", "name"], ["colour", "colour"], ["store", "store"], ["group", "store"], ["vehicles", "vehicles"],
  ["applies", "vehicles"], ["role", "role"], ["dwell", "judged"], ["speed", "judged"], ["expected", "expected"], ["time_zone", "when"], ["changed", ""], ["unknown", ""],
];

function placeOf({ code, detail }) {
  // A window says of which of the two it is by its name in the sentence.
  if (code.startsWith("window")) return /expected|应到/.test(detail) ? "expected" : "when";
  return (PLACES.find(([beginning]) => code.startsWith(beginning)) ?? ["", "geometry"])[1];
}

/** Say each refusal where it belongs, and show the corners it is about. */
function refuse(refusals) {
  for (const box of form.querySelectorAll(".refusal")) box.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  const marked = refusals.filter(({ corner }) => corner).map(({ ring, corner }) => [Math.max(0, (ring || 1) - 1), corner - 1]);
  draw?.mark(marked);
  if (marked.length) draw.reveal(...marked[0]);
  let first = null;
  for (const refusal of refusals) {
    const place = placeOf(refusal);
    const box = (place && document.getElementById(`r-${place}`)) || part("refusal");
    box.textContent = [box.textContent, refusal.detail].filter(Boolean).join(" ");
    const field = form.querySelector(`#f-${place}`);
    field?.setAttribute("aria-invalid", "true");
    first ??= field ?? box;
  }
  first?.scrollIntoView({ block: "center" });
  if (first?.matches("input, select")) first.focus();
}

async function save() {
  if (draw.path && draw.canEnd) draw.end();
  const { shape } = draw;
  if (!isWhole(shape) || draw.path) {
    refuse([{ code: "rings_missing", detail: t("geofences_not_drawn") }]);
    return;
  }
  if (judged.fault) {
    refuse([{ code: "window", detail: judged.fault }]);
    return;
  }
  const applies = form.elements.applies.value;
  const properties = {
    name: form.elements.name.value,
    store: Number(form.elements.store.value),
    active: form.elements.active.checked,
    colour: form.elements.colour.value,
    applies,
    ...(applies === "vehicles" ? { vehicles: picker.ids } : {}),
    ...judged.properties,
    ...rules.properties,
    ...sizesOf(shape),
  };
  const feature = { type: "Feature", geometry: geometryOf(shape), properties };
  const button = form.querySelector('[type="submit"]');
  button.setAttribute("aria-busy", "true");
  refuse([]);
  try {
    const answer = editing.id
      ? await api("PUT", `/api/v1/geofences/${editing.id}`, { ...feature, properties: { ...properties, revision: editing.properties.revision } })
      : (await api("POST", "/api/v1/geofences", feature)).features[0];
    endForm();
    saved(answer);
    toast({ kind: "good", title: t("geofences_saved", { name: answer.properties.name }) });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.refusals?.length) refuse(problem.refusals);
    else {
      part("refusal").textContent = problem.code === "geofence_changed" ? t("geofences_changed_since") : problem.sentence;
      part("refusal").scrollIntoView({ block: "nearest" });
    }
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function endForm() {
  editing = null;
  unsaved = false;
  draw.clear();
  view.hide(0);
}

async function cancelForm() {
  if (unsaved && !(await confirmIn(t("geofences_leave_sure"), t("geofences_leave")))) return;
  const id = editing?.id ?? 0;
  endForm();
  if (id) await open(id, false);
  else backToList();
}

// --- wiring -----------------------------------------------------------------------------------------------------------

const ACTIONS = {
  polygon: () => beginNew("polygon"),
  circle: () => beginNew("circle"),
  corridor: () => beginNew("corridor"),
  back: backToList,
  edit: beginChange,
  toggle,
  remove,
  cancel: cancelForm,
  undo: () => draw.undo(),
  redo: () => draw.redo(),
  corner: () => draw.removeCorner(),
  insert: () => draw.insertCorner(),
  hole: () => draw.beginHole(),
  filters: () => {
    const open = root.querySelector(".pane-filters").toggleAttribute("data-open");
    doing("filters").setAttribute("aria-expanded", String(open));
  },
  snap: () => {
    draw.snapping = !draw.snapping;
    doing("snap").setAttribute("aria-pressed", String(draw.snapping));
  },
  end: () => draw.end(),
  "add-corner": () => corners.add(),
  "add-window": () => judged.expected.add(),
  import: () => importing.begin(),
  "import-cancel": () => importing.end(),
  "import-save": () => importing.save(),
};

root.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) void ACTIONS[button.dataset.do]();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void save();
});
form.addEventListener("input", (event) => {
  unsaved = true;
  const { name, value } = event.target;
  if (name === "applies") showApplies();
  if (name === "store") picker.store = Number(value);
  const sized = { radius_m: "circle", width_m: "corridor" }[name];
  if (sized && draw.shape?.kind === sized && Number(value) > 0) draw.set({ ...draw.shape, [name]: Number(value) });
});
part("coordinates").addEventListener("toggle", () => corners.fill());
document.getElementById("f-q").addEventListener("input", () => filter(SEARCH_MS));
for (const select of root.querySelectorAll("[data-filter]")) select.addEventListener("change", () => filter());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (root.dataset.pane === "detail") backToList();
});
window.addEventListener("beforeunload", (event) => unsaved && event.preventDefault());

async function start() {
  list = new List(part("rows"), ROW_PX, rowOf, listed);
  rules = new Rules(form);
  judged = new Judged(form, () => (unsaved = true));
  told = new Told(part("told-section"), { commands: about.commands, moment, carName });
  part("told-section").addEventListener("renew", () => {
    clearTimeout(renewing);
    if (chosen) void renewDetail(chosen.id);
  });
  picker = new Picker(part("picker"), about, () => (unsaved = true));
  corners = new Corners(part("corners"), (shape) => {
    unsaved = true;
    draw.set(shape);
  });
  const reading = list.begin(filters());
  const asked = Number(new URLSearchParams(location.search).get("fence"));
  map = await groundMap(mapElement);
  view = new View(map, filters);
  view.addEventListener("open", (event) => void open(event.detail, false));
  view.addEventListener("shown", () => (part("sketched").hidden = !view.clusters.length));
  view.addEventListener("problem", (event) => toast(event.detail));
  draw = new Draw(map, () => ({ line: ink("accent"), ground: ink("surface"), bad: ink("bad") }), (spot, near) => view.nearby(spot, near));
  importing = new Importing(root, { about, view, storeName, showPane, list: () => (filter(), backToList()), back: () => (chosen ? void open(chosen.id, false) : backToList()) });
  view.busy = () => draw.mode !== "idle" || root.dataset.pane === "import";
  draw.addEventListener("change", () => {
    if (draw.mode !== "idle") unsaved ||= draw.canUndo;
    showShape();
  });
  draw.addEventListener("mode", hint);
  draw.addEventListener("chosen", hint);
  draw.addEventListener("end", () => {
    unsaved = true;
    showShape();
    form.elements.name.focus({ preventScroll: false });
  });
  draw.addEventListener("cancel", () => {
    unsaved = false;
    void cancelForm();
  });
  await reading;
  if (asked) await open(asked, true);
  if (!chosen && list.items.length) view.look(list.items.map(shapeOf));
  await view.renew();
  await new Promise((resolve) => map.once("idle", resolve));
  // For tests: where a point of the earth lies on the screen.
  root.onScreen = (point) => {
    const { x, y } = map.project(point);
    const box = map.getCanvas().getBoundingClientRect();
    return [box.left + x, box.top + y];
  };
  root.lookAt = (centre, zoom) => void map.jumpTo({ center: centre, zoom });
  // And what it shows.
  root.shown = () => ({ features: view.features.size, clusters: view.clusters?.length ?? 0 });
  document.body.dataset.ready = "fences";
}

void start();
