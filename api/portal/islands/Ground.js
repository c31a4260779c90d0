// The map that every page draws on: the demo's city, the customer's own tiles, or a plain ground; light and dark; names
// in the page's language. Labels are drawn with fonts of the reader's machine: no glyph server, nothing from elsewhere.
//
//   const map = await groundMap(document.querySelector("#map"));   // resolves once layers can be added
//   onTheme(map, () => …);                                         // colours changed: repaint your own layers
//
// The element names the worker (data-worker) and what lies under the cars (data-ground: JSON of GET /api/v1/map); where
// that is missing it is asked for. `aboveGround` is the id of the first layer of names: add lines and areas before it.

import {
  AttributionControl, LngLatBounds, Map as LibreMap, NavigationControl, ScaleControl, setWorkerUrl,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import "./Ground.css";

export { LngLatBounds };

const FONT = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "sans-serif"];

const PALETTES = {
  light: {
    sea: "#e9edf1", land: "#f7f7f5", edge: "#d9dde3", water: "#c8dbe9", park: "#e2ecdd", store: "#e4e8f5",
    storeLine: "#8fa5d6", local: "#ffffff", localCase: "#e6e8ec", collector: "#ffffff", collectorCase: "#d6dade",
    arterial: "#ffffff", arterialCase: "#c3c9d1", expressway: "#fbeccb", expresswayCase: "#d8bf85", name: "#5b6573",
    faint: "#8c95a3", place: "#3a4452", parkName: "#557a55", waterName: "#4f7f9f", storeName: "#2a52a0", halo: "#ffffff",
    grid: "#d3d9e0",
  },
  dark: {
    sea: "#0c1015", land: "#14191f", edge: "#242b34", water: "#10293c", park: "#15251d", store: "#1a2440",
    storeLine: "#4a63a3", local: "#232a33", localCase: "#171c23", collector: "#2b333e", collectorCase: "#161b21",
    arterial: "#37414e", arterialCase: "#12171c", expressway: "#524a36", expresswayCase: "#1a1812", name: "#8d99a9",
    faint: "#69747f", place: "#b7c1cd", parkName: "#6f9a78", waterName: "#5f8fb0", storeName: "#9dbaf5", halo: "#12161c",
    grid: "#222a33",
  },
};

export const theme = () =>
  document.documentElement.dataset.theme === "dark" ||
  (document.documentElement.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches)
    ? "dark"
    : "light";

/** Id of the first layer of names; pass it to map.addLayer so that names stay legible above areas. */
export const aboveGround = "ground-street-name";

/**
 * Make a map in an element and return it, as a promise that resolves once its style stands.
 *
 * `options` go to MapLibre (center, zoom, bounds, interactive, …). Without a place the map shows the whole ground.
 */
