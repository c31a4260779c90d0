// /geofences: every fence on the map and in the list; drawing, changing and importing them.

import { Problem, api, askApi } from "./Api.js";
import { confirmIn } from "./Dialogs.js";
import { LngLatBounds, aboveGround, groundMap, onTheme } from "./Ground.js";
import { icon } from "./Icons.js";
import { language, t } from "./Texts.js";
import { toast } from "./Toasts.js";
import { Corners } from "./fences/Corners.js";
import { Draw } from "./fences/Draw.js";
import { Picker } from "./fences/Picker.js";
import { Rows } from "./fences/Rows.js";
import { Rules } from "./fences/Rules.js";
import { area, areaText, boundsOf, geometryOf, lengthText, painted, perimeter, shapeOf } from "./fences/Shapes.js";
import { Told } from "./fences/Told.js";
import "./fences.css";

const PAGE = 1000;
const ROW_PX = 56;
const RENEW_MS = 10_000;
const RENEW_SOON_MS = 2_000;
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const root = document.getElementById("fences");
const about = JSON.parse(document.getElementById("about").textContent);
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const pane = (name) => root.querySelector(`[data-pane-of="${name}"]`);
const mapElement = document.getElementById("fences-map");
const zh = language.startsWith("zh");
// Swedish writes times as the rest of the portal does: 2026-11-22 13:51:00.
const moment = new Intl.DateTimeFormat("sv-SE", { timeZone: mapElement.dataset.zone, dateStyle: "short", timeStyle: "medium" });
const storeName = (id) => {
  const store = about.stores.find((one) => one.id === id);
  return id === 0 ? t("geofences_group") : store ? store[zh ? "zh" : "en"] || store.zh : `#${id}`;
};
const mine = (feature) => about.write && (feature.properties.store === 0 ? about.group : (about.stores.find((one) => one.id === feature.properties.store)?.mine ?? about.group));

const fences = new Map(); // id -> feature
let shown = []; // those that pass the filters, by name
let chosen = 0; // id of the fence whose detail is open
let editing = null; // the feature being changed, or {properties: …} of a new one
let unsaved = false;
let preview = []; // features of a file that is looked at
let map, draw, rows, picker, corners, rules, told;

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (name === "class") element.className = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
};

// --- reading ----------------------------------------------------------------------------------------------------------

async function readAll() {
  let after = 0;
  fences.clear();
  while (after !== null) {
    const page = await askApi(`/api/v1/geofences?limit=${PAGE}&after=${after}`);
    for (const feature of page.features) fences.set(feature.id, feature);
    after = page.next;
    filter();
    if (map) paintAll();
  }
}

function filter() {
  const query = document.getElementById("f-q").value.trim().toLocaleLowerCase();
  const store = part("store-filter").value;
  const state = part("state-filter").value;
  shown = [...fences.values()].filter(
    ({ properties: p }) =>
      (!query || p.name.toLocaleLowerCase().includes(query)) &&
      (store === "" || p.store === Number(store)) &&
      (!state || p.active === (state === "active")),
  );
  const order = new Intl.Collator(language, { numeric: true });
  shown.sort((a, b) => order.compare(a.properties.name, b.properties.name) || a.id - b.id);
  rows.show(shown);
  part("count").textContent = fences.size ? String(fences.size) : "";
  part("none").hidden = fences.size > 0;
  part("nomatch").hidden = !fences.size || shown.length > 0;
  root.querySelector(".pane-filters").hidden = !fences.size;
}

// --- list and map -----------------------------------------------------------------------------------------------------

function rowOf(feature) {
  const { name, store, active, colour, kind, applies, vehicle_count: count } = feature.properties;
  const swatch = make("span", { class: "swatch" }, icon(kind === "circle" ? "circle" : "polygon"));
  swatch.style.color = colour || "";
  const more = [storeName(store)];
  if (applies === "vehicles") more.push(t("geofences_for_n", { n: count }));
  if (feature.properties.on_terminals) more.push(t("geofences_on_terminals_short"));
  const button = make(
    "button",
    { type: "button", class: "fence-row", "aria-current": feature.id === chosen ? "true" : null, "data-fence": feature.id },
    swatch,
    make("span", { class: "fence-said" }, make("b", {}, name), make("small", {}, more.join(" · "))),
    active ? "" : make("span", { class: "badge quiet" }, t("geofences_inactive")),
  );
  button.addEventListener("click", () => open(feature.id, true));
  button.addEventListener("pointerenter", () => hover(feature.id));
  button.addEventListener("pointerleave", () => hover(0));
  return button;
}

