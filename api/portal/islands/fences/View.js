// The fences on the map: only what is on the screen is read, as fine as its pixels; of too many, counts.

import { Problem, askApi } from "../Api.js";
import { LngLatBounds, aboveGround, onTheme } from "../Ground.js";
import { anchorOf, area, boundsOf, painted, pathsOf, shapeOf } from "./Shapes.js";

const PAUSE_MS = 120;
const MARGIN = 0.35;
const NAMES_ZOOM = 11;
const FONT = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"];
const EMPTY = { type: "FeatureCollection", features: [] };
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const strong = (plain, more) => ["case", ["any", ["boolean", ["feature-state", "chosen"], false], ["boolean", ["feature-state", "hover"], false]], more, plain];
const colourOf = () => ["case", ["!", ["get", "active"]], ink("ink-faint"), ["==", ["get", "colour"], ""], ink("accent"), ["get", "colour"]];

/** Events: `open` (detail: id of the fence that was pressed), `shown` (what is on the screen is another), `problem`. */
export class View extends EventTarget {
  /** @param filters () => URLSearchParams that the list has, too */
  constructor(map, filters) {
    super();
    Object.assign(this, { map, filters, features: new Map(), read: null, wait: 0, asking: null, hovered: 0, chosen: 0, hidden: 0, busy: () => false });
    this.extra = null; // the chosen fence in full, whatever the map's outlines are
    this.addLayers();
    map.on("moveend", () => this.soon());
    onTheme(map, () => this.repaint());
  }

  // --- reading --------------------------------------------------------------------------------------------------------

  soon() {
    clearTimeout(this.wait);
    this.wait = setTimeout(() => this.renew(), PAUSE_MS);
  }

  /** Read what is on the screen, unless it is known; `anew`: read it in any case. Resolves when it is painted. */
  async renew(anew = false) {
    clearTimeout(this.wait);
    const zoom = this.map.getZoom();
    const bounds = this.map.getBounds();
    const [west, south, east, north] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    const known = this.read;
    // A step of the zoom makes outlines finer, and what was counted may be drawn.
    if (!anew && known && Math.abs(zoom - known.zoom) < (known.counted ? 0.25 : 0.75) && west >= known.west && east <= known.east && south >= known.south && north <= known.north) return;
    const [wide, high] = [(east - west) * MARGIN, (north - south) * MARGIN];
    const box = { west: Math.max(-180, west - wide), south: Math.max(-85, south - high), east: Math.min(180, east + wide), north: Math.min(85, north + high), zoom };
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    const query = this.filters();
    query.set("bbox", [box.west, box.south, box.east, box.north].map((one) => one.toFixed(6)).join(","));
    query.set("zoom", zoom.toFixed(2));
    try {
      const answer = await askApi(`/api/v1/geofences?${query}`, { signal: asking.signal });
      if (this.asking !== asking) return;
      this.features = new Map(answer.features.map((feature) => [feature.id, feature]));
      this.clusters = answer.clusters ?? [];
      this.count = answer.count ?? answer.features.length;
      this.read = { ...box, counted: this.clusters.length > 0 };
      this.paint();
      this.dispatchEvent(new Event("shown"));
    } catch (problem) {
      if (problem.name === "AbortError") return;
      if (!(problem instanceof Problem)) throw problem;
      this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
    }
  }

  // --- what others ask for --------------------------------------------------------------------------------------------

  /** Show this fence, as it has just been saved, without asking. */
  put(feature) {
    this.features.set(feature.id, feature);
    this.paint();
  }

  drop(id) {
    this.features.delete(id);
    this.paint();
  }

  /** Leave out the fence that is being changed: it is drawn by itself. 0: none. */
  hide(id) {
    if (this.hidden === id) return;
    this.hidden = id;
    this.paint();
  }

  choose(id, feature = null) {
    if (this.chosen) this.map.setFeatureState({ source: "fences", id: this.chosen }, { chosen: false });
    this.chosen = id;
    if (id) this.map.setFeatureState({ source: "fences", id }, { chosen: true });
    const before = this.extra;
    this.extra = feature;
    if (before !== feature) this.paint();
  }

