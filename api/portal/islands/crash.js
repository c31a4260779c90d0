// The map of the crash card: the way before the impact, the way after it, and the place; and printing the page.

import { Marker } from "maplibre-gl";
import { LngLatBounds, aboveGround, groundMap, onTheme } from "./Ground.js";
import "./crash.css";

const NEAR_M = 250;
/** A token of portal.css as the page shows it now. (Chart.js has it too, and all of the charts with it.) */
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const place = document.getElementById("crash-map");
document.querySelector("[data-print]")?.addEventListener("click", () => print());
if (place) await draw(JSON.parse(place.dataset.crash));
document.body.dataset.ready = "crash";

async function draw({ before, after, place: at, exact }) {
  // A canvas is printed only if its last picture is kept.
  const map = await groundMap(place, { bounds: around(at), cooperativeGestures: true, canvasContextAttributes: { preserveDrawingBuffer: true } });
  const line = (coordinates) => ({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
  const ways = { before: "accent", after: "warn" };
  for (const [name, coordinates] of Object.entries({ before, after })) {
    if (coordinates.length < 2) continue;
    map.addSource(name, { type: "geojson", data: line(coordinates) });
    map.addLayer({ id: name, type: "line", source: name, layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": ink(ways[name]), "line-width": 4 } }, aboveGround);
  }
  onTheme(map, () => {
    for (const [name, token] of Object.entries(ways)) if (map.getLayer(name)) map.setPaintProperty(name, "line-color", ink(token));
  });
  const sign = document.createElement("span");
  sign.className = exact ? "crash-place" : "crash-place last";
  new Marker({ element: sign }).setLngLat(at).addTo(map);
}

/** The ground around a place, wide enough for the last seconds before it. */
function around([lon, lat]) {
  const up = NEAR_M / 111_195;
  const aside = up / Math.cos((lat * Math.PI) / 180);
  return new LngLatBounds([lon - aside, lat - up], [lon + aside, lat + up]);
}