let hovered = 0;
function hover(id) {
  if (!map || id === hovered) return;
  if (hovered) map.setFeatureState({ source: "fences", id: hovered }, { hover: false });
  if (id) map.setFeatureState({ source: "fences", id }, { hover: true });
  hovered = id;
}

function paintAll() {
  const hidden = editing?.id ?? 0;
  const features = [...fences.values()].filter((feature) => feature.id !== hidden).map(painted);
  map.getSource("fences")?.setData({ type: "FeatureCollection", features });
  // One name a fence: of an area cut into tiles the map would write it in each.
  const names = features.map(({ properties, geometry }) => {
    const [[west, south], [east, north]] = boundsOf([{ kind: "polygon", rings: geometry.coordinates }]);
    return { type: "Feature", properties, geometry: { type: "Point", coordinates: [(west + east) / 2, (south + north) / 2] } };
  });
  map.getSource("names")?.setData({ type: "FeatureCollection", features: names });
}

const emphasis = (plain, strong) => ["case", ["any", ["boolean", ["feature-state", "chosen"], false], ["boolean", ["feature-state", "hover"], false]], strong, plain];
const colourOf = () => ["case", ["!", ["get", "active"]], ink("ink-faint"), ["==", ["get", "colour"], ""], ink("accent"), ["get", "colour"]];

