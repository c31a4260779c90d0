// A day of one car: its track on the map coloured by speed, a replay, the speed over the day. One time rules them all:
// whoever moves it (play, scrubber, chart, stop, event) calls seek(), and map, chart and figures follow.

import { LngLatBounds, aboveGround, groundMap, onTheme } from "./Ground.js";
import { Marker, Popup } from "maplibre-gl";
import { askApi, t, toast } from "./portal.js";
import { ink, lineChart } from "./Chart.js";
import { icon } from "./Icons.js";
import { language } from "./Texts.js";
import "./track.css";

const said = JSON.parse(document.getElementById("track-data").textContent);
const at = (id) => document.getElementById(id);

// Speed classes: from, colour by day, colour by night. Slow is warm: it is where time went.
const CLASSES = [
  [0, "#b5462c", "#e5836b"],
  [20, "#c98a12", "#e2b04a"],
  [40, "#4f9a45", "#86c97b"],
  [60, "#1f86a8", "#5fbfdd"],
  [80, "#4a4fb3", "#9aa0f0"],
];
const dark = () =>
  document.documentElement.dataset.theme === "dark" ||
  (document.documentElement.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
const colourOf = (index) => CLASSES[index][dark() ? 2 : 1];
const classOf = (kmh) => CLASSES.reduce((found, [from], index) => (kmh >= from ? index : found), 0);

const clock = new Intl.DateTimeFormat("en-GB", { timeZone: said.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const hour = new Intl.DateTimeFormat("en-GB", { timeZone: said.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const span = (seconds) => {
  const minutes = Math.round(seconds / 60);
  const unit = (value, name) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  return minutes < 60 ? unit(minutes, "minute") : `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}`;
};

// --- the track as data ------------------------------------------------------------------------------------------------

let track = null; // as the API answers
let places = []; // [lon, lat]
let broken = new Set();
let stopped = []; // stretches that a replay passes over: [from_ms, to_ms]

/** Index of the last point at or before a time. */
function before(ms) {
  const times = track.columns.time_ms;
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= ms) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Where the car was at a time: {lon, lat, kmh, course, index, silent}. Between two points in proportion to the time. */
function whereAt(ms) {
  const { time_ms: times, speed_kmh: speeds, course_deg: courses } = track.columns;
  const index = before(ms);
  const next = index + 1;
  const [lon, lat] = places[index];
  if (next >= times.length || times[next] === times[index] || ms <= times[index]) {
    return { lon, lat, kmh: speeds[index], course: courses[index], index, silent: false };
  }
  if (broken.has(next)) return { lon, lat, kmh: null, course: courses[index], index, silent: true };
  const part = (ms - times[index]) / (times[next] - times[index]);
  const [lonNext, latNext] = places[next];
  const turn = ((courses[next] - courses[index] + 540) % 360) - 180;
  return {
    lon: lon + part * (lonNext - lon),
    lat: lat + part * (latNext - lat),
    kmh: speeds[index] + part * (speeds[next] - speeds[index]),
    course: courses[index] + part * turn,
    index,
    silent: false,
  };
}

/** The track as lines: neighbouring legs of one speed class are one line; silence is a line of its own. */
function linesOf() {
  const { speed_kmh: speeds } = track.columns;
  const features = [];
  const add = (coordinates, properties) =>
    features.push({ type: "Feature", properties, geometry: { type: "LineString", coordinates } });
  let open = null;
  for (let next = 1; next < places.length; next += 1) {
    if (broken.has(next)) {
      open = null;
      add([places[next - 1], places[next]], { speed: -1 });
      continue;
    }
    const speed = classOf((speeds[next - 1] + speeds[next]) / 2);
    if (open && open.speed === speed) open.line.push(places[next]);
    else {
      open = { speed, line: [places[next - 1], places[next]] };
      add(open.line, { speed });
    }
  }
  return { type: "FeatureCollection", features };
}

// --- the map ----------------------------------------------------------------------------------------------------------

let map = null;
let replayed = null;
let live = null;

function carPin(kind) {
  const element = document.createElement("div");
  element.className = `pin-car ${kind}`;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-15 -15 30 30");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M0-11 8 9 0 5-8 9Z");
  svg.append(path);
  element.append(svg);
  return new Marker({ element, rotationAlignment: "map", pitchAlignment: "map" });
}

function pin(className, lonLat, label, press, inside) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.title = label;
  element.setAttribute("aria-label", label);
  if (inside) element.append(inside);
  element.addEventListener("click", (event) => {
    event.stopPropagation();
    press();
  });
  return new Marker({ element }).setLngLat(lonLat).addTo(map);
}

const colours = () => ["match", ["get", "speed"], ...CLASSES.flatMap((_, index) => [index, colourOf(index)]), ink("ink-faint")];

function drawTrack() {
  map.addSource("track", { type: "geojson", data: linesOf(), tolerance: 0.2 });
  const round = { "line-cap": "round", "line-join": "round" };
  const driven = [">=", ["get", "speed"], 0];
  map.addLayer({ id: "track-case", type: "line", source: "track", filter: driven, layout: round, paint: { "line-color": ink("raised"), "line-width": 7, "line-opacity": 0.85 } }, aboveGround);
  map.addLayer({ id: "track-silent", type: "line", source: "track", filter: ["<", ["get", "speed"], 0], paint: { "line-color": ink("ink-faint"), "line-width": 2, "line-dasharray": [2, 2] } }, aboveGround);
  map.addLayer({ id: "track-line", type: "line", source: "track", filter: driven, layout: round, paint: { "line-color": colours(), "line-width": 4 } }, aboveGround);
  onTheme(map, () => {
    map.setPaintProperty("track-case", "line-color", ink("raised"));
    map.setPaintProperty("track-silent", "line-color", ink("ink-faint"));
    map.setPaintProperty("track-line", "line-color", colours());
    legend();
  });
  for (const [index, kind] of [[0, "pin-end"], [places.length - 1, "pin-end last"]]) {
    const element = document.createElement("div");
    element.className = kind;
    new Marker({ element }).setLngLat(places[index]).addTo(map);
  }
  track.summary.stops.forEach((stop, index) => {
    const label = `${t("track_stop", { n: index + 1 })} · ${hour.format(stop.from_ms)} · ${span((stop.to_ms - stop.from_ms) / 1000)}`;
    pin("pin-stop", [stop.lon, stop.lat], label, () => seek(stop.from_ms), document.createTextNode(String(index + 1)));
  });
  for (const event of said.events) {
    if (event.lat === null) continue;
    pin(`pin-event ${event.kind}`, [event.lon, event.lat], `${event.what} · ${clock.format(event.time_ms)}`, () => seek(event.time_ms), icon(event.icon));
  }
  drawAside();
  replayed = carPin("replay").setLngLat(places[0]).addTo(map);
  replayed.getElement().id = "replayed";
  map.on("click", (event) => {
    const near = map.queryRenderedFeatures([[event.point.x - 6, event.point.y - 6], [event.point.x + 6, event.point.y + 6]], { layers: ["track-line"] });
    if (near.length && !event.defaultPrevented) seek(nearestTime(event.lngLat));
  });
  map.on("mousemove", "track-line", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "track-line", () => (map.getCanvas().style.cursor = ""));
}

// Points that were set aside: hollow, for no line leads there. Each says why.
const ASIDE_LISTED = 50;
let popup = null;

function drawAside() {
  const { time_ms: times, lon, lat } = track.aside;
  if (!times.length) return;
  const features = times.map((_, index) => ({ type: "Feature", properties: { index }, geometry: { type: "Point", coordinates: [lon[index], lat[index]] } }));
  map.addSource("aside", { type: "geojson", data: { type: "FeatureCollection", features } });
  // What lies under the ring is seen through it; the pale edge keeps it apart from streets.
  map.addLayer({ id: "aside-edge", type: "circle", source: "aside", paint: { "circle-radius": 5, "circle-opacity": 0, "circle-stroke-width": 4, "circle-stroke-color": ink("raised"), "circle-stroke-opacity": 0.85 } });
  map.addLayer({ id: "aside", type: "circle", source: "aside", paint: { "circle-radius": 5, "circle-color": "rgba(0,0,0,0)", "circle-stroke-width": 2, "circle-stroke-color": ink("warn") } });
  onTheme(map, () => {
    map.setPaintProperty("aside-edge", "circle-stroke-color", ink("raised"));
    map.setPaintProperty("aside", "circle-stroke-color", ink("warn"));
  });
  map.on("click", "aside", (event) => {
    event.preventDefault();
    showAside(event.features[0].properties.index);
  });
  map.on("mousemove", "aside", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "aside", () => (map.getCanvas().style.cursor = ""));
}

const asideText = (index) => `${clock.format(track.aside.time_ms[index])} · ${t(`quality_${track.aside.reason[index]}`)}`;

/** Say of one point why it was set aside, where it is. */
function showAside(index, move = false) {
  const place = [track.aside.lon[index], track.aside.lat[index]];
  const said = document.createElement("div");
  const title = document.createElement("b");
  title.textContent = asideText(index);
  const why = document.createElement("p");
  why.textContent = t(`quality_${track.aside.reason[index]}_what`);
  said.append(title, why);
  popup ??= new Popup({ closeButton: false, maxWidth: "16rem", className: "aside-popup", offset: 9 });
  popup.setLngLat(place).setDOMContent(said).addTo(map);
  if (move) map.easeTo({ center: place, zoom: Math.max(map.getZoom(), 14), duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 400 });
  if (places.length) seek(track.aside.time_ms[index]);
}

function listAside() {
  const count = track.aside.time_ms.length;
  if (!count) return;
  const list = at("asides");
  for (let index = 0; index < Math.min(count, ASIDE_LISTED); index += 1) {
    const button = document.createElement("button");
    button.type = "button";
    const when = document.createElement("span");
    when.textContent = clock.format(track.aside.time_ms[index]);
    const why = document.createElement("span");
    why.className = "push";
    why.textContent = t(`quality_${track.aside.reason[index]}`);
    button.append(when, why);
    button.addEventListener("click", () => showAside(index, true));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  if (count > ASIDE_LISTED)
    list.append(Object.assign(document.createElement("li"), { className: "note", textContent: t("track_aside_more", { n: number.format(count - ASIDE_LISTED) }) }));
  at("aside-card").hidden = false;
}

function nearestTime({ lng, lat }) {
  const wide = Math.cos((lat * Math.PI) / 180);
  let best = 0;
  let least = Infinity;
  places.forEach(([x, y], index) => {
    const away = ((x - lng) * wide) ** 2 + (y - lat) ** 2;
    if (away < least) [least, best] = [away, index];
  });
  return track.columns.time_ms[best];
}

function showWhole(animate = true) {
  // Without a line, what was set aside is all there is to see.
  const all = places.length ? places : track.aside.lon.map((lon, index) => [lon, track.aside.lat[index]]);
  const bounds = all.reduce((box, place) => box.extend(place), new LngLatBounds(all[0], all[0]));
  map.fitBounds(bounds, { padding: 48, maxZoom: 16, animate: animate && !matchMedia("(prefers-reduced-motion: reduce)").matches });
}

function legend() {
  const box = at("legend");
  box.replaceChildren(document.createTextNode(t("track_legend")));
  CLASSES.forEach(([from], index) => {
    const to = CLASSES[index + 1]?.[0];
    const one = document.createElement("span");
    const line = document.createElement("i");
    line.style.background = colourOf(index);
    one.append(line, to === undefined ? `≥ ${from}` : `${from}–${to}`);
    box.append(one);
  });
  if (broken.size) {
    const one = document.createElement("span");
    const line = document.createElement("i");
    line.className = "gap";
    one.append(line, t("track_gap"));
    box.append(one);
  }
  if (track.aside.time_ms.length) {
    const one = document.createElement("span");
    const ring = document.createElement("i");
    ring.className = "ring";
    one.append(ring, t("track_aside_legend", { n: number.format(track.aside.time_ms.length) }));
    box.append(one);
  }
  box.hidden = false;
}

// Where the car is now: the server renews the card, the map follows it.
function showLive() {
  const now = at("now");
  if (!map || !said.today || !now?.dataset.lat) return;
  live ??= carPin("live").setLngLat([0, 0]).addTo(map);
  live.setLngLat([Number(now.dataset.lon), Number(now.dataset.lat)]).setRotation(Number(now.dataset.course));
  const classes = live.getElement().classList;
  classes.toggle("offline", now.dataset.doing === "offline");
  classes.toggle("alarm", now.dataset.alarm === "true");
}
document.addEventListener("htmx:after:swap", showLive);

// --- the chart --------------------------------------------------------------------------------------------------------

let chart = null;

function drawChart() {
  const { time_ms: times, speed_kmh: speeds } = track.columns;
  const points = [];
  times.forEach((ms, index) => {
    if (broken.has(index)) points.push([ms - 1, null]);
    points.push([ms, Math.round(speeds[index])]);
  });
  chart = lineChart(at("chart"), () => ({
    grid: { left: 40, right: 16, top: 26, bottom: 24 },
    xAxis: {
      type: "value", min: times[0], max: times.at(-1), splitLine: { show: false },
      axisLine: { lineStyle: { color: ink("line-strong") } }, axisTick: { show: false },
      axisLabel: { color: ink("ink-soft"), fontSize: 11, hideOverlap: true, formatter: (ms) => hour.format(ms) },
    },
    yAxis: { type: "value", min: 0, minInterval: 20, splitNumber: 3, axisLabel: { color: ink("ink-soft"), fontSize: 11 }, splitLine: { lineStyle: { color: ink("line") } } },
    tooltip: {
      trigger: "axis", renderMode: "richText", backgroundColor: ink("raised"), borderColor: ink("line"), textStyle: { color: ink("ink"), fontSize: 12 },
      axisPointer: { lineStyle: { color: ink("line-strong") } },
      formatter: ([one]) => (one && one.value[1] !== null ? `${clock.format(one.value[0])}  ${one.value[1]} ${t("vehicle_kmh")}` : ""),
    },
    dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false, preventDefaultMouseMove: false }],
    series: [{
      type: "line", data: points, symbol: "none", connectNulls: false,
      // Extremes of each pixel stay: sampling by triangles drew a ramp of speed across a long stop.
      sampling: "minmax",
      lineStyle: { width: 1.25, color: ink("accent") }, areaStyle: { color: ink("info-soft"), opacity: 0.8 },
    }],
  }));
  const press = (event) => seek(chart.convertFromPixel({ xAxisIndex: 0 }, event.offsetX));
  let dragging = false;
  chart.getZr().on("mousedown", (event) => {
    dragging = true;
    press(event);
  });
  chart.getZr().on("mousemove", (event) => dragging && press(event));
  for (const end of ["mouseup", "globalout"]) chart.getZr().on(end, () => (dragging = false));
  for (const event of said.events) {
    const mark = document.createElement("button");
    mark.type = "button";
    mark.className = event.kind;
    mark.title = `${event.what} · ${clock.format(event.time_ms)}`;
    mark.setAttribute("aria-label", mark.title);
    mark.dataset.ms = event.time_ms;
    mark.append(icon(event.icon));
    mark.addEventListener("click", () => seek(event.time_ms));
    at("marks").append(mark);
  }
  chart.on("datazoom", place);
  new ResizeObserver(() => requestAnimationFrame(place)).observe(at("chart"));
  place();
}

// The cursor and the marks are elements over the chart: moving one costs nothing, redrawing the chart would.
function place() {
  if (!chart) return;
  const width = at("chart").clientWidth;
  const put = (element, ms) => {
    const x = chart.convertToPixel({ xAxisIndex: 0 }, ms);
    element.hidden = !(x >= 39 && x <= width - 15);
    element.style.left = `${x}px`;
  };
  put(at("cursor"), now);
  for (const mark of at("marks").children) put(mark, Number(mark.dataset.ms));
}

// --- the one time -----------------------------------------------------------------------------------------------------

let now = 0;
let playing = 0; // of requestAnimationFrame
let following = false;

function seek(ms, { quiet = false } = {}) {
  const times = track.columns.time_ms;
  now = Math.min(Math.max(ms, times[0]), times.at(-1));
  const found = whereAt(now);
  replayed.setLngLat([found.lon, found.lat]).setRotation(found.course);
  replayed.getElement().dataset.index = found.index;
  if (following && !map.isMoving()) {
    const point = map.project([found.lon, found.lat]);
    const { clientWidth: w, clientHeight: h } = map.getContainer();
    if (point.x < w * 0.3 || point.x > w * 0.7 || point.y < h * 0.3 || point.y > h * 0.7) map.panTo([found.lon, found.lat], { duration: 300 });
  }
  at("clock").textContent = clock.format(now);
  at("speed").textContent = found.silent ? "–" : String(Math.round(found.kmh));
  const scrub = at("scrub");
  if (!quiet || document.activeElement !== scrub) scrub.value = String(Math.round((now - times[0]) / 1000));
  scrub.setAttribute("aria-valuetext", clock.format(now));
  const link = at("frame-link");
  if (link) link.href = `${said.frames}?at=${times[found.index]}`;
  const cursor = at("cursor");
  if (chart) {
    cursor.hidden = false;
    cursor.style.left = `${chart.convertToPixel({ xAxisIndex: 0 }, now)}px`;
    cursor.dataset.ms = String(Math.round(now));
  }
}

function play(on) {
  const button = at("play");
  button.replaceChildren(icon(on ? "pause" : "play"));
  button.setAttribute("aria-label", t(on ? "track_pause" : "track_play"));
  button.dataset.playing = String(on);
  cancelAnimationFrame(playing);
  playing = 0;
  if (!on) return;
  const times = track.columns.time_ms;
  if (now >= times.at(-1)) seek(times[0]);
  let last = performance.now();
  const turn = (moment) => {
    // A tab that slept does not leap.
    let next = now + Math.min(moment - last, 250) * Number(at("pace").value);
    last = moment;
    const still = stopped.find(([from, to]) => next > from && next < to);
    if (still) next = still[1];
    seek(next);
    if (now >= times.at(-1)) return play(false);
    playing = requestAnimationFrame(turn);
  };
  playing = requestAnimationFrame(turn);
}

function watch() {
  at("play").disabled = at("scrub").disabled = false;
  at("play").addEventListener("click", () => play(!playing));
  at("scrub").addEventListener("input", (event) => seek(track.columns.time_ms[0] + 1000 * Number(event.target.value), { quiet: true }));
  at("whole").addEventListener("click", () => showWhole());
  at("follow").addEventListener("click", (event) => {
    following = !following;
    event.currentTarget.setAttribute("aria-pressed", String(following));
    if (following) map.easeTo({ center: replayed.getLngLat(), zoom: Math.max(map.getZoom(), 15), duration: 400 });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-seek]");
    if (button) seek(Number(button.dataset.seek));
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, textarea, select, button, a, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      event.preventDefault();
      play(!playing);
    }
  });
}