export async function groundMap(element, options = {}) {
  setWorkerUrl(element.dataset.worker);
  const ground = element.dataset.ground ? JSON.parse(element.dataset.ground) : await ask("/api/v1/map");
  const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const placed = "center" in options || "bounds" in options;
  const map = new LibreMap({
    container: element,
    style: ground.style_url || styleOf(ground, language, PALETTES[theme()]),
    // Room for a car that has left the city; past it there is nothing to see.
    minZoom: 3,
    maxZoom: 19,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    attributionControl: false,
    fadeDuration: 100,
    locale: LOCALES[language],
    ...(placed || !ground.bounds ? {} : { bounds: ground.bounds }),
    fitBoundsOptions: { padding: 24 },
    ...options,
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  if (options.interactive !== false) {
    map.addControl(new NavigationControl({ showCompass: false }), options.controls ?? "top-right");
    map.addControl(new ScaleControl({ maxWidth: 96 }), "bottom-right");
  }
  const said = [ground.attribution, ground.approval].filter(Boolean).join(" · ");
  if (said) map.addControl(new AttributionControl({ compact: false, customAttribution: escaped(said) }), "bottom-right");
  map.ground = ground;
  const repaint = () => {
    if (!ground.style_url) paint(map, styleOf(ground, language, PALETTES[theme()]));
    map.fire("groundtheme", { theme: theme() });
  };
  document.addEventListener("theme", repaint);
  map.once("remove", () => document.removeEventListener("theme", repaint));
  await new Promise((resolve) => map.once("style.load", resolve));
  // Those who add layers may count on a layer of names, whoever made the style.
  if (!map.getLayer(aboveGround)) map.addLayer({ id: aboveGround, type: "background", paint: { "background-opacity": 0 } });
  return map;
}

/** Call back when light turns dark or dark light, with the new theme. */
export function onTheme(map, call) {
  map.on("groundtheme", ({ theme: now }) => call(now));
}

async function ask(path) {
  const answer = await fetch(path, { credentials: "same-origin", headers: { Accept: "application/json" } });
  return answer.ok ? answer.json() : {};
}

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const LOCALES = {
  en: {},
  zh: {
    "NavigationControl.ZoomIn": "放大", "NavigationControl.ZoomOut": "缩小", "Map.Title": "地图",
    "ScaleControl.Meters": "米", "ScaleControl.Kilometers": "公里", "ScaleControl.Feet": "英尺", "ScaleControl.Miles": "英里",
    "AttributionControl.ToggleAttribution": "图注",
  },
};

// Colours and widths of the same layers, without adding them anew: other layers stay where they are.
function paint(map, style) {
  for (const layer of style.layers) {
    if (!map.getLayer(layer.id)) continue;
    for (const [name, value] of Object.entries(layer.paint ?? {})) map.setPaintProperty(layer.id, name, value);
  }
}

// --- the style --------------------------------------------------------------------------------------------------------

const byZoom = (...stops) => ["interpolate", ["exponential", 1.5], ["zoom"], ...stops];

function styleOf(ground, language, colour) {
  const layers = [{ id: "ground-sea", type: "background", paint: { "background-color": colour.sea } }];
  const style = { version: 8, sources: {}, layers };
  if (ground.tiles_url) {
    style.sources.tiles = { type: "raster", tiles: [absolute(ground.tiles_url)], tileSize: 256, maxzoom: ground.tiles_zoom_max ?? 18 };
    const dark = colour === PALETTES.dark;
    layers.push({
      id: "ground-tiles", type: "raster", source: "tiles",
      // Somebody else's tiles are made for day: at night they are dimmed.
      paint: { "raster-brightness-max": dark ? 0.55 : 1, "raster-saturation": dark ? -0.4 : -0.15 },
    });
  } else if (ground.layers?.length) {
    for (const name of ground.layers)
      style.sources[name] = { type: "geojson", data: absolute(`${ground.city_url}/${name}.geojson?v=${ground.etag ?? ""}`), maxzoom: 15, tolerance: 0.3 };
    layers.push(...cityLayers(language, colour));
  } else {
    style.sources.grid = { type: "geojson", data: graticule() };
    layers.push({ id: "ground-grid", type: "line", source: "grid", paint: { "line-color": colour.grid, "line-width": 1 } });
  }
  return style;
}

const absolute = (path) => (path.startsWith("/") ? location.origin + path : path);

function cityLayers(language, colour) {
  const name = ["coalesce", ["get", `name_${language}`], ["get", "name_zh"]];
  const street = (id, source, rank, line, casing, width, minzoom) => {
    const shared = { type: "line", source, minzoom, filter: ["==", ["get", "rank"], rank] };
    const joined = { "line-cap": "round", "line-join": "round" };
    return [
      { ...shared, id: `ground-${id}-case`, layout: joined, paint: { "line-color": casing, "line-width": 1.4, "line-gap-width": byZoom(...width) } },
      { ...shared, id: `ground-${id}`, layout: joined, paint: { "line-color": line, "line-width": byZoom(...width) } },
    ];
  };
  const [localCase, local] = street("local", "street", 3, colour.local, colour.localCase, [12, 0.6, 15, 4, 18, 16], 12);
  const [collectorCase, collector] = street("collector", "street", 2, colour.collector, colour.collectorCase, [10, 0.5, 13, 2, 15, 6, 18, 22], 10);
  const [arterialCase, arterial] = street("arterial", "arterial", 1, colour.arterial, colour.arterialCase, [9, 0.8, 12, 2.6, 15, 9, 18, 30], 8);
  const [expressCase, express] = street("express", "arterial", 0, colour.expressway, colour.expresswayCase, [8, 1, 12, 3.4, 15, 12, 18, 38], 6);
  // Far off a street is one line: its edges would be most of it.
  for (const layer of [localCase, collectorCase]) layer.minzoom = 13;
  const text = (id, source, extra) => ({
    id: `ground-${id}`, type: "symbol", source, ...extra,
    paint: { "text-color": colour.name, "text-halo-color": colour.halo, "text-halo-width": 1.4, ...extra.paint },
    layout: { "text-field": name, "text-font": FONT, "text-size": 12, "text-padding": 4, ...extra.layout },
  });
  const along = { "symbol-placement": "line", "symbol-spacing": 340, "text-letter-spacing": language === "zh" ? 0.12 : 0.02, "text-max-angle": 35 };
  return [
    { id: "ground-land", type: "fill", source: "ground", paint: { "fill-color": colour.land } },
    { id: "ground-park", type: "fill", source: "park", filter: ["!", ["has", "kind"]], paint: { "fill-color": colour.park } },
    { id: "ground-water", type: "fill", source: "water", paint: { "fill-color": colour.water } },
    { id: "ground-edge", type: "line", source: "ground", maxzoom: 13, paint: { "line-color": colour.edge, "line-width": 1, "line-dasharray": [3, 3] } },
    localCase, collectorCase, arterialCase, expressCase, local, collector, arterial, express,
    { id: "ground-store", type: "fill", source: "park", filter: ["has", "kind"], minzoom: 12, paint: { "fill-color": colour.store, "fill-outline-color": colour.storeLine } },
    text("street-name", "street", { minzoom: 14.2, layout: { ...along, "text-size": 11 } }),
    text("arterial-name", "arterial", { minzoom: 11.6, layout: { ...along, "text-size": byZoom(11, 10.5, 16, 13) } }),
    text("water-name", "water", { minzoom: 11, maxzoom: 15, paint: { "text-color": colour.waterName }, layout: { "text-letter-spacing": 0.3 } }),
    text("park-name", "place", { minzoom: 12, filter: ["==", ["get", "kind"], "park"], paint: { "text-color": colour.parkName }, layout: { "text-size": 11.5, "text-max-width": 7 } }),
    text("district-name", "place", {
      minzoom: 8, maxzoom: 14.5, filter: ["==", ["get", "kind"], "district"], paint: { "text-color": colour.place },
      layout: { "text-size": byZoom(9, 11, 13, 16), "text-letter-spacing": language === "zh" ? 0.2 : 0.05 },
    }),
    text("store-name", "place", {
      minzoom: 12.2, filter: ["==", ["get", "kind"], "store"], paint: { "text-color": colour.storeName },
      layout: { "text-size": 12, "text-max-width": 8, "text-offset": [0, 0.2] },
    }),
  ];
}

// Lines of latitude and longitude, where no map is: one still sees north, and how far things are apart.
function graticule() {
  const lines = [];
  for (let lon = -180; lon <= 180; lon += 1) lines.push([[lon, -80], [lon, 80]]);
  for (let lat = -80; lat <= 80; lat += 1) lines.push([[-180, lat], [180, lat]]);
  return { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } };
}