  hover(id) {
    if (id === this.hovered) return;
    if (this.hovered) this.map.setFeatureState({ source: "fences", id: this.hovered }, { hover: false });
    if (id) this.map.setFeatureState({ source: "fences", id }, { hover: true });
    this.hovered = id;
  }

  look(shapes, most = 16) {
    const bounds = boundsOf(shapes);
    if (bounds) this.map.fitBounds(LngLatBounds.convert(bounds), { padding: this.map.getCanvas().clientWidth < 500 ? 32 : 60, maxZoom: most, animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
  }

  cars(places) {
    this.map.getSource("cars").setData({ type: "FeatureCollection", features: places.map(({ lon, lat }) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: [lon, lat] } })) });
  }

  /** What a file would save, and what of it is refused. */
  preview(features) {
    this.map.getSource("preview").setData({ type: "FeatureCollection", features });
  }

  /** The nearest corner of a fence on the screen within so many pixels of a spot, or null: what snapping takes. */
  nearby(spot, near) {
    const { lng, lat } = this.map.unproject([spot.x, spot.y]);
    const edge = this.map.unproject([spot.x + near, spot.y + near]);
    const [wide, high] = [Math.abs(edge.lng - lng), Math.abs(edge.lat - lat)];
    let [best, least] = [null, near];
    for (const feature of this.features.values()) {
      if (feature.id === this.hidden || feature.properties.form === "dot") continue;
      const shape = shapeOf(feature);
      for (const path of shape.kind === "circle" ? [[shape.centre]] : pathsOf(shape))
        for (const point of path) {
          if (Math.abs(point[0] - lng) > wide || Math.abs(point[1] - lat) > high) continue;
          const { x, y } = this.map.project(point);
          const apart = Math.hypot(x - spot.x, y - spot.y);
          if (apart < least) [best, least] = [point, apart];
        }
    }
    return best;
  }

  // --- painting -------------------------------------------------------------------------------------------------------

  paint() {
    const shown = new Map(this.features);
    if (this.extra) shown.set(this.extra.id, this.extra);
    shown.delete(this.hidden);
    const areas = [];
    const dots = [];
    const names = [];
    for (const feature of shown.values()) {
      const { name, colour, active, form } = feature.properties;
      if (form === "dot") {
        dots.push({ type: "Feature", id: feature.id, geometry: feature.geometry, properties: { id: feature.id, colour, active } });
        continue;
      }
      areas.push(painted(feature));
      // One name a fence: of an area cut into tiles the map would write it in each.
      names.push({ type: "Feature", properties: { name }, geometry: { type: "Point", coordinates: anchorOf(shapeOf(feature)) } });
    }
    const clusters = (this.clusters ?? []).map(({ lon, lat, count, bbox }) => ({ type: "Feature", properties: { count, bbox: bbox.join(",") }, geometry: { type: "Point", coordinates: [lon, lat] } }));
    for (const [name, features] of [["fences", areas], ["dots", dots], ["names", names], ["clusters", clusters]]) this.map.getSource(name)?.setData({ type: "FeatureCollection", features });
  }

  addLayers() {
    const { map } = this;
    for (const name of ["fences", "dots"]) map.addSource(name, { type: "geojson", data: EMPTY, promoteId: "id" });
    for (const name of ["names", "clusters", "preview", "cars"]) map.addSource(name, { type: "geojson", data: EMPTY });
    const below = map.getLayer(aboveGround) ? aboveGround : undefined;
    map.addLayer({ id: "fence-fill", type: "fill", source: "fences", paint: { "fill-opacity": strong(0.1, 0.24) } }, below);
    map.addLayer({ id: "fence-line", type: "line", source: "fences", filter: ["get", "active"], paint: { "line-width": strong(1.6, 3) } }, below);
    map.addLayer({ id: "fence-paused", type: "line", source: "fences", filter: ["!", ["get", "active"]], paint: { "line-width": strong(1.4, 2.6), "line-dasharray": [3, 2.5] } }, below);
    map.addLayer({ id: "fence-dot", type: "circle", source: "dots", paint: { "circle-radius": 3.5, "circle-stroke-width": 1 } }, below);
    map.addLayer({ id: "preview-fill", type: "fill", source: "preview", filter: ["!=", ["geometry-type"], "Point"], paint: { "fill-opacity": 0.16 } });
    map.addLayer({ id: "preview-line", type: "line", source: "preview", filter: ["!=", ["geometry-type"], "Point"], paint: { "line-width": 2, "line-dasharray": [2, 1.5] } });
    map.addLayer({ id: "preview-dot", type: "circle", source: "preview", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 5, "circle-stroke-width": 2, "circle-opacity": 0.25 } });
    map.addLayer({ id: "fence-cars", type: "circle", source: "cars", paint: { "circle-radius": 5, "circle-stroke-width": 1.5 } });
    const lettering = { "text-font": FONT, "text-size": 12 };
    map.addLayer({ id: "fence-cluster", type: "circle", source: "clusters", paint: { "circle-radius": ["interpolate", ["linear"], ["log10", ["get", "count"]], 0, 11, 4, 24], "circle-opacity": 0.88, "circle-stroke-width": 2 } });
    map.addLayer({ id: "fence-clustered", type: "symbol", source: "clusters", layout: { ...lettering, "text-field": ["to-string", ["get", "count"]], "text-allow-overlap": true } });
    map.addLayer({
      id: "fence-name", type: "symbol", source: "names", minzoom: NAMES_ZOOM, paint: { "text-halo-width": 1.6 },
      layout: { ...lettering, "text-field": ["get", "name"], "text-max-width": 9, "text-padding": 6, "symbol-placement": "point" },
    });
    this.repaint();
    const free = () => !this.busy();
    map.on("click", (event) => {
      if (!free()) return;
      const found = map.queryRenderedFeatures(event.point, { layers: ["fence-cluster", "fence-dot", "fence-fill"] });
      const cluster = found.find((one) => one.layer.id === "fence-cluster");
      if (cluster) {
        const [west, south, east, north] = cluster.properties.bbox.split(",").map(Number);
        map.fitBounds([[west, south], [east, north]], { padding: 60, maxZoom: Math.max(map.getZoom() + 2, 12) });
        return;
      }
      // The smallest of those under the pointer: a store's yard lies in its district.
      const size = (id) => (this.features.has(id) && this.features.get(id).properties.form !== "dot" ? area(shapeOf(this.features.get(id))) : 0);
      const ids = [...new Set(found.map((one) => one.properties.id))].sort((a, b) => size(a) - size(b));
      if (ids.length) this.dispatchEvent(new CustomEvent("open", { detail: ids[0] }));
    });
    for (const layer of ["fence-fill", "fence-dot", "fence-cluster"]) {
      map.on("mousemove", layer, (event) => {
        if (!free()) return;
        if (layer === "fence-fill") this.hover(event.features[0].properties.id);
        map.getCanvas().style.cursor = "pointer";
      });
      map.on("mouseleave", layer, () => {
        this.hover(0);
        if (free()) map.getCanvas().style.cursor = "";
      });
    }
  }

  repaint() {
    const refused = ["case", ["==", ["get", "fate"], "refused"], ink("bad"), ["==", ["get", "fate"], "unchanged"], ink("ink-faint"), ink("accent")];
    for (const [layer, name, value] of [
      ["fence-fill", "fill-color", colourOf()], ["fence-line", "line-color", colourOf()], ["fence-paused", "line-color", colourOf()],
      ["fence-dot", "circle-color", colourOf()], ["fence-dot", "circle-stroke-color", ink("surface")],
      ["fence-name", "text-color", ink("ink")], ["fence-name", "text-halo-color", ink("surface")],
      ["fence-cars", "circle-color", ink("good")], ["fence-cars", "circle-stroke-color", ink("surface")],
      ["preview-fill", "fill-color", refused], ["preview-line", "line-color", refused],
      ["preview-dot", "circle-color", refused], ["preview-dot", "circle-stroke-color", refused],
      ["fence-cluster", "circle-color", ink("accent")], ["fence-cluster", "circle-stroke-color", ink("surface")],
      ["fence-clustered", "text-color", ink("accent-ink")],
    ])
      this.map.setPaintProperty(layer, name, value);
  }
}
