// The live map: every car of the reader's stores as it moves, searched, filtered, followed.

import { LngLatBounds, aboveGround, groundMap, onTheme } from "./Ground.js";
import { language, t } from "./Texts.js";
import { askApi } from "./Api.js";
import { CarLayer } from "./map/CarLayer.js";
import { CRASH, Cars, NO_FIX, OTHER_ALARM, SOS, STATES, latOf } from "./map/Cars.js";
import { Feed } from "./map/Feed.js";
import { Attention } from "./map/Attention.js";
import { CarList } from "./map/CarList.js";
import { Names } from "./map/Names.js";
import "./map.css";

const root = document.querySelector("#live");
const $ = (name) => root.querySelector(`[data-part="${name}"]`);
const now_s = () => performance.now() / 1000;

const clock = new Intl.DateTimeFormat(language, { timeZone: root.dataset.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(language, { timeZone: root.dataset.zone, month: "2-digit", day: "2-digit" });
const when = (time_s) => {
  const date = new Date(time_s * 1000);
  return Date.now() - date < 20 * 3600e3 ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
};
const number = new Intl.NumberFormat(language);

const cars = new Cars();
const names = new Names();
const still = matchMedia("(prefers-reduced-motion: reduce)");
cars.motion = !still.matches;
still.addEventListener("change", () => (cars.motion = !still.matches));

// --- what is shown: the address keeps it -----------------------------------------------------------------------------

const asked = new URLSearchParams(location.search);
const view = {
  hidden: new Set((asked.get("hide") ?? "").split(",").filter((name) => STATES.includes(name))),
  store: Number(asked.get("store")) || 0,
  query: asked.get("q") ?? "",
  found: null, // vehicle ids that the search found, null while nothing is searched
  car: Number(asked.get("car")) || 0,
  follow: asked.get("follow") === "1",
};
const shownStates = new Uint8Array(STATES.length);
const passes = (slot) => !view.store || names.storeOf(cars.id[slot]) === view.store;
/** Whether a slot's car is drawn and listed. The one chosen always is. */
const shown = (slot) => {
  const id = cars.id[slot];
  if (id === view.car) return true;
  return shownStates[cars.state[slot]] && passes(slot) && (view.found === null || view.found.has(id));
};

function keepAddress() {
  const address = new URL(location.href);
  const put = (name, value) => (value ? address.searchParams.set(name, value) : address.searchParams.delete(name));
  const { lat, lng } = map.getCenter();
  put("at", `${lat.toFixed(5)},${lng.toFixed(5)},${map.getZoom().toFixed(2)}`);
  put("hide", [...view.hidden].join(","));
  put("store", view.store ? String(view.store) : "");
  put("q", view.query);
  put("car", view.car ? String(view.car) : "");
  put("follow", view.follow && view.car ? "1" : "");
  address.search = address.search.replaceAll("%2C", ",");
  if (address.href !== location.href) history.replaceState(history.state, "", address);
}

// --- the map ----------------------------------------------------------------------------------------------------------

const [lat, lng, zoom] = (asked.get("at") ?? "").split(",").map(Number);
const placed = Number.isFinite(lat) && Number.isFinite(lng) && Number.isFinite(zoom);
const phone = matchMedia("(max-width: 719px)");
/** What the panel covers is no place to show a car in. */
const room = () => (phone.matches ? { top: 48, left: 24, right: 48, bottom: 190 } : { top: 40, left: $("panel").offsetWidth + 48, right: 64, bottom: 40 });
const map = await groundMap($("map"), placed ? { center: [lng, lat], zoom } : { fitBoundsOptions: { padding: room() } });
const layer = new CarLayer(cars, { shown, marked: () => cars.slots.get(view.car) ?? -1, now: now_s });

const rgba = (text, alpha = 1) => {
  const [, r, g, b] = /^#(..)(..)(..)$/.exec(text);
  return [r, g, b].map((part) => (parseInt(part, 16) / 255) * alpha).concat(alpha);
};
function colourCars() {
  const style = getComputedStyle(root);
  const colour = (name) => rgba(style.getPropertyValue(name).trim());
  const colours = { rim: colour("--car-rim"), mark: colour("--car-mark") };
  for (const state of STATES) colours[state] = colour(`--car-${state}`);
  layer.paint(colours);
}
map.addLayer(layer, map.getLayer("ground-district-name") ? "ground-district-name" : aboveGround);
colourCars();
onTheme(map, colourCars);

// Frames: one a tick is enough where a car moves less than a pixel in between; close up, as smooth as it is worth.
// Whatever the machine, drawing between ticks takes about half of its time at most: one that draws in software gets a frame
// a tick and stays usable.
let timer = 0;
let framed = 0;
let frame_ms = 0;
map.on("render", () => {
  const began = performance.now();
  requestAnimationFrame(() => (frame_ms += 0.3 * (performance.now() - began - frame_ms)));
});
function frame() {
  timer = 0;
  if (document.hidden) return;
  const metres = (40_075_016 * Math.cos((map.getCenter().lat * Math.PI) / 180)) / (512 * 2 ** map.getZoom());
  const pulses = cars.counts[4] > 0;
  const wanted = cars.motion ? Math.min(30, Math.max(cars.counts[3] ? 40 / metres : 0, pulses ? 12 : 0)) : 0;
  const rate = Math.min(wanted, 600 / Math.max(frame_ms, 1));
  if (view.follow) keepInSight();
  if (rate > 1) {
    map.triggerRepaint();
    framed += 1;
    timer = setTimeout(frame, 1000 / rate);
  }
}
const wake = () => (timer ||= setTimeout(frame, 0));
document.addEventListener("visibilitychange", wake);
map.on("moveend", wake);

// --- ticks of the feed ------------------------------------------------------------------------------------------------

/** What the page cost, for benches and for whoever wonders: `document.querySelector("#live").figures`. */
const figures = (root.figures = { frames: 0, bytes: 0, work_ms: [], build_ms: [], cars: 0, painted: () => framed });
let fitted = placed;
let tick = null;

const feed = new Feed({
  frame(buffer) {
    const began = performance.now();
    tick = cars.apply(buffer, began / 1000);
    figures.frames += 1;
    figures.bytes += buffer.byteLength;
    if (!tick.more) ticked();
    figures.cars = cars.present;
    // The buffer is written in the frame that follows: its cost belongs to this tick.
    note(figures.work_ms, performance.now() - began + layer.build_ms);
    note(figures.build_ms, layer.build_ms);
    layer.build_ms = 0;
  },
  state: showState,
});
function note(list, value) {
  list.push(value);
  if (list.length > 1200) list.shift();
}

function ticked() {
  if (tick.changed || tick.kind === 1) {
    names.want(cars);
    layer.renew();
    refresh();
    wake();
  }
  if (!fitted && cars.present && !map.ground.bounds) {
    fitted = true;
    fitCars();
  }
  if (!("ready" in root.dataset)) {
    // Ready once the cars are on the canvas, not once they are known.
    map.once("idle", () => {
      root.dataset.ready = "";
      document.body.dataset.map = "ready";
    });
    map.triggerRepaint();
  }
}

function refresh() {
  for (const [state, name] of STATES.entries()) {
    const count = number.format(cars.counts[state]);
    if (counts[name].textContent !== count) counts[name].textContent = count;
  }
  list.refresh();
  fillCard();
}

function changedFilter() {
  STATES.forEach((name, state) => (shownStates[state] = view.hidden.has(name) ? 0 : 1));
  for (const [name, button] of Object.entries(chips)) button.setAttribute("aria-pressed", String(!view.hidden.has(name)));
  layer.renew();
  refresh();
  keepAddress();
}

// --- is it live? ------------------------------------------------------------------------------------------------------

let said = "";
function showState(state, last_ms) {
  const since = last_ms ? clock.format(last_ms) : "";
  const next = `${state}${state === "live" ? "" : since}`;
  if (next === said) return;
  said = next;
  const badge = $("state");
  badge.dataset.state = state;
  badge.querySelector("span").textContent =
    state === "live" ? t("map_live") : state === "refused" ? t("map_refused") : since ? t("map_stale", { since }) : t("map_connecting");
  root.dataset.feed = state;
}

// --- what needs somebody ----------------------------------------------------------------------------------------------

const attention = new Attention($("attention"), {
  plate: (id) => names.plateOf(id) || t("map_car", { id }),
  clock: (time_ms) => clock.format(time_ms),
  choose: (id) => {
    view.hidden.delete("alarm");
    choose(id, { fly: true });
  },
});

// --- states, store, search --------------------------------------------------------------------------------------------

const chips = {};
const counts = {};
for (const name of ["driving", "idling", "parked", "offline", "alarm"]) {
  chips[name] = root.querySelector(`[data-state="${name}"].chip`);
  counts[name] = chips[name].querySelector(".count");
  chips[name].addEventListener("click", (event) => {
    // With Ctrl or Shift, or twice: only these.
    const others = STATES.filter((other) => other !== name);
    if (event.ctrlKey || event.shiftKey || event.metaKey) {
      const only = !view.hidden.has(name) && others.every((other) => view.hidden.has(other));
      view.hidden = new Set(only ? [] : others);
    } else if (!view.hidden.delete(name)) view.hidden.add(name);
    changedFilter();
  });
}

const storeChoice = $("store");
storeChoice.addEventListener("change", () => {
  view.store = Number(storeChoice.value);
  changedFilter();
});
names.changed = () => {
  const known = new Set([...storeChoice.options].map((option) => option.value));
  for (const [id, name] of names.storeNames) if (!known.has(String(id))) storeChoice.add(new Option(name, String(id)));
  storeChoice.value = String(view.store);
  storeChoice.closest(".field").hidden = names.storeNames.length < 2;
  list.reorder();
  attention.paint();
  if (view.query) search(view.query);
  layer.renew();
  refresh();
};

const searchField = $("search");
searchField.value = view.query;
let searching = null;
searchField.addEventListener("input", () => search(searchField.value));
async function search(text) {
  view.query = text.trim();
  searching?.abort();
  if (!view.query) {
    view.found = null;
    changedFilter();
    return;
  }
  view.found = names.search(view.query, cars.slots);
  changedFilter();
  if (view.query.length < 3) return;
  // Phones are not in the page: the server looks among them.
  searching = new AbortController();
  const { signal } = searching;
  await new Promise((resolve) => setTimeout(resolve, 250));
  if (signal.aborted) return;
  try {
    const answer = await askApi(`/api/v1/vehicles?search=${encodeURIComponent(view.query)}&limit=100`, { signal });
    if (signal.aborted || view.found === null) return;
    for (const item of answer.items) view.found.add(item.vehicle_id);
    changedFilter();
  } catch {
    // What the page itself found stays.
  }
}
searchField.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && view.found?.size) {
    const slot = list.first();
    if (slot >= 0) choose(cars.id[slot], { fly: true });
  } else if (event.key === "ArrowDown") {
    event.preventDefault();
    list.focus();
  }
});

