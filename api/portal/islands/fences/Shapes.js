// Shapes on the earth: what a fence covers, in metres, and how that is said. Points are [longitude, latitude].
//
// A shape is {kind: "polygon", rings: [[point, …], …]} with rings not closed, or {kind: "circle", centre, radius_m}.

import { language } from "../Texts.js";

const EARTH_M = 6_371_008.8;
const RADIAN = Math.PI / 180;
const CORNERS = 72;

/** Great-circle distance in metres. */
export function distance(a, b) {
  const lat = Math.sin(((b[1] - a[1]) * RADIAN) / 2);
  const lon = Math.sin(((b[0] - a[0]) * RADIAN) / 2);
  const chord = lat * lat + Math.cos(a[1] * RADIAN) * Math.cos(b[1] * RADIAN) * lon * lon;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** The ring of a circle as a map draws it, not closed. */
export function ringOf({ centre, radius_m }) {
  const lat = centre[1] * RADIAN;
  const angle = radius_m / EARTH_M;
  const ring = [];
  for (let k = 0; k < CORNERS; k++) {
    const bearing = (k / CORNERS) * 2 * Math.PI;
    const to = Math.asin(Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(bearing));
    const east = Math.atan2(Math.sin(bearing) * Math.sin(angle) * Math.cos(lat), Math.cos(angle) - Math.sin(lat) * Math.sin(to));
    ring.push([centre[0] + east / RADIAN, to / RADIAN]);
  }
  return ring;
}

/** The rings of any shape, not closed. */
export const ringsOf = (shape) => (shape.kind === "circle" ? [ringOf(shape)] : shape.rings);

/** The shape of a GeoJSON feature of ours. */
export function shapeOf(feature) {
  const { geometry, properties } = feature;
  if (geometry.type === "Point") return { kind: "circle", centre: [...geometry.coordinates], radius_m: properties.radius_m };
  return { kind: "polygon", rings: geometry.coordinates.map((ring) => ring.slice(0, -1).map((point) => [...point])) };
}

/** GeoJSON geometry of a shape as the API takes it. */
export function geometryOf(shape) {
  if (shape.kind === "circle") return { type: "Point", coordinates: shape.centre };
  return { type: "Polygon", coordinates: shape.rings.map((ring) => [...ring, ring[0]]) };
}

/** The feature that the map paints: a polygon, with what its layers ask for. */
export function painted(feature) {
  const shape = shapeOf(feature);
  const rings = ringsOf(shape).map((ring) => [...ring, ring[0]]);
  const { name, colour, active } = feature.properties;
  return { type: "Feature", id: feature.id, geometry: { type: "Polygon", coordinates: rings }, properties: { id: feature.id, name, colour, active } };
}

/** [[west, south], [east, north]] of some shapes, null for none. */
export function boundsOf(shapes) {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const shape of shapes)
    for (const [lon, lat] of ringsOf(shape)[0] ?? []) {
      west = Math.min(west, lon);
      east = Math.max(east, lon);
      south = Math.min(south, lat);
      north = Math.max(north, lat);
    }
  return west <= east ? [[west, south], [east, north]] : null;
}

function ringArea(ring) {
  let sum = 0;
  for (let k = 0; k < ring.length; k++) {
    const [a, b] = [ring[k], ring[(k + 1) % ring.length]];
    sum += (b[0] - a[0]) * RADIAN * (Math.sin(a[1] * RADIAN) + Math.sin(b[1] * RADIAN) - 2 * Math.sin(ring[0][1] * RADIAN));
  }
  return Math.abs((sum * EARTH_M * EARTH_M) / 2);
}

/** Area in m², holes taken off. */
export function area(shape) {
  if (shape.kind === "circle") return Math.PI * shape.radius_m ** 2;
  return shape.rings.reduce((sum, ring, k) => sum + (k ? -1 : 1) * ringArea(ring), 0);
}

/** Length of the boundary in metres. */
export function perimeter(shape) {
  if (shape.kind === "circle") return 2 * Math.PI * shape.radius_m;
  return shape.rings.reduce((sum, ring) => sum + ring.reduce((length, point, k) => length + distance(point, ring[(k + 1) % ring.length]), 0), 0);
}

const number = (value, digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
const zh = language.startsWith("zh");

/** 850 m, 1.2 km. */
export const lengthText = (metres) => (metres < 1000 ? `${number(metres, 0)} ${zh ? "米" : "m"}` : `${number(metres / 1000, metres < 10_000 ? 2 : 0)} ${zh ? "公里" : "km"}`);
/** 850 m², 1.2 km². */
export const areaText = (square) => (square < 1e5 ? `${number(square, 0)} ${zh ? "平方米" : "m²"}` : `${number(square / 1e6, square < 1e8 ? 2 : 0)} ${zh ? "平方公里" : "km²"}`);
