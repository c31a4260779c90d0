// Shapes on the earth: what a fence covers, in metres, and how that is said. Points are [longitude, latitude].
//
// A shape is {kind: "polygon", rings: [[point, …], …]} with rings not closed, {kind: "circle", centre, radius_m}, or
// {kind: "corridor", line: [point, …], width_m}: all that lies within half its width of the line. Points are never
// changed, only put in another's place: a copy shares them.

import { language } from "../Texts.js";

const EARTH_M = 6_371_008.8;
const RADIAN = Math.PI / 180;
const CORNERS = 72;
const ARC = Math.PI / 12;

/** Great-circle distance in metres. */
export function distance(a, b) {
  const lat = Math.sin(((b[1] - a[1]) * RADIAN) / 2);
  const lon = Math.sin(((b[0] - a[0]) * RADIAN) / 2);
  const chord = lat * lat + Math.cos(a[1] * RADIAN) * Math.cos(b[1] * RADIAN) * lon * lon;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** The point so many metres east and north of another, on the plane that touches the earth there. */
export const offset = (point, east_m, north_m) => [
  point[0] + east_m / (EARTH_M * RADIAN * Math.cos(point[1] * RADIAN)),
  point[1] + north_m / (EARTH_M * RADIAN),
];

/** How many metres one point lies east and north of another near it. */
const apart = (from, to) => [
  (to[0] - from[0]) * EARTH_M * RADIAN * Math.cos(((from[1] + to[1]) / 2) * RADIAN),
  (to[1] - from[1]) * EARTH_M * RADIAN,
];

export function copyOf(shape) {
  if (!shape) return null;
  if (shape.kind === "polygon") return { ...shape, rings: shape.rings.map((ring) => ring.slice()) };
  return shape.kind === "corridor" ? { ...shape, line: shape.line.slice() } : { ...shape };
}

/** Lists of corners that are drawn and counted: the rings, the one line, or none. They are the shape's own. */
export const pathsOf = (shape) => (shape?.kind === "polygon" ? shape.rings : shape?.kind === "corridor" ? [shape.line] : []);

export const cornerCount = (shape) => pathsOf(shape).reduce((sum, path) => sum + path.length, 0);

/** Whether there is enough of it to be saved. */
export function isWhole(shape) {
  if (!shape) return false;
  if (shape.kind === "circle") return shape.radius_m > 0;
  return shape.kind === "corridor" ? shape.line.length >= 2 && shape.width_m > 0 : shape.rings[0].length >= 3;
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

/** The outline of a corridor, not closed: along its left side, round the end, back along the right, round the start. */
export function bandOf({ line, width_m }) {
  const points = line.filter((point, k) => k === 0 || distance(point, line[k - 1]) > 0.01);
  const half = width_m / 2;
  if (points.length < 2) return points.length ? ringOf({ centre: points[0], radius_m: half }) : [];
  const back = [...points].reverse();
  let folded = false;
  const side = (along) => {
    const ways = along.slice(1).map((to, k) => {
      const [x, y] = apart(along[k], to);
      const length = Math.hypot(x, y);
      return { x: x / length, y: y / length, length };
    });
    const out = [];
    // To the left of a way lies (-y, x).
    const put = (point, x, y) => out.push(offset(point, x * half, y * half));
    put(along[0], -ways[0].y, ways[0].x);
    for (let k = 1; k < ways.length; k++) {
      const [a, b] = [ways[k - 1], ways[k]];
      const turn = Math.atan2(a.x * b.y - a.y * b.x, a.x * b.x + a.y * b.y);
      if (turn > 0) {
        // The inner side of a bend: where both sides meet, if the ways are long enough for that.
        const reach = half * Math.tan(turn / 2);
        if (reach < Math.min(a.length, b.length)) {
          const [x, y] = [-a.y - b.y, a.x + b.x];
          const scale = 1 / (1 + a.x * b.x + a.y * b.y);
          put(along[k], x * scale, y * scale);
        } else {
          folded = true;
          put(along[k], -a.y, a.x);
          put(along[k], -b.y, b.x);
        }
      } else {
        const steps = Math.max(1, Math.ceil(-turn / ARC));
        const from = Math.atan2(a.x, -a.y);
        for (let step = 0; step <= steps; step++) put(along[k], Math.cos(from + (turn * step) / steps), Math.sin(from + (turn * step) / steps));
      }
    }
    // Round the end, half a turn to the right.
    const last = ways.at(-1);
    const from = Math.atan2(last.x, -last.y);
    for (let step = 0; step < 12; step++) put(along.at(-1), Math.cos(from - (Math.PI * step) / 12), Math.sin(from - (Math.PI * step) / 12));
    return out;
  };
  const ring = [...side(points), ...side(back)];
  // Where bends are tighter than the corridor is wide, the sides run through one another: what lies inside goes.
  return folded ? ring.filter((point) => fromLine(point, points) > half * 0.97) : ring;
}

/** How far a point lies from a line, in metres. */
function fromLine(point, line) {
  let least = Infinity;
  for (let k = 1; k < line.length; k++) {
    const [ax, ay] = apart(point, line[k - 1]);
    const [bx, by] = apart(point, line[k]);
    const [dx, dy] = [bx - ax, by - ay];
    const at = Math.min(1, Math.max(0, -(ax * dx + ay * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(ax + at * dx, ay + at * dy));
  }
  return least;
}

/** The rings of any shape, not closed. */
export const ringsOf = (shape) => (shape.kind === "circle" ? [ringOf(shape)] : shape.kind === "corridor" ? [bandOf(shape)] : shape.rings);

/** The shape of a GeoJSON feature of ours. */
export function shapeOf(feature) {
  const { geometry, properties } = feature;
  if (geometry.type === "Point") return { kind: "circle", centre: geometry.coordinates, radius_m: properties.radius_m };
  if (geometry.type === "LineString") return { kind: "corridor", line: geometry.coordinates.slice(), width_m: properties.width_m };
  return { kind: "polygon", rings: geometry.coordinates.map((ring) => ring.slice(0, -1)) };
}

/** GeoJSON geometry of a shape as the API takes it. */
export function geometryOf(shape) {
  if (shape.kind === "circle") return { type: "Point", coordinates: shape.centre };
  if (shape.kind === "corridor") return { type: "LineString", coordinates: shape.line };
  return { type: "Polygon", coordinates: shape.rings.map((ring) => [...ring, ring[0]]) };
}

const centimetres = (metres) => Math.round(metres * 100) / 100;

/** Properties that a shape has besides its geometry. */
export const sizesOf = (shape) => (shape.kind === "circle" ? { radius_m: centimetres(shape.radius_m) } : shape.kind === "corridor" ? { width_m: centimetres(shape.width_m) } : {});

/** The feature that the map paints: a polygon, with what its layers ask for. */
export function painted(feature) {
  const rings = ringsOf(shapeOf(feature)).map((ring) => [...ring, ring[0]]);
  const { name, colour = "", active = true } = feature.properties;
  return { type: "Feature", id: feature.id, geometry: { type: "Polygon", coordinates: rings }, properties: { id: feature.id, name, colour, active } };
}

const NAMED_CORNERS_MAX = 2_000;

/** Where a fence's name stands: within it, half-way along a corridor. */
export function anchorOf(shape) {
  if (shape.kind === "circle") return shape.centre;
  if (shape.kind === "corridor") {
    let rest = lengthOf(shape.line) / 2;
    for (let k = 1; k < shape.line.length; k++) {
      const [a, b] = [shape.line[k - 1], shape.line[k]];
      const length = distance(a, b);
      if (rest <= length) return [a[0] + ((b[0] - a[0]) * rest) / (length || 1), a[1] + ((b[1] - a[1]) * rest) / (length || 1)];
      rest -= length;
    }
    return shape.line[0];
  }
  const [[west, south], [east, north]] = boundsOf([shape]);
  if (cornerCount(shape) > NAMED_CORNERS_MAX) return [(west + east) / 2, (south + north) / 2];
  // The middle of the widest stretch inside, on a few parallels: the middle of the box may lie in a hole, or outside.
  let [best, widest] = [[(west + east) / 2, (south + north) / 2], 0];
  for (const part of [0.5, 0.35, 0.65, 0.2, 0.8]) {
    const lat = south + (north - south) * part;
    const meets = shape.rings.flatMap((ring) =>
      ring.flatMap((a, k) => {
        const b = ring[(k + 1) % ring.length];
        return a[1] > lat === b[1] > lat ? [] : [a[0] + ((b[0] - a[0]) * (lat - a[1])) / (b[1] - a[1])];
      }),
    );
    meets.sort((a, b) => a - b);
    for (let k = 0; k + 1 < meets.length; k += 2) {
      const width = meets[k + 1] - meets[k];
      // Nearer to the middle is better, unless it is much narrower there.
      if (width > widest * (part === 0.5 ? 1 : 1.3)) [best, widest] = [[(meets[k] + meets[k + 1]) / 2, lat], width];
    }
  }
  return best;
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
  return ringsOf(shape).reduce((sum, ring, k) => sum + (k ? -1 : 1) * ringArea(ring), 0);
}

/** Length of a line in metres. */
export const lengthOf = (line) => line.reduce((length, point, k) => length + (k ? distance(line[k - 1], point) : 0), 0);

/** Length of the boundary in metres; of a corridor that of its line. */
export function perimeter(shape) {
  if (shape.kind === "circle") return 2 * Math.PI * shape.radius_m;
  if (shape.kind === "corridor") return lengthOf(shape.line);
  return shape.rings.reduce((sum, ring) => sum + ring.reduce((length, point, k) => length + distance(point, ring[(k + 1) % ring.length]), 0), 0);
}

const CROSSINGS_LOOKED_MAX = 600;

/**
 * Two edges of a polygon that meet where they must not, as [ring, corner, ring, corner], from 0; null for none.
 * A first look while somebody draws: past so many corners, and for all else, the server decides.
 */
export function crossing(shape) {
  if (shape?.kind !== "polygon" || cornerCount(shape) > CROSSINGS_LOOKED_MAX) return null;
  const edges = shape.rings.flatMap((ring, r) => (ring.length < 3 ? [] : ring.map((a, k) => [a, ring[(k + 1) % ring.length], r, k, ring.length])));
  const side = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  for (let i = 0; i < edges.length; i++)
    for (let j = i + 1; j < edges.length; j++) {
      const [a, b, r, k, count] = edges[i];
      const [c, d, s, m] = edges[j];
      if (r === s && (m === k + 1 || (k === 0 && m === count - 1))) continue;
      if (Math.max(a[0], b[0]) < Math.min(c[0], d[0]) || Math.max(c[0], d[0]) < Math.min(a[0], b[0])) continue;
      if (side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0) return [r, k, s, m];
    }
  return null;
}

const number = (value, digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
const zh = language.startsWith("zh");

/** 850 m, 1.2 km. */
export const lengthText = (metres) => (metres < 1000 ? `${number(metres, 0)} ${zh ? "米" : "m"}` : `${number(metres / 1000, metres < 10_000 ? 2 : 0)} ${zh ? "公里" : "km"}`);
/** 850 m², 1.2 km². */
export const areaText = (square) => (square < 1e5 ? `${number(square, 0)} ${zh ? "平方米" : "m²"}` : `${number(square / 1e6, square < 1e8 ? 2 : 0)} ${zh ? "平方公里" : "km²"}`);