const list = new CarList($("list"), $("many"), {
  cars, names, shown, number,
  chosen: () => view.car,
  choose: (id) => choose(id, { fly: true }),
});

// --- choosing a car ---------------------------------------------------------------------------------------------------

const card = $("card");
function choose(id, { fly = false, follow = false } = {}) {
  view.car = id;
  view.follow = follow;
  said_card = "";
  layer.renew();
  list.refresh();
  fillCard();
  const slot = cars.slots.get(id);
  if (fly && slot !== undefined) {
    map.easeTo({ center: cars.place(slot, now_s()), zoom: Math.max(map.getZoom(), 15), duration: cars.motion ? 700 : 0, offset: offset() });
    sheet(false);
  }
  wake();
  keepAddress();
}

// On a phone the card covers the foot of the map: what is looked at stands above it.
const offset = () => (phone.matches ? [0, -110] : [$("panel").offsetWidth / 2, 0]);

let said_card = "";
function fillCard() {
  const slot = view.car ? cars.slots.get(view.car) : undefined;
  card.hidden = !view.car || (slot === undefined && cars.present > 0 && !names.plateOf(view.car));
  root.dataset.card = card.hidden ? "" : "open";
  if (card.hidden) return;
  const part = (name) => card.querySelector(`[data-field="${name}"]`);
  const put = (name, text) => part(name).textContent !== text && (part(name).textContent = text);
  put("plate", names.plateOf(view.car) || t("map_car", { id: view.car }));
  put("store", names.storeName(names.storeOf(view.car)));
  const open = part("open");
  if (open) open.href = `/vehicles/${view.car}`;
  part("follow").setAttribute("aria-pressed", String(view.follow));
  if (slot === undefined) {
    put("state", t("map_no_position"));
    for (const name of ["speed", "time", "street", "alarm"]) put(name, "");
    return;
  }
  const state = STATES[cars.state[slot]];
  card.dataset.state = state;
  put("state", t(`state_${state}`));
  put("speed", number.format(Math.round(cars.speed[slot] / 10)));
  put("time", when(cars.time[slot]));
  const flags = cars.flags[slot];
  put("alarm", flags & SOS ? t("map_sos") : flags & CRASH ? t("map_crash") : flags & OTHER_ALARM ? t("map_alarm") : flags & NO_FIX ? t("map_no_fix") : "");
  put("street", streetAt(slot));
}