function addLayers() {
  const empty = { type: "FeatureCollection", features: [] };
  map.addSource("fences", { type: "geojson", data: empty, promoteId: "id" });
  map.addSource("names", { type: "geojson", data: empty });
  map.addSource("preview", { type: "geojson", data: empty });
  map.addSource("cars", { type: "geojson", data: empty });
  const below = map.getLayer(aboveGround) ? aboveGround : undefined;
  map.addLayer({ id: "fence-fill", type: "fill", source: "fences", paint: { "fill-color": colourOf(), "fill-opacity": emphasis(0.1, 0.24) } }, below);
  map.addLayer({ id: "fence-line", type: "line", source: "fences", filter: ["get", "active"], paint: { "line-color": colourOf(), "line-width": emphasis(1.6, 3) } }, below);
  map.addLayer({ id: "fence-paused", type: "line", source: "fences", filter: ["!", ["get", "active"]], paint: { "line-color": colourOf(), "line-width": emphasis(1.4, 2.6), "line-dasharray": [3, 2.5] } }, below);
  map.addLayer({ id: "preview-fill", type: "fill", source: "preview", paint: { "fill-color": ink("accent"), "fill-opacity": 0.14 } });
  map.addLayer({ id: "preview-line", type: "line", source: "preview", paint: { "line-color": ink("accent"), "line-width": 2, "line-dasharray": [2, 1.5] } });
  map.addLayer({ id: "fence-cars", type: "circle", source: "cars", paint: { "circle-radius": 5, "circle-color": ink("good"), "circle-stroke-color": ink("surface"), "circle-stroke-width": 1.5 } });
  map.addLayer({
    id: "fence-name", type: "symbol", source: "names", minzoom: 11,
    layout: { "text-field": ["get", "name"], "text-font": ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"], "text-size": 12, "text-max-width": 9, "text-padding": 6, "symbol-placement": "point" },
    paint: { "text-color": ink("ink"), "text-halo-color": ink("surface"), "text-halo-width": 1.6 },
  });
  map.on("click", "fence-fill", (event) => {
    if (draw.mode !== "idle" || preview.length) return;
    // The smallest of those under the pointer: a store's yard lies in its district.
    const ids = [...new Set(event.features.map((feature) => feature.properties.id))];
    ids.sort((a, b) => area(shapeOf(fences.get(a))) - area(shapeOf(fences.get(b))));
    open(ids[0], false);
  });
  map.on("mousemove", "fence-fill", (event) => {
    if (draw.mode !== "idle") return;
    hover(event.features[0].properties.id);
    map.getCanvas().style.cursor = "pointer";
  });
  map.on("mouseleave", "fence-fill", () => {
    hover(0);
    if (draw.mode === "idle") map.getCanvas().style.cursor = "";
  });
  onTheme(map, () => {
    for (const [layer, name] of [["fence-fill", "fill-color"], ["fence-line", "line-color"], ["fence-paused", "line-color"]]) 
      map.setPaintProperty(layer, name, colourOf());
    map.setPaintProperty("fence-name", "text-color", ink("ink"));
    map.setPaintProperty("fence-name", "text-halo-color", ink("surface"));
    map.setPaintProperty("fence-cars", "circle-color", ink("good"));
    map.setPaintProperty("fence-cars", "circle-stroke-color", ink("surface"));
    map.setPaintProperty("preview-fill", "fill-color", ink("accent"));
    map.setPaintProperty("preview-line", "line-color", ink("accent"));
    map.triggerRepaint();
  });
}

function look(shapes, most = 16) {
  const bounds = boundsOf(shapes);
  if (bounds) map.fitBounds(LngLatBounds.convert(bounds), { padding: 60, maxZoom: most, animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
}

// --- panes ------------------------------------------------------------------------------------------------------------

function showPane(name) {
  root.dataset.pane = name;
  for (const one of root.querySelectorAll("[data-pane-of]")) one.hidden = one.dataset.paneOf !== name;
  root.querySelector(".fences-panel").scrollTop = 0;
}

function address() {
  const url = new URL(location.href);
  if (chosen) url.searchParams.set("fence", chosen);
  else url.searchParams.delete("fence");
  history.replaceState(history.state, "", url);
}

function backToList() {
  if (chosen && map) map.setFeatureState({ source: "fences", id: chosen }, { chosen: false });
  const before = chosen;
  chosen = 0;
  clearTimeout(renewing);
  map?.getSource("cars")?.setData({ type: "FeatureCollection", features: [] });
  address();
  showPane("list");
  filter();
  root.querySelector(`[data-fence="${before}"]`)?.focus();
}

// --- one fence --------------------------------------------------------------------------------------------------------

let renewing = 0;

function open(id, zoom) {
  const feature = fences.get(id);
  if (!feature) return;
  if (chosen) map.setFeatureState({ source: "fences", id: chosen }, { chosen: false });
  chosen = id;
  map.setFeatureState({ source: "fences", id }, { chosen: true });
  address();
  showDetail(feature);
  showPane("detail");
  part("name").focus({ preventScroll: true });
  if (zoom) look([shapeOf(feature)]);
  told.hide();
  renewing && clearTimeout(renewing);
  void renewDetail(id);
}

function showDetail(feature) {
  const { name, store, active, applies, vehicle_count: count, changed_ms: changed, changed_by: by } = feature.properties;
  const shape = shapeOf(feature);
  part("name").textContent = name;
  part("badges").replaceChildren(
    make("span", { class: `badge ${active ? "good" : "quiet"}` }, active ? t("geofences_active") : t("geofences_inactive")),
    make("span", { class: "badge info" }, storeName(store)),
  );
  const facts = [
    [t("geofences_for"), applies === "vehicles" ? t("geofences_for_n", { n: count }) : t("geofences_for_all")],
    shape.kind === "circle"
      ? [t("geofences_radius_is"), lengthText(shape.radius_m)]
      : [t("geofences_geometry"), t("geofences_corners", { n: shape.rings.reduce((sum, ring) => sum + ring.length, 0) })],
    [t("geofences_area"), areaText(area(shape))],
    [t("geofences_perimeter"), lengthText(perimeter(shape))],
  ];
  if (feature.properties.on_terminals) facts.push([t("geofences_rules"), rulesText(feature.properties.terminal)]);
  if (changed) facts.push([t("geofences_changed"), `${moment.format(changed)}${by.startsWith("account:") ? "" : ` · ${by}`}`]);
  part("facts").replaceChildren(...facts.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
  part("actions").hidden = !mine(feature);
  const toggle = root.querySelector('[data-do="toggle"]');
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
      told.show(fences.get(id)),
    ]);
    soon = moving;
    if (chosen !== id) return;
    if (inside) showInside(inside);
    if (crossings) showCrossings(crossings.items);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status && problem.code !== "not_ready") toast(problem);
  }
  if (chosen === id && root.dataset.pane === "detail") renewing = setTimeout(() => renewDetail(id), soon ? RENEW_SOON_MS : RENEW_MS);
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
  const features = items.map((car) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [car.lon, car.lat] } }));
  map.getSource("cars").setData({ type: "FeatureCollection", features });
}

