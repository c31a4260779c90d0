// Drawing and changing one shape on a map, with mouse, finger and keys.
//
// Own, not a library: holes, a double click that ends, Backspace that takes a step back and a table of coordinates that
// stays in step are what people expect here, and each is a fight elsewhere. The shape is painted on a canvas above the
// map, so that it follows the pointer without a round trip through the map's worker.
//
//   polygon   press for each corner; double click, Enter or the first corner ends; Backspace takes back; Escape gives up
//   circle    press and pull from the centre, or press twice
//   change    pull a corner; pull a midpoint for a new one; Delete or a long press takes one away; pull the inside to move

import { distance, ringOf, ringsOf } from "./Shapes.js";

const NEAR_MOUSE = 9;
const NEAR_FINGER = 22;
const MIDPOINTS_MAX = 400;
const UNDO_MAX = 100;
const LONG_PRESS_MS = 550;
const STILL_PX = 6;

const copy = (shape) => (shape ? structuredClone(shape) : null);

/** Events: `change` (the shape is another), `end` (drawn), `cancel`, `mode`. */
export class Draw extends EventTarget {
  constructor(map, colours) {
    super();
    this.map = map;
    this.colours = colours;
    this.mode = "idle"; // idle, polygon, circle, change
    this.shape = null;
    this.corner = null; // [ring, index] chosen
    this.marked = null; // [ring, index] at fault
    this.pointer = null; // where the next corner would be
    this.past = [];
    this.grip = null;
    this.canvas = document.createElement("canvas");
    this.canvas.className = "drawing";
    this.canvas.setAttribute("aria-hidden", "true");
    map.getCanvasContainer().append(this.canvas);
    this.pen = this.canvas.getContext("2d");
    map.on("render", () => this.paint());
    map.on("resize", () => this.paint());
    const holder = map.getCanvasContainer();
    // Captured: before the map's own handlers hear of the press, its pulling is switched off.
    holder.addEventListener("pointerdown", (event) => this.press(event), true);
    window.addEventListener("pointermove", (event) => this.move(event));
    window.addEventListener("pointerup", (event) => this.release(event));
    window.addEventListener("pointercancel", () => this.letGo());
    holder.addEventListener("contextmenu", (event) => this.secondary(event), true);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // --- what others ask for ------------------------------------------------------------------------------------------

  begin(kind) {
    this.shape = kind === "circle" ? null : { kind: "polygon", rings: [[]] };
    this.reset(kind);
    this.changed();
  }

  edit(shape) {
    this.shape = copy(shape);
    this.reset("change");
    this.changed();
  }

  clear() {
    this.shape = null;
    this.reset("idle");
    this.changed();
  }

  /** Take over a shape that was typed. */
  set(shape) {
    this.remember();
    this.shape = copy(shape);
    this.corner = this.marked = null;
    this.changed();
  }

  /** Show which corner is at fault; null: none. */
  mark(ring, index) {
    this.marked = ring === null ? null : [ring, index];
    this.map.triggerRepaint();
  }

  undo() {
    if (!this.past.length) return false;
    this.shape = this.past.pop();
    this.corner = this.marked = null;
    this.changed();
    return true;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canEnd() {
    return this.mode === "polygon" && this.shape.rings[0].length >= 3;
  }

  /** End the polygon under way. */
  end() {
    if (!this.canEnd) return;
    this.become("change");
    this.past = [];
    this.changed();
    this.say("end");
  }

  cancel() {
    this.clear();
    this.say("cancel");
  }

  removeCorner() {
    if (this.mode !== "change" || !this.corner || this.shape?.kind !== "polygon") return;
    const [ring, index] = this.corner;
    this.remember();
    const corners = this.shape.rings[ring];
    if (corners.length > 3) corners.splice(index, 1);
    else if (ring > 0) this.shape.rings.splice(ring, 1);
    else this.past.pop();
    this.corner = null;
    this.changed();
  }

  // --- inside ---------------------------------------------------------------------------------------------------------

  reset(mode) {
    this.past = [];
    this.corner = this.marked = this.pointer = null;
    this.letGo();
    this.become(mode);
  }

  become(mode) {
    this.mode = mode;
    const drawing = mode === "polygon" || mode === "circle";
    this.map.getCanvas().style.cursor = drawing ? "crosshair" : "";
    // A double click ends a polygon; it must not zoom as well, and it is told after the polygon has ended.
    this.map.doubleClickZoom[mode === "idle" ? "enable" : "disable"]();
    this.say("mode");
  }

  say(name) {
    this.dispatchEvent(new Event(name));
  }

  changed() {
    this.map.triggerRepaint();
    this.say("change");
  }

  remember() {
    this.past.push(copy(this.shape));
    if (this.past.length > UNDO_MAX) this.past.shift();
  }

  at(event) {
    const box = this.map.getCanvas().getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  place({ x, y }) {
    const { lng, lat } = this.map.unproject([x, y]);
    return [Number(lng.toFixed(7)), Number(lat.toFixed(7))];
  }

  onScreen(point) {
    return this.map.project(point);
  }

  /** What lies under a point of the screen: {what: corner | midpoint | centre | rim | inside, ring, index}. */
  under(spot, near) {
    if (!this.shape) return null;
    const far = (point) => {
      const { x, y } = this.onScreen(point);
      return Math.hypot(x - spot.x, y - spot.y);
    };
    let best = null;
    let least = near;
    const offer = (point, found) => {
      const apart = far(point);
      if (apart < least) [least, best] = [apart, found];
    };
    if (this.shape.kind === "circle") {
      offer(this.shape.centre, { what: "centre" });
      if (!best) for (const point of ringOf(this.shape)) offer(point, { what: "rim" });
    } else {
      this.shape.rings.forEach((ring, r) => ring.forEach((point, k) => offer(point, { what: "corner", ring: r, index: k })));
      if (!best && this.midpoints)
        this.shape.rings.forEach((ring, r) =>
          ring.forEach((point, k) => offer(middle(point, ring[(k + 1) % ring.length]), { what: "midpoint", ring: r, index: k + 1 })),
        );
    }
    if (!best && this.holds(spot)) best = { what: "inside" };
    return best;
  }

  get midpoints() {
    return this.mode === "change" && this.shape?.kind === "polygon" && this.shape.rings.reduce((sum, ring) => sum + ring.length, 0) <= MIDPOINTS_MAX;
  }

  holds(spot) {
    let odd = false;
    for (const ring of ringsOf(this.shape)) {
      const points = ring.map((point) => this.onScreen(point));
      points.forEach((a, k) => {
        const b = points[(k + 1) % points.length];
        if (a.y > spot.y !== b.y > spot.y && spot.x < ((b.x - a.x) * (spot.y - a.y)) / (b.y - a.y) + a.x) odd = !odd;
      });
    }
    return odd;
  }

  press(event) {
    if (this.mode === "idle" || event.button > 0 || !event.isPrimary) {
      // A second finger zooms: what the first began is not a press.
      if (!event.isPrimary) this.letGo();
      return;
    }
    // Buttons of the map lie beside the canvas, not on it.
    const spot = this.at(event);
    const near = event.pointerType === "mouse" ? NEAR_MOUSE : NEAR_FINGER;
    this.grip = { id: event.pointerId, from: spot, at: this.place(spot), moved: false, near };
    if (this.mode === "circle") {
      if (this.shape) {
        this.grip.what = "second";
      } else {
        this.shape = { kind: "circle", centre: this.place(spot), radius_m: 0 };
        this.grip.what = "radius";
      }
      this.map.dragPan.disable();
    } else if (this.mode === "change") {
      const under = this.under(spot, near);
      if (!under) return;
      Object.assign(this.grip, under, { was: copy(this.shape) });
      this.corner = under.what === "corner" ? [under.ring, under.index] : null;
      this.map.dragPan.disable();
      if (under.what === "corner" && event.pointerType !== "mouse")
        this.grip.timer = setTimeout(() => {
          this.removeCorner();
          this.letGo();
        }, LONG_PRESS_MS);
      this.map.triggerRepaint();
    }
  }

  move(event) {
    const spot = this.at(event);
    if (this.mode === "polygon" || (this.mode === "circle" && this.shape && !this.grip)) {
      this.pointer = event.pointerType === "mouse" ? this.place(spot) : null;
      if (this.mode === "circle" && this.pointer) this.shape.radius_m = distance(this.shape.centre, this.pointer);
      this.map.triggerRepaint();
      if (this.mode === "circle") this.say("change");
    }
    const grip = this.grip;
    if (!grip || event.pointerId !== grip.id) {
      if (this.mode === "change" && !grip && event.target === this.map.getCanvas()) this.hover(spot);
      return;
    }
    if (!grip.moved && Math.hypot(spot.x - grip.from.x, spot.y - grip.from.y) < STILL_PX) return;
    if (!grip.moved) {
      grip.moved = true;
      clearTimeout(grip.timer);
      if (grip.was) this.remember();
      if (grip.what === "midpoint") {
        this.shape.rings[grip.ring].splice(grip.index, 0, grip.at);
        grip.what = "corner";
        this.corner = [grip.ring, grip.index];
      }
    }
    const to = this.place(spot);
    if (grip.what === "radius" || grip.what === "rim") this.shape.radius_m = distance(this.shape.centre, to);
    else if (grip.what === "corner") this.shape.rings[grip.ring][grip.index] = to;
    else if (grip.what === "centre") this.shape.centre = to;
    else if (grip.what === "inside") this.shape = shifted(grip.was, to[0] - grip.at[0], to[1] - grip.at[1]);
    else return;
    this.marked = null;
    this.changed();
  }

  release(event) {
    const grip = this.grip;
    if (!grip || event.pointerId !== grip.id) return;
    const spot = this.at(event);
    const still = !grip.moved && Math.hypot(spot.x - grip.from.x, spot.y - grip.from.y) < STILL_PX;
    this.letGo();
    if (this.mode === "polygon" && still) this.addCorner(spot, grip.near);
    else if (this.mode === "circle" && (grip.moved || grip.what === "second")) {
      if (grip.what === "second") this.shape.radius_m = distance(this.shape.centre, this.place(spot));
      if (this.shape.radius_m > 0) {
        this.become("change");
        this.changed();
        this.say("end");
      }
    } else if (this.mode === "change" && still) this.changed();
  }

  addCorner(spot, near) {
    const ring = this.shape.rings[0];
    const over = (point) => {
      const { x, y } = this.onScreen(point);
      return Math.hypot(x - spot.x, y - spot.y) < near;
    };
    if (ring.length >= 3 && (over(ring[0]) || over(ring.at(-1)))) {
      // The first corner again, or the last one twice: a double click ends on the corner its first half has set.
      this.end();
      return;
    }
    if (ring.length && over(ring.at(-1))) return;
    this.remember();
    ring.push(this.place(spot));
    this.changed();
  }

  letGo() {
    clearTimeout(this.grip?.timer);
    this.grip = null;
    this.map.dragPan.enable();
  }

  hover(spot) {
    const under = this.under(spot, NEAR_MOUSE);
    const cursor = { corner: "grab", midpoint: "copy", centre: "move", rim: "ew-resize", inside: "move" }[under?.what] ?? "";
    if (this.map.getCanvas().style.cursor !== cursor) this.map.getCanvas().style.cursor = cursor;
  }

  secondary(event) {
    if (this.mode !== "change") return;
    const under = this.under(this.at(event), NEAR_MOUSE);
    if (under?.what !== "corner") return;
    event.preventDefault();
    this.corner = [under.ring, under.index];
    this.removeCorner();
  }

  key(event) {
    if (this.mode === "idle" || event.target.closest?.("input, textarea, select, dialog")) return;
    const meta = event.ctrlKey || event.metaKey;
    if (event.key === "Escape" && this.mode !== "change") this.cancel();
    else if (event.key === "Enter" && this.mode === "polygon" && !event.target.closest?.("button, a, summary")) this.end();
    else if (event.key === "z" && meta) this.undo();
    else if (event.key === "Backspace" && this.mode === "polygon") this.undo();
    else if ((event.key === "Delete" || event.key === "Backspace") && this.mode === "change") this.removeCorner();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- painting -------------------------------------------------------------------------------------------------------

  paint() {
    const { clientWidth: width, clientHeight: height } = this.map.getCanvas();
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const pen = this.pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (!this.shape) return;
    const { line, ground, bad } = this.colours();
    const open = this.mode === "polygon";
    const rings = ringsOf(this.shape).map((ring) => ring.map((point) => this.onScreen(point)));
    pen.beginPath();
    for (const ring of rings) {
      ring.forEach(({ x, y }, k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      if (open && this.pointer && ring.length) {
        const { x, y } = this.onScreen(this.pointer);
        pen.lineTo(x, y);
      }
      if (!open) pen.closePath();
    }
    pen.globalAlpha = 0.18;
    pen.fillStyle = line;
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.lineWidth = 2.5;
    pen.lineJoin = "round";
    pen.strokeStyle = line;
    if (open) pen.setLineDash([6, 5]);
    pen.stroke();
    pen.setLineDash([]);
    const dot = (x, y, radius, colour, within) => {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fillStyle = within;
      pen.fill();
      pen.lineWidth = 2;
      pen.strokeStyle = colour;
      pen.stroke();
    };
    if (this.shape.kind === "circle") {
      const { x, y } = this.onScreen(this.shape.centre);
      dot(x, y, 5, line, ground);
      if (this.mode === "change") for (const k of [0, 18, 36, 54]) dot(rings[0][k].x, rings[0][k].y, 5, line, ground);
      return;
    }
    if (this.mode === "change" && this.midpoints)
      for (const ring of rings)
        ring.forEach((a, k) => {
          const b = ring[(k + 1) % ring.length];
          if (Math.hypot(a.x - b.x, a.y - b.y) > 34) dot((a.x + b.x) / 2, (a.y + b.y) / 2, 3, line, line);
        });
    this.shape.rings.forEach((ring, r) =>
      ring.forEach((_, k) => {
        const { x, y } = rings[r][k];
        const chosen = this.corner?.[0] === r && this.corner[1] === k;
        const wrong = this.marked?.[0] === r && this.marked[1] === k;
        const first = open && k === 0 && ring.length >= 3;
        dot(x, y, wrong ? 8 : first || chosen ? 7 : 5, wrong ? bad : line, chosen ? line : ground);
      }),
    );
  }
}

const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

function shifted(shape, east, north) {
  const to = ([lon, lat]) => [Number((lon + east).toFixed(7)), Number((lat + north).toFixed(7))];
  if (shape.kind === "circle") return { ...shape, centre: to(shape.centre) };
  return { ...shape, rings: shape.rings.map((ring) => ring.map(to)) };
}