// The street one reads on the map next to the car; nothing is asked of the server for it.
function streetAt(slot) {
  const layers = ["ground-local", "ground-collector", "ground-arterial", "ground-express"].filter((id) => map.getLayer(id));
  if (!layers.length) return "";
  const { x, y } = map.project(cars.place(slot, now_s()));
  const reach = 8;
  const found = map.queryRenderedFeatures([[x - reach, y - reach], [x + reach, y + reach]], { layers });
  const street = found[0]?.properties;
  return street ? (street[`name_${language.slice(0, 2)}`] ?? street.name_zh ?? "") : "";
}

card.addEventListener("click", (event) => {
  const action = event.target.closest("[data-action]")?.dataset.action;
  if (action === "close") choose(0);
  if (action === "follow") follow(!view.follow);
});
function follow(on) {
  view.follow = on && view.car > 0;
  const slot = cars.slots.get(view.car);
  if (view.follow && slot !== undefined)
    map.easeTo({ center: cars.place(slot, now_s()), zoom: Math.max(map.getZoom(), 15.5), duration: cars.motion ? 500 : 0 });
  fillCard();
  wake();
  keepAddress();
}
function keepInSight() {
  const slot = cars.slots.get(view.car);
  if (slot === undefined || map.isMoving()) return;
  const [lng, lat] = cars.place(slot, now_s());
  const centre = map.getCenter();
  const pixels = 512 * 2 ** map.getZoom();
  if ((Math.abs(centre.lng - lng) / 360) * pixels > 0.3 || (Math.abs(centre.lat - lat) / 360) * pixels > 0.3) map.jumpTo({ center: [lng, lat] });
}
// Whoever moves the map by hand looks elsewhere.
map.on("dragstart", () => view.follow && follow(false));
map.on("moveend", (event) => (event.originalEvent || !view.follow) && keepAddress());