function showCrossings(items) {
  part("crossings-section").hidden = false;
  part("crossings-none").hidden = items.length > 0;
  part("crossings").replaceChildren(
    ...items.map((crossing) => {
      const entered = crossing.type === "fence.entered";
      const what = make("a", { href: `/events/${crossing.seq}` }, carName(crossing), ` ${entered ? t("geofences_crossed_entered") : t("geofences_crossed_exited")}`);
      return make(
        "li",
        { class: entered ? "info" : "" },
        make("span", { class: "knot" }, icon(entered ? "enter" : "exit")),
        make("div", { class: "said" }, make("span", { class: "what" }, what), make("span", { class: "when" }, moment.format(crossing.time_ms))),
      );
    }),
  );
}

async function toggle() {
  const feature = fences.get(chosen);
  const { revision, active } = feature.properties;
  await change(() => api("PUT", `/api/v1/geofences/${feature.id}`, { ...feature, properties: { ...feature.properties, active: !active, revision } }));
}

async function remove() {
  const { id, properties } = fences.get(chosen);
  if (!(await confirmIn(t("geofences_remove_sure", { name: properties.name }), t("geofences_remove")))) return;
  try {
    await api("DELETE", `/api/v1/geofences/${id}?revision=${properties.revision}`);
    fences.delete(id);
    toast({ kind: "good", title: t("geofences_removed", { name: properties.name }) });
    backToList();
    paintAll();
  } catch (problem) {
    await notDone(problem);
  }
}

async function change(call) {
  try {
    const feature = await call();
    fences.set(feature.id, feature);
    paintAll();
    open(feature.id, false);
  } catch (problem) {
    await notDone(problem);
  }
}

async function notDone(problem) {
  if (!(problem instanceof Problem)) throw problem;
  toast(problem);
  if (problem.code === "geofence_changed" || problem.code === "geofence_unknown") {
    await readAll();
    if (fences.has(chosen)) open(chosen, false);
    else backToList();
  }
}

// --- drawing and the form ---------------------------------------------------------------------------------------------

const form = pane("form");

function hint() {
  const said = { polygon: t("geofences_hint_polygon"), circle: t("geofences_hint_circle"), change: t("geofences_hint_change") }[draw.mode];
  const box = part("hint");
  box.hidden = !said;
  if (box.textContent !== (said ?? "")) box.textContent = said ?? "";
  const tools = part("tools");
  tools.hidden = draw.mode === "idle";
  tools.querySelector('[data-do="undo"]').disabled = !draw.canUndo;
  tools.querySelector('[data-do="corner"]').hidden = draw.mode !== "change" || draw.shape?.kind !== "polygon";
  tools.querySelector('[data-do="corner"]').disabled = !draw.corner;
  tools.querySelector('[data-do="end"]').hidden = draw.mode !== "polygon";
  tools.querySelector('[data-do="end"]').disabled = !draw.canEnd;
}

function beginNew(kind) {
  editing = { id: 0, properties: { name: "", store: about.group ? 0 : (about.stores.find((one) => one.mine)?.id ?? 0), active: true, colour: "", applies: "all", vehicles: [], on_terminals: false } };
  fillForm(t("geofences_new"));
  showPane("form");
  draw.begin(kind);
  unsaved = false;
  map.getCanvas().focus({ preventScroll: true });
}

async function beginChange() {
  try {
    editing = await askApi(`/api/v1/geofences/${chosen}`);
  } catch (problem) {
    await notDone(problem);
    return;
  }
  fences.set(editing.id, editing);
  fillForm(t("geofences_change"));
  showPane("form");
  draw.edit(shapeOf(editing));
  unsaved = false;
  paintAll();
  form.elements.name.focus();
}

