// All cars as points of one WebGL draw call a state: arrows for those that drive, dots for those that stand.
//
// A point's place between its last two fixes is found in the shader from the time, so a frame costs the main thread
// nothing per car; only a tick of the feed writes the buffer anew.

import { ONLINE, STATES } from "./Cars.js";

const FLOATS = 8; // from x, y; to x, y; start, glide; course in radians; 1 marked, 2 dimmed
const ORDER = STATES.map((_, state) => state); // alarms last: on top

const VERTEX = `#version 300 es
in vec4 way; in vec2 when; in vec2 look;
uniform mat4 matrix; uniform float now, size, ratio; uniform vec2 grow;
out float turn; out float marked; out float wide;
void main() {
  float part = when.y > 0.0 ? clamp((now - when.x) / when.y, 0.0, 1.0) : 1.0;
  gl_Position = matrix * vec4(mix(way.xy, way.zw, part), 0.0, 1.0);
  turn = look.x; marked = look.y;
  wide = (look.y > 0.5 ? max(size * 1.5, 20.0) : size) * grow.x;
  gl_PointSize = wide * ratio * grow.y;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in float turn; in float marked; in float wide;
uniform vec4 colour, rim, mark; uniform float arrow, pulse, ratio; uniform vec2 grow;
out vec4 painted;
void main() {
  vec2 at = (gl_PointCoord * 2.0 - 1.0) * grow.y;       // 1 is the edge of the sign itself; beyond it a halo
  float c = cos(turn), s = sin(turn);
  vec2 p = vec2(abs(at.x * c + at.y * s), at.y * c - at.x * s);
  float inside;
  if (arrow > 0.5 && wide > 8.0) {
    float side = dot(p - vec2(0.0, -0.82), vec2(0.932, -0.362));
    float back = dot(p - vec2(0.0, 0.42), vec2(-0.33, 0.944));
    inside = max(side, back);
  } else {
    inside = length(at) - (arrow > 0.5 ? 0.66 : 0.56);
  }
  float soft = 2.4 / (wide * ratio);
  float rims = wide > 8.0 ? 3.2 / wide : 1.6 / wide;
  float body = 1.0 - smoothstep(-soft, soft * 0.4, inside);
  float edge = 1.0 - smoothstep(-soft, soft * 0.4, inside - rims);
  vec4 sign = mix(rim * edge, colour, body);
  if (marked > 0.5) {
    float ring = abs(length(at) - 1.12);
    sign = mix(sign, mark, (1.0 - smoothstep(0.06, 0.06 + soft, ring)) * (1.0 - sign.a));
  }
  if (pulse >= 0.0) {
    float wave = 0.7 + pulse * 1.1;
    float ring = 1.0 - smoothstep(0.0, 0.30, abs(length(at) - wave));
    float ground = (1.0 - smoothstep(0.7, 1.25, length(at))) * 0.35;
    sign += colour * max(ring * (1.0 - pulse) * 0.8, ground) * (1.0 - sign.a);
  }
  if (sign.a < 0.01) discard;
  painted = sign;
}`;

export class CarLayer {
  id = "cars";
  type = "custom";
  renderingMode = "2d";

  /** `cars` is drawn; `shown(slot)` says whether one passes the filter; `marked()` gives the slot to ring, or -1. */
  constructor(cars, { shown, marked, now }) {
    Object.assign(this, { cars, shown, marked, now });
    this.first = new Uint32Array(STATES.length + 1);
    this.data = new Float32Array(0);
    this.colours = null;
    this.dirty = true;
    this.drawn = 0;
    this.build_ms = 0;
  }

  /** Colours by state, and {rim, mark}, each [r, g, b] 0 to 1. */
  paint(colours) {
    this.colours = colours;
    this.map?.triggerRepaint();
  }

