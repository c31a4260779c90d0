// Suspected thefts: for each a small map of where the car was parked, how it went from there, and where it was last.

import { LngLatBounds, aboveGround, groundMap, onTheme, theme } from "./Ground.js";
import { askApi } from "./Api.js";
import { htmx } from "./portal.js";
import "./guards.css";

const COLOURS = { light: { line: "#a32718", place: "#1b4b9e" }, dark: { line: "#ff8f7d", place: "#9dbaf5" } };
const CIRCLE_POINTS = 48;
const METRES_PER_DEGREE = 111_195;
const drawn = new WeakSet();

const point = (lon, lat, role) => ({ type: "Feature", properties: { role }, geometry: { type: "Point", coordinates: [lon, lat] } });

/** Return the ring of points that lie so many metres from a place. */
function ring(lon, lat, metres) {
  const north = metres / METRES_PER_DEGREE;
  const east = north / Math.cos((lat * Math.PI) / 180);
  return Array.from({ length: CIRCLE_POINTS + 1 }, (_, number) => {
    const angle = (2 * Math.PI * number) / CIRCLE_POINTS;
    return [lon + east * Math.cos(angle), lat + north * Math.sin(angle)];
  });
}

async function draw(box) {
  if (drawn.has(box)) return;
  drawn.add(box);
  const [lat, lon] = [Number(box.dataset.lat), Number(box.dataset.lon)];
  const has = "placeLat" in box.dataset;
  const [placeLat, placeLon] = [Number(box.dataset.placeLat), Number(box.dataset.placeLon)];
  const bounds = new LngLatBounds([lon, lat], [lon, lat]);
  if (has) bounds.extend([placeLon, placeLat]);
  const element = box.querySelector(".map");
  const map = await groundMap(element, { bounds, fitBoundsOptions: { padding: 48, maxZoom: 16.5 }, attributionControl: false });
  const track = await path(box);
  const features = [point(...(track.at(-1) ?? [lon, lat]), "last")];
  if (has) {
    features.push(point(placeLon, placeLat, "place"));
    if (box.dataset.radius) features.push({ type: "Feature", properties: { role: "ring" }, geometry: { type: "LineString", coordinates: ring(placeLon, placeLat, Number(box.dataset.radius)) } });
  }
  const line = track.length > 1 ? track : has ? [[placeLon, placeLat], [lon, lat]] : [];
  if (line.length > 1) {
    features.push({ type: "Feature", properties: { role: track.length > 1 ? "path" : "gap" }, geometry: { type: "LineString", coordinates: line } });
    for (const corner of line) bounds.extend(corner);
    map.fitBounds(bounds, { padding: 48, maxZoom: 16.5, animate: false });
  }
  const paint = () => {
    const colour = COLOURS[theme()];
    for (const id of ["guard-line", "guard-gap", "guard-ring", "guard-points"]) if (map.getLayer(id)) map.removeLayer(id);
    if (!map.getSource("guard")) map.addSource("guard", { type: "geojson", data: { type: "FeatureCollection", features } });
    const before = map.getLayer(aboveGround) ? aboveGround : undefined;
    const only = (role) => ["==", ["get", "role"], role];
    map.addLayer({ id: "guard-line", type: "line", source: "guard", filter: only("path"), paint: { "line-color": colour.line, "line-width": 4 } }, before);
    map.addLayer({ id: "guard-gap", type: "line", source: "guard", filter: only("gap"), paint: { "line-color": colour.line, "line-width": 3, "line-dasharray": [2, 2] } }, before);
    map.addLayer({ id: "guard-ring", type: "line", source: "guard", filter: only("ring"), paint: { "line-color": colour.place, "line-width": 2, "line-dasharray": [3, 2] } }, before);
    map.addLayer({
      id: "guard-points", type: "circle", source: "guard", filter: ["in", ["get", "role"], ["literal", ["place", "last"]]],
      paint: { "circle-radius": 8, "circle-color": ["match", ["get", "role"], "place", colour.place, colour.line], "circle-stroke-color": "#ffffff", "circle-stroke-width": 2.5 },
    });
  };
  paint();
  onTheme(map, paint);
  element.dataset.drawn = "true";
}

/** Return where the car went since a little before it was suspected, up to now; nothing where that cannot be read. */
async function path(box) {
  try {
    const until = Date.now();
    const track = await askApi(`/api/v1/vehicles/${box.dataset.vehicle}/track?from=${box.dataset.from}&to=${until}&thin=3`);
    return track.columns.lon.map((lon, at) => [lon, track.columns.lat[at]]);
  } catch {
    return [];
  }
}

function drawAll() {
  for (const box of document.querySelectorAll(".suspicion-map")) void draw(box);
}

drawAll();
htmx.on("htmx:afterSettle", drawAll);