function fillForm(title) {
  const { name, store, active, colour, applies, vehicles } = editing.properties;
  part("form-title").textContent = title;
  form.elements.name.value = name;
  form.elements.active.checked = active;
  form.elements.applies.value = applies;
  const stores = about.stores.filter((one) => one.mine || one.id === store).map((one) => [one.id, storeName(one.id)]);
  fillSelect(form.elements.store, [...(about.group || store === 0 ? [[0, t("geofences_group")]] : []), ...stores], store);
  showSwatches(colour);
  picker.set(vehicles ?? [], store);
  rules.set(editing.properties);
  showApplies();
  refuse([]);
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

function showShape() {
  const shape = draw.shape;
  const whole = shape && (shape.kind === "circle" ? shape.radius_m > 0 : shape.rings[0].length >= 3);
  part("measures").textContent = whole
    ? [shape.kind === "polygon" ? t("geofences_corners", { n: shape.rings.reduce((sum, ring) => sum + ring.length, 0) }) : lengthText(shape.radius_m), areaText(area(shape)), lengthText(perimeter(shape))].join(" · ")
    : t("geofences_not_drawn");
  part("circle-fields").hidden = shape?.kind !== "circle";
  const radius = form.elements.radius_m;
  if (shape?.kind === "circle" && document.activeElement !== radius) radius.value = shape.radius_m ? Math.round(shape.radius_m * 10) / 10 : "";
  corners.show(shape);
  hint();
}

const PLACES = { terminal: "terminal", terminals: "terminal", name: "name", colour: "colour", store: "store", group: "store", vehicles: "vehicles", applies: "vehicles" };

/** Say each refusal where it belongs, and show the corner it is about. */
function refuse(refusals) {
  for (const box of form.querySelectorAll(".refusal")) box.textContent = "";
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  draw?.mark(null);
  for (const { code, detail, ring, corner } of refusals) {
    const place = PLACES[code.split("_")[0]] ?? (code === "changed" || code === "unknown" ? "" : "geometry");
    const box = place ? document.getElementById(`r-${place}`) : part("refusal");
    box.textContent = detail;
    const field = form.querySelector(`#f-${place}`);
    field?.setAttribute("aria-invalid", "true");
    (field ?? box).scrollIntoView({ block: "nearest" });
    field?.focus();
    if (ring && corner) draw.mark(ring - 1, corner - 1);
  }
}

async function save() {
  const shape = draw.shape;
  const name = form.elements.name.value;
  if (draw.mode === "polygon" && draw.canEnd) draw.end();
  if (!shape || (shape.kind === "polygon" ? shape.rings[0].length < 3 : !(shape.radius_m > 0))) {
    refuse([{ code: "rings_missing", detail: t("geofences_not_drawn") }]);
    return;
  }
  const applies = form.elements.applies.value;
  const properties = {
    name,
    store: Number(form.elements.store.value),
    active: form.elements.active.checked,
    colour: form.elements.colour.value,
    applies,
    ...(applies === "vehicles" ? { vehicles: picker.ids } : {}),
    ...rules.properties,
    ...(shape.kind === "circle" ? { radius_m: Math.round(shape.radius_m * 100) / 100 } : {}),
  };
  const feature = { type: "Feature", geometry: geometryOf(shape), properties };
  const button = form.querySelector('[type="submit"]');
  button.setAttribute("aria-busy", "true");
  refuse([]);
  try {
    const saved = editing.id
      ? await api("PUT", `/api/v1/geofences/${editing.id}`, { ...feature, properties: { ...properties, revision: editing.properties.revision } })
      : (await api("POST", "/api/v1/geofences", feature)).features[0];
    fences.set(saved.id, saved);
    endForm();
    paintAll();
    filter();
    open(saved.id, false);
    toast({ kind: "good", title: t("geofences_saved", { name: saved.properties.name }) });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.refusals?.length) refuse(problem.refusals);
    else part("refusal").textContent = problem.code === "geofence_changed" ? t("geofences_changed_since") : problem.sentence;
    part("refusal").scrollIntoView({ block: "nearest" });
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function endForm() {
  editing = null;
  unsaved = false;
  draw.clear();
  hint();
}

async function cancelForm() {
  if (unsaved && !(await confirmIn(t("geofences_leave_sure"), t("geofences_leave")))) return;
  const id = editing?.id ?? 0;
  endForm();
  paintAll();
  if (id) {
    await readAll();
    open(id, false);
  } else backToList();
}

// --- importing --------------------------------------------------------------------------------------------------------

let imported = null; // the document as it would be saved

function beginImport() {
  preview = [];
  imported = null;
  const mineOnly = about.stores.filter((one) => one.mine).map((one) => [one.id, storeName(one.id)]);
  fillSelect(document.getElementById("f-import_store"), [...(about.group ? [[0, t("geofences_group")]] : []), ...mineOnly], "");
  part("file").value = "";
  part("file-name").hidden = true;
  part("report").replaceChildren();
  part("refusals").replaceChildren();
  root.querySelector('[data-do="import-save"]').disabled = true;
  showPreview();
  showPane("import");
}

function endImport() {
  preview = [];
  showPreview();
  if (chosen) open(chosen, false);
  else backToList();
}

function showPreview() {
  map.getSource("preview").setData({ type: "FeatureCollection", features: preview.map(painted) });
}

let raw = null; // the file as it was read

async function readFile(file) {
  if (root.dataset.pane !== "import") beginImport();
  raw = null;
  part("file-name").hidden = false;
  part("file-name").textContent = file.name;
  if (file.size > about.bytes_max) {
    report("bad", t("geofences_import_large", { n: about.bytes_max >> 20 }));
    return;
  }
  try {
    raw = JSON.parse(await file.text());
  } catch (error) {
    report("bad", t("geofences_import_unreadable", { reason: error.message }));
    return;
  }
  await rehearse();
}

/** The document with what the form says where the file says nothing. */
function completed() {
  const store = Number(document.getElementById("f-import_store").value) || 0;
  const name = document.getElementById("f-import_name").value.trim();
  const features = raw?.type === "FeatureCollection" && Array.isArray(raw.features) ? raw.features : null;
  if (!features) return raw;
  let number = 0;
  const named = (properties) => ["name", "Name", "NAME", "名称", "title"].some((key) => properties?.[key]);
  return {
    ...raw,
    features: features.map((feature) => {
      if (feature === null || typeof feature !== "object") return feature;
      const properties = { ...feature.properties };
      if (properties.store === undefined) properties.store = store;
      if (name && !named(properties)) properties.name = `${name} ${++number}`;
      return { ...feature, properties };
    }),
  };
}

async function rehearse() {
  if (!raw) return;
  part("refusals").replaceChildren();
  root.querySelector('[data-do="import-save"]').disabled = true;
  preview = [];
  imported = completed();
  try {
    const answer = await api("POST", "/api/v1/geofences?rehearse=true", imported);
    preview = answer.features;
    report("good", t("geofences_import_ok", answer));
    const button = root.querySelector('[data-do="import-save"]');
    button.disabled = !(answer.created + answer.changed);
    button.querySelector("span").textContent = t("geofences_import_n", { n: answer.created + answer.changed });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refuseImport(problem);
  }
  showPreview();
  look(preview.map(shapeOf));
}

function refuseImport(problem) {
  const refusals = problem.refusals ?? [];
  report("bad", refusals.length ? t("geofences_import_refused", { n: refusals.length }) : problem.sentence);
  part("refusals").replaceChildren(
    ...refusals.map(({ feature, name, detail }) =>
      make("li", {}, make("b", {}, name || t("geofences_import_feature", { n: feature + 1 })), make("span", { class: "note" }, name ? `${t("geofences_import_feature", { n: feature + 1 })} · ${detail}` : detail)),
    ),
  );
}

function report(kind, text) {
  part("report").replaceChildren(make("div", { class: `message ${kind}` }, icon(kind === "good" ? "check" : "alert"), make("div", { class: "said" }, text)));
}

async function saveImport() {
  const button = root.querySelector('[data-do="import-save"]');
  button.setAttribute("aria-busy", "true");
  try {
    const answer = await api("POST", "/api/v1/geofences", imported);
    toast({ kind: "good", title: t("geofences_imported", { n: answer.created + answer.changed }) });
    await readAll();
    preview = [];
    showPreview();
    chosen = 0;
    backToList();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    refuseImport(problem);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// --- wiring -----------------------------------------------------------------------------------------------------------

const ACTIONS = {
  polygon: () => beginNew("polygon"),
  circle: () => beginNew("circle"),
  back: backToList,
  edit: beginChange,
  toggle,
  remove,
  cancel: cancelForm,
  undo: () => draw.undo(),
  corner: () => draw.removeCorner(),
  end: () => draw.end(),
  "add-corner": () => corners.add(),
  import: beginImport,
  "import-cancel": endImport,
  "import-save": saveImport,
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
  if (event.target.name === "applies") showApplies();
  if (event.target.name === "store") picker.store = Number(event.target.value);
  if (event.target.name === "radius_m" && draw.shape?.kind === "circle" && Number(event.target.value) > 0)
    draw.set({ ...draw.shape, radius_m: Number(event.target.value) });
});
document.getElementById("f-q").addEventListener("input", filter);
part("store-filter").addEventListener("change", filter);
part("state-filter").addEventListener("change", filter);
part("file").addEventListener("change", (event) => event.target.files[0] && void readFile(event.target.files[0]));
document.getElementById("f-import_store").addEventListener("change", rehearse);
document.getElementById("f-import_name").addEventListener("change", rehearse);
// A file may be dropped anywhere on the page.
for (const name of ["dragenter", "dragover"])
  document.addEventListener(name, (event) => {
    if (!about.write || editing || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    root.dataset.dropping = "";
  });
document.addEventListener("dragleave", (event) => event.relatedTarget || delete root.dataset.dropping);
document.addEventListener("drop", (event) => {
  delete root.dataset.dropping;
  if (!about.write || editing || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  void readFile(event.dataTransfer.files[0]);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (root.dataset.pane === "detail") backToList();
});
window.addEventListener("beforeunload", (event) => unsaved && event.preventDefault());

async function start() {
  rows = new Rows(part("rows"), ROW_PX, rowOf);
  fillSelect(part("store-filter"), [["", t("geofences_store_any")], [0, t("geofences_group")], ...about.stores.map((one) => [one.id, storeName(one.id)])], "");
  rules = new Rules(form);
  told = new Told(part("told-section"), { commands: about.commands, moment, carName });
  part("told-section").addEventListener("renew", () => {
    clearTimeout(renewing);
    void renewDetail(chosen);
  });
  picker = new Picker(part("picker"), about, () => (unsaved = true));
  corners = new Corners(part("corners"), (shape) => {
    unsaved = true;
    draw.set(shape);
    if (draw.canEnd) draw.become("change");
  });
  const reading = readAll();
  map = await groundMap(mapElement);
  draw = new Draw(map, () => ({ line: ink("accent"), ground: ink("surface"), bad: ink("bad") }));
  draw.addEventListener("change", () => {
    if (draw.mode !== "idle") {
      unsaved ||= draw.canUndo;
      showShape();
    }
  });
  draw.addEventListener("mode", hint);
  draw.addEventListener("end", () => {
    unsaved = true;
    showShape();
    form.elements.name.focus({ preventScroll: false });
  });
  draw.addEventListener("cancel", () => {
    unsaved = false;
    void cancelForm();
  });
  addLayers();
  await reading;
  paintAll();
  const asked = Number(new URLSearchParams(location.search).get("fence"));
  if (fences.has(asked)) open(asked, true);
  else if (fences.size) look([...fences.values()].map(shapeOf));
  await new Promise((resolve) => map.once("idle", resolve));
  // For tests: where a point of the earth lies on the screen.
  root.onScreen = (point) => {
    const { x, y } = map.project(point);
    const box = map.getCanvas().getBoundingClientRect();
    return [box.left + x, box.top + y];
  };
  root.lookAt = (centre, zoom) => new Promise((resolve) => {
    map.once("idle", resolve);
    map.jumpTo({ center: centre, zoom });
  });
  document.body.dataset.ready = "fences";
}

void start();