// --- pointing ---------------------------------------------------------------------------------------------------------

const tip = $("tip");
function carAt({ lngLat }, reach_px) {
  const y = 0.5 - Math.asinh(Math.tan((lngLat.lat * Math.PI) / 180)) / (2 * Math.PI);
  return cars.nearest(lngLat.lng / 360 + 0.5, y, reach_px / (512 * 2 ** map.getZoom()), now_s(), shown);
}
let pointed = 0;
map.on("mousemove", (event) => {
  cancelAnimationFrame(pointed);
  pointed = requestAnimationFrame(() => {
    const slot = carAt(event, 14);
    map.getCanvas().style.cursor = slot < 0 ? "" : "pointer";
    tip.hidden = slot < 0;
    if (slot < 0) return;
    const id = cars.id[slot];
    tip.querySelector("b").textContent = names.plateOf(id) || t("map_car", { id });
    const speed = t("map_speed", { speed: number.format(Math.round(cars.speed[slot] / 10)) });
    tip.querySelector("span").textContent = `${t(`state_${STATES[cars.state[slot]]}`)} · ${speed} · ${when(cars.time[slot])}`;
    const { x, y } = event.point;
    const turned = x > map.getContainer().clientWidth - 240;
    tip.style.transform = `translate(${x + (turned ? -12 : 12)}px, ${y + 12}px) translateX(${turned ? "-100%" : "0"})`;
  });
});
map.on("mouseout", () => (tip.hidden = true));
map.on("click", (event) => {
  const slot = carAt(event, matchMedia("(pointer: coarse)").matches ? 24 : 14);
  choose(slot < 0 ? 0 : cars.id[slot]);
});

function fitCars() {
  const bounds = new LngLatBounds();
  for (let slot = 0; slot < cars.count; slot++) if (cars.id[slot] && shown(slot)) bounds.extend([cars.toX[slot] * 360 - 180, latOf(cars.toY[slot])]);
  if (!bounds.isEmpty()) map.fitBounds(bounds, { padding: room(), maxZoom: 16, duration: cars.motion ? 500 : 0 });
}
$("fit").addEventListener("click", () => {
  view.follow = false;
  fitCars();
});

// --- the panel on a phone: a sheet that comes up ----------------------------------------------------------------------

const grip = $("grip");
function sheet(open) {
  root.dataset.sheet = open ? "open" : "";
  grip.setAttribute("aria-expanded", String(open));
  list.refresh();
}
grip.addEventListener("click", () => sheet(root.dataset.sheet !== "open"));
searchField.addEventListener("focus", () => sheet(true));

// --- keys -------------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input, select, textarea")) return;
  if (event.key === "Escape" && view.car) choose(0);
  else if (event.key === "f" && view.car) follow(!view.follow);
  else if (event.key === "0") fitCars();
  else if (/^[1-5]$/.test(event.key)) Object.values(chips)[Number(event.key) - 1].click();
});

sheet(false);
changedFilter();
if (view.query) search(view.query);
if (view.follow) follow(true);
root.live = { map, cars, feed, names, attention, layer };