  onAdd(map, gl) {
    this.map = map;
    const shader = (kind, source) => {
      const made = gl.createShader(kind);
      gl.shaderSource(made, source);
      gl.compileShader(made);
      if (!gl.getShaderParameter(made, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(made));
      return made;
    };
    const program = (this.program = gl.createProgram());
    gl.attachShader(program, shader(gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    this.at = {};
    for (const name of ["matrix", "now", "size", "ratio", "grow", "colour", "rim", "mark", "arrow", "pulse"])
      this.at[name] = gl.getUniformLocation(program, name);
    this.buffer = gl.createBuffer();
    this.array = gl.createVertexArray();
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    for (const [name, size, offset] of [["way", 4, 0], ["when", 2, 4], ["look", 2, 6]]) {
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, gl.FLOAT, false, FLOATS * 4, offset * 4);
    }
    gl.bindVertexArray(null);
    this.reserved = 0;
    this.dirty = true;
  }

  onRemove(map, gl) {
    gl.deleteBuffer(this.buffer);
    gl.deleteVertexArray(this.array);
    gl.deleteProgram(this.program);
  }

  /** Say that cars or filter changed: the next frame writes the buffer anew. */
  renew() {
    this.dirty = true;
    this.map?.triggerRepaint();
  }

  build(gl) {
    const began = performance.now();
    const { cars, shown } = this;
    const { id, state, flags, course, fromX, fromY, toX, toY, start, glide } = cars;
    if (this.data.length < cars.count * FLOATS) this.data = new Float32Array(cars.capacity * FLOATS);
    const data = this.data;
    const first = this.first.fill(0);
    for (let slot = 0; slot < cars.count; slot++) if (id[slot] && shown(slot)) first[state[slot] + 1] += 1;
    for (let at = 1; at < first.length; at++) first[at] += first[at - 1];
    const next = first.slice();
    // Floats are exact to a hundredth of a pixel only near an origin: that is where the reader looks.
    const centre = this.map.getCenter();
    const originX = (this.originX = centre.lng / 360 + 0.5);
    const originY = (this.originY = 0.5 - Math.asinh(Math.tan((centre.lat * Math.PI) / 180)) / (2 * Math.PI));
    const origin_s = (this.origin_s = this.now());
    const marked = this.marked();
    for (let slot = 0; slot < cars.count; slot++) {
      if (!id[slot] || !shown(slot)) continue;
      const at = next[state[slot]]++ * FLOATS;
      data[at] = fromX[slot] - originX;
      data[at + 1] = fromY[slot] - originY;
      data[at + 2] = toX[slot] - originX;
      data[at + 3] = toY[slot] - originY;
      data[at + 4] = start[slot] - origin_s;
      data[at + 5] = glide[slot];
      data[at + 6] = (course[slot] * Math.PI) / 90;
      data[at + 7] = slot === marked ? 1 : 0;
    }
    this.drawn = first[STATES.length];
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    if (this.reserved < data.length) {
      gl.bufferData(gl.ARRAY_BUFFER, data.byteLength, gl.DYNAMIC_DRAW);
      this.reserved = data.length;
    }
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, data, 0, this.drawn * FLOATS);
    this.dirty = false;
    this.build_ms = performance.now() - began;
  }

  render(gl, { defaultProjectionData }) {
    if (!this.colours) return;
    if (this.dirty) this.build(gl);
    if (!this.drawn) return;
    const { at, map } = this;
    const zoom = map.getZoom();
    const now = this.now();
    gl.useProgram(this.program);
    gl.bindVertexArray(this.array);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.uniformMatrix4fv(at.matrix, false, moved(defaultProjectionData.mainMatrix, this.originX, this.originY));
    gl.uniform1f(at.now, now - this.origin_s);
    gl.uniform1f(at.size, sizeAt(zoom, this.drawn));
    const ratio = map.getPixelRatio();
    gl.uniform1f(at.ratio, ratio);
    gl.uniform4fv(at.rim, this.colours.rim);
    gl.uniform4fv(at.mark, this.colours.mark);
    const marked = this.marked() >= 0;
    for (const state of ORDER) {
      const count = this.first[state + 1] - this.first[state];
      if (!count) continue;
      const name = STATES[state];
      const alarm = name === "alarm";
      gl.uniform4fv(at.colour, this.colours[name]);
      gl.uniform1f(at.arrow, name === "driving" || alarm ? 1 : 0);
      gl.uniform1f(at.pulse, alarm ? (this.cars.motion ? (now % 1.6) / 1.6 : 0.4) : -1);
      // Those that stand are smaller; those in need have room for their halo.
      gl.uniform2f(at.grow, alarm ? 1.35 : name === "driving" ? 1.2 : zoom < 14 ? 0.7 : 0.8, alarm ? 2 : marked ? 1.3 : 1);
      gl.drawArrays(gl.POINTS, this.first[state], count);
    }
    gl.bindVertexArray(null);
  }
}

/** Pixels across at a zoom: dots where the city is a hand's breadth, signs where one sees streets; fewer cars, larger. */
const sizeAt = (zoom, count) => {
  const size = zoom <= 10 ? 6 : zoom <= 13 ? 6 + (zoom - 10) * 2 : zoom <= 16 ? 12 + (zoom - 13) * 4 : 24;
  return zoom >= 14 ? size : size * (count < 1000 ? 1.35 : count < 4000 ? 1.1 : 0.9);
};

const product = new Float32Array(16);
// The matrix behind a shift to the origin, multiplied in doubles.
function moved(matrix, x, y) {
  for (let at = 0; at < 12; at++) product[at] = matrix[at];
  for (let row = 0; row < 4; row++) product[12 + row] = matrix[row] * x + matrix[4 + row] * y + matrix[12 + row];
  return product;
}

export { ONLINE };