// --- figures ----------------------------------------------------------------------------------------------------------

function figures() {
  const { summary } = track;
  const put = (key, value, unit, more = "") => {
    const place = document.querySelector(`[data-figure="${key}"]`);
    place.textContent = value;
    if (unit) {
      const small = document.createElement("span");
      small.className = "unit";
      small.textContent = unit;
      place.append(small);
    }
    document.querySelector(`[data-more="${key}"]`).textContent = more;
  };
  put("distance", number.format(summary.distance_m / 1000), t("vehicle_km"), t(`track_from_${summary.distance_from}`));
  put("driving", span(summary.driving_s), "", `${hour.format(summary.first_ms)} – ${hour.format(summary.last_ms)}`);
  put("stopped", span(summary.stopped_s), "", summary.jumps ? t("track_jumps", { n: summary.jumps }) : "");
  put("fastest", String(Math.round(summary.max_speed_kmh)), t("vehicle_kmh"), summary.max_speed_ms ? clock.format(summary.max_speed_ms) : "");
  at("summary").hidden = false;
  const list = at("stops");
  summary.stops.forEach((stop, index) => {
    const button = document.createElement("button");
    button.type = "button";
    const name = document.createElement("b");
    name.textContent = String(index + 1);
    const when = document.createElement("span");
    when.textContent = `${hour.format(stop.from_ms)} – ${hour.format(stop.to_ms)}`;
    const long = document.createElement("span");
    long.className = "push";
    long.textContent = span((stop.to_ms - stop.from_ms) / 1000);
    button.append(name, when, long);
    button.addEventListener("click", () => seek(stop.from_ms));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  });
  if (!summary.stops.length) list.append(Object.assign(document.createElement("li"), { className: "soft", textContent: t("track_no_stops") }));
  at("stops-card").hidden = false;
  const note = at("thinned");
  const notes = [];
  const placed = track.points - summary.unplaced - track.aside.time_ms.length;
  if (track.kept < placed)
    notes.push(t("track_thinned", { kept: track.kept.toLocaleString(language), points: placed.toLocaleString(language), metres: track.thin_m }));
  if (track.next) notes.push(t("track_cut", { n: track.points.toLocaleString(language) }));
  note.textContent = notes.join(" ");
  note.hidden = !notes.length;
}

// --- begin ------------------------------------------------------------------------------------------------------------

// The newest days stand at the right end of the strip.
const strip = document.querySelector(".strip");
strip.scrollLeft = strip.scrollWidth;
strip.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
document.getElementById("day").addEventListener("change", (event) => event.target.value && event.target.form.submit());

try {
  const mapped = groundMap(at("track-map"));
  track = await askApi(said.url);
  map = await mapped;
  showLive();
  places = track.columns.lon.map((lon, index) => [lon, track.columns.lat[index]]);
  broken = new Set(track.broken);
  const times = track.columns.time_ms;
  stopped = [
    ...track.summary.stops.map((stop) => [stop.from_ms + 3000, stop.to_ms - 1000]),
    ...track.broken.map((index) => [times[index - 1] + 1000, times[index]]),
  ].filter(([from, to]) => to > from);
  listAside();
  if (!places.length) {
    at("track-empty").hidden = track.aside.time_ms.length > 0;
    // Without a track there is nothing to play, and no speed to draw.
    for (const part of document.querySelectorAll("#player, .track .chart")) part.hidden = true;
    const here = at("now");
    if (track.aside.time_ms.length) {
      drawAside();
      showWhole(false);
      legend();
    } else if (said.today && here?.dataset.lat) map.jumpTo({ center: [Number(here.dataset.lon), Number(here.dataset.lat)], zoom: 14 });
  } else {
    drawTrack();
    showWhole(false);
    legend();
    figures();
    at("scrub").max = String(Math.round((times.at(-1) - times[0]) / 1000));
    drawChart();
    seek(times[0]);
    watch();
  }
  document.body.dataset.ready = "track";
} catch (problem) {
  document.body.dataset.ready = "failed";
  toast({ kind: "bad", title: t("track_failed"), detail: problem.message });
  throw problem;
}
