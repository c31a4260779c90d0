// Drawing on the map: a polygon with holes, a circle, a corridor; changing, moving, taking back and doing again.
//
// A canvas above the map shows what is being drawn; the map goes on zooming and panning below it. Pointer events serve
// mouse, pen and fingers alike, and the same is done by keys while the map has the focus:
//
//   polygon, hole   press for each corner; Enter, a double click or the first corner again ends it
//   corridor        the same along a road; Enter or a double click ends it
//   circle          press and pull from the centre, or press twice
//   change          pull a corner; pull a midpoint for a new one; Delete or a long press takes one away; pull the inside
//                   to move all of it; a corridor's side dots make it wider
//
// Keys: arrows move a cross (or the chosen corner), Space sets a corner there, PageDown and PageUp choose corners,
// Insert puts one behind the chosen, Backspace takes back while drawing, Ctrl+Z and Ctrl+Shift+Z undo and do again.

import { bandOf, copyOf, cornerCount, crossing, distance, isWhole, offset, pathsOf, ringOf, ringsOf } from "./Shapes.js";

const NEAR_MOUSE = 9;
const NEAR_FINGER = 22;
const SNAP_PX = 12;
const MIDPOINTS_MAX = 400;
const UNDO_MAX = 100;
const LONG_PRESS_MS = 550;
const STILL_PX = 6;
const STEP_PX = 8;
const EDGE_PX = 40;
const MIDPOINT_GAP_PX = 34;
const RIM = [0, 18, 36, 54];
const DRAWING = ["polygon", "circle", "corridor", "hole"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Events: `change` (the shape is another), `end` (drawn), `cancel`, `mode`, `chosen` (another corner, or none). */
export class Draw extends EventTarget {
  /**
   * @param map a map of Ground.js
   * @param colours () => ({line, ground, bad}) of the present theme
   * @param nearby (spot, near) => a point of other fences within so many pixels of that one, or null
   */
  constructor(map, colours, nearby) {
    super();
    Object.assign(this, { map, colours, nearby });
    this.mode = "idle"; // idle, change, or one of DRAWING
    this.shape = null;
    this.corner = null; // [path, index] chosen
    this.marked = []; // [path, index] at fault
    this.pointer = null; // where the next corner would be
    this.cross = null; // the same, on the screen, when keys set it
    this.snapping = false;
    this.past = [];
    this.future = [];
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
    // Captured as well: arrows would pan the map.
    document.addEventListener("keydown", (event) => this.key(event), true);
  }

  // --- what others ask for ------------------------------------------------------------------------------------------

  begin(kind, width_m = 0) {
    this.shape = { polygon: { kind, rings: [[]] }, corridor: { kind, line: [], width_m }, circle: null }[kind];
    this.reset(kind);
    this.changed();
  }

  /** Draw a hole into the polygon there is. */
  beginHole() {
    if (this.mode !== "change" || this.shape?.kind !== "polygon") return;
    this.remember();
    this.shape.rings.push([]);
    this.corner = null;
    this.become("hole");
    this.changed();
  }

  edit(shape) {
    this.shape = copyOf(shape);
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
    this.shape = copyOf(shape);
    this.corner = null;
    this.marked = [];
    if (isWhole(this.shape) && this.mode !== "hole") this.become("change");
    this.changed();
  }

  /** Show which corners are at fault: [path, index] each. */
  mark(corners) {
    this.marked = corners;
    this.map.triggerRepaint();
  }

  /** Bring a corner into sight and choose it. */
  reveal(path, index) {
    const point = pathsOf(this.shape)[path]?.[index];
    if (!point) return;
    if (this.mode === "change") this.choose([path, index]);
    if (!this.map.getBounds().contains(point)) this.map.easeTo({ center: point });
  }

  undo() {
    return this.step(this.past, this.future);
  }

  redo() {
    return this.step(this.future, this.past);
  }

  step(from, to) {
    if (!from.length || this.grip?.moved) return false;
    to.push({ shape: this.shape, mode: this.mode });
    const { shape, mode } = from.pop();
    this.shape = copyOf(shape);
    this.corner = null;
    this.marked = [];
    if (mode !== this.mode) this.become(mode);
    this.changed();
    return true;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  get isDrawing() {
    return DRAWING.includes(this.mode);
  }

  /** The list of corners that a press adds to. */
  get path() {
    return { polygon: this.shape?.rings?.[0], hole: this.shape?.rings?.at(-1), corridor: this.shape?.line }[this.mode] ?? null;
  }

  get canEnd() {
    return this.path !== null && this.path.length >= (this.mode === "corridor" ? 2 : 3);
  }

  /** End what is being drawn. */
  end() {
    if (!this.canEnd) return;
    const hole = this.mode === "hole";
    this.remember();
    this.pointer = this.cross = null;
    this.become("change");
    this.changed();
    this.say(hole ? "hole" : "end");
  }

  cancel() {
    if (this.mode === "hole") {
      this.shape.rings.pop();
      this.pointer = this.cross = null;
      this.become("change");
      this.changed();
      return;
    }
    this.clear();
    this.say("cancel");
  }

  get canRemoveCorner() {
    return this.mode === "change" && this.corner !== null;
  }

  removeCorner() {
    if (!this.canRemoveCorner) return;
    const [path, index] = this.corner;
    const corners = pathsOf(this.shape)[path];
    if (corners.length > (this.shape.kind === "corridor" ? 2 : 3)) {
      this.remember();
      pathsOf(this.shape)[path].splice(index, 1);
    } else if (path > 0) {
      this.remember();
      this.shape.rings.splice(path, 1);
    } else return;
    this.choose(null);
    this.changed();
  }

  /** One more corner half-way to the next. */
  insertCorner() {
    if (!this.canRemoveCorner) return;
    const [path, index] = this.corner;
    this.remember();
    const corners = pathsOf(this.shape)[path];
    const last = this.shape.kind === "corridor" && index === corners.length - 1;
    const to = last ? index : index + 1;
    corners.splice(to, 0, middle(corners[last ? index - 1 : index], corners[last ? index : (index + 1) % corners.length]));
    this.choose([path, to]);
    this.changed();
  }

  // --- inside ---------------------------------------------------------------------------------------------------------

  reset(mode) {
    this.past = [];
    this.future = [];
    this.corner = this.pointer = this.cross = null;
    this.marked = [];
    this.letGo();
    this.become(mode);
  }

  become(mode) {
    this.mode = mode;
    this.map.getCanvas().style.cursor = this.isDrawing ? "crosshair" : "";
    // A double click ends a polygon; it must not zoom as well, and it is told after the polygon has ended.
    this.map.doubleClickZoom[mode === "idle" ? "enable" : "disable"]();
    this.say("mode");
  }

  say(name) {
    this.dispatchEvent(new Event(name));
  }

  choose(corner) {
    this.corner = corner;
    this.map.triggerRepaint();
    this.say("chosen");
  }

  changed() {
    this.crossed = null;
    this.looked = false;
    this.map.triggerRepaint();
    this.say("change");
  }

  /** Edges that cross, looked for once a change. */
  get crossing() {
    if (!this.looked) [this.crossed, this.looked] = [this.mode === "change" ? crossing(this.shape) : null, true];
    return this.crossed;
  }

  remember() {
    this.past.push({ shape: this.shape, mode: this.mode });
    if (this.past.length > UNDO_MAX) this.past.shift();
    this.future = [];
    // What was remembered stays as it was.
    this.shape = copyOf(this.shape);
  }

  at(event) {
    const box = this.map.getCanvas().getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  place(spot) {
    const snapped = this.snapping ? this.nearby(spot, SNAP_PX) : null;
    if (snapped) return snapped;
    const { lng, lat } = this.map.unproject([spot.x, spot.y]);
    return [Number(lng.toFixed(7)), Number(lat.toFixed(7))];
  }

  onScreen(point) {
    return this.map.project(point);
  }

  /** The dots by which a corridor is made wider: one on each side, half-way along its longest part. */
  get sides() {
    if (this.shape?.kind !== "corridor" || this.shape.line.length < 2) return [];
    const { line, width_m } = this.shape;
    let [best, longest] = [1, 0];
    for (let k = 1; k < line.length; k++) {
      const length = distance(line[k - 1], line[k]);
      if (length > longest) [best, longest] = [k, length];
    }
    const [a, b] = [line[best - 1], line[best]];
    const at = middle(a, b);
    const east = (b[0] - a[0]) * Math.cos((at[1] * Math.PI) / 180);
    const north = b[1] - a[1];
    const length = Math.hypot(east, north) || 1;
    const half = width_m / 2 / length;
    return [offset(at, -north * half, east * half), offset(at, north * half, -east * half)];
  }

  /** What lies under a point of the screen: {what: corner | midpoint | centre | rim | side | inside, path, index}. */
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
      pathsOf(this.shape).forEach((path, p) => path.forEach((point, k) => offer(point, { what: "corner", path: p, index: k })));
      if (!best && this.midpoints) this.eachMidpoint((point, path, index) => offer(point, { what: "midpoint", path, index }));
      if (!best) for (const point of this.sides) offer(point, { what: "side" });
    }
    if (!best && this.holds(spot)) best = { what: "inside" };
    return best;
  }

  get midpoints() {
    return this.mode === "change" && cornerCount(this.shape) <= MIDPOINTS_MAX;
  }

  eachMidpoint(call) {
    const open = this.shape.kind === "corridor";
    pathsOf(this.shape).forEach((path, p) =>
      path.forEach((point, k) => {
        if (open && k === path.length - 1) return;
        const next = path[(k + 1) % path.length];
        const [a, b] = [this.onScreen(point), this.onScreen(next)];
        if (Math.hypot(a.x - b.x, a.y - b.y) > MIDPOINT_GAP_PX) call(middle(point, next), p, k + 1);
      }),
    );
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
    this.cross = null;
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
      this.choose(under?.what === "corner" ? [under.path, under.index] : null);
      if (!under) return;
      Object.assign(this.grip, under, { was: this.shape });
      this.map.dragPan.disable();
      if (under.what === "corner" && event.pointerType !== "mouse")
        this.grip.timer = setTimeout(() => {
          this.removeCorner();
          this.letGo();
        }, LONG_PRESS_MS);
    }
  }

  move(event) {
    const spot = this.at(event);
    if (this.path || (this.mode === "circle" && this.shape && !this.grip)) {
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
        pathsOf(this.shape)[grip.path].splice(grip.index, 0, grip.at);
        grip.what = "corner";
        this.choose([grip.path, grip.index]);
      }
    }
    const to = this.place(spot);
    if (grip.what === "radius" || grip.what === "rim") this.shape.radius_m = distance(this.shape.centre, to);
    else if (grip.what === "corner") pathsOf(this.shape)[grip.path][grip.index] = to;
    else if (grip.what === "side") this.shape.width_m = Math.max(1, 2 * this.fromLine(spot));
    else if (grip.what === "centre") this.shape.centre = to;
    else if (grip.what === "inside") {
      const { lng, lat } = this.map.unproject([spot.x, spot.y]);
      this.shape = shifted(grip.was, lng - grip.at[0], lat - grip.at[1]);
    } else return;
    this.marked = [];
    this.changed();
  }

  /** How far a spot is from the corridor's line, in metres. */
  fromLine(spot) {
    const points = this.shape.line.map((point) => this.onScreen(point));
    let least = Infinity;
    for (let k = 1; k < points.length; k++) {
      const [a, b] = [points[k - 1], points[k]];
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const at = Math.min(1, Math.max(0, ((spot.x - a.x) * dx + (spot.y - a.y) * dy) / (dx * dx + dy * dy || 1)));
      least = Math.min(least, Math.hypot(a.x + at * dx - spot.x, a.y + at * dy - spot.y));
    }
    return least / this.pixelsPerMetre(this.shape.line[0]);
  }

  pixelsPerMetre(point) {
    const [a, b] = [this.onScreen(point), this.onScreen(offset(point, 0, 100))];
    return Math.hypot(a.x - b.x, a.y - b.y) / 100;
  }

  release(event) {
    const grip = this.grip;
    if (!grip || event.pointerId !== grip.id) return;
    const spot = this.at(event);
    const still = !grip.moved && Math.hypot(spot.x - grip.from.x, spot.y - grip.from.y) < STILL_PX;
    this.letGo();
    if (this.path && still) this.addCorner(spot, grip.near);
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
    const corners = this.path;
    const over = (point) => {
      const { x, y } = this.onScreen(point);
      return Math.hypot(x - spot.x, y - spot.y) < near;
    };
    if (this.canEnd && ((this.mode !== "corridor" && over(corners[0])) || over(corners.at(-1)))) {
      // The first corner again, or the last one twice: a double click ends on the corner its first half has set.
      this.end();
      return;
    }
    if (corners.length && over(corners.at(-1))) return;
    this.remember();
    this.path.push(this.place(spot));
    this.changed();
  }

  letGo() {
    clearTimeout(this.grip?.timer);
    this.grip = null;
    this.map.dragPan.enable();
  }

  hover(spot) {
    const under = this.under(spot, NEAR_MOUSE);
    const cursor = { corner: "grab", midpoint: "copy", centre: "move", rim: "ew-resize", side: "ew-resize", inside: "move" }[under?.what] ?? "";
    if (this.map.getCanvas().style.cursor !== cursor) this.map.getCanvas().style.cursor = cursor;
  }

  secondary(event) {
    if (this.mode !== "change") return;
    const under = this.under(this.at(event), NEAR_MOUSE);
    if (under?.what !== "corner") return;
    event.preventDefault();
    this.corner = [under.path, under.index];
    this.removeCorner();
  }

  // --- keys -----------------------------------------------------------------------------------------------------------

  key(event) {
    if (this.mode === "idle" || event.isComposing || event.target.closest?.("input, textarea, select, dialog, [role=grid]")) return;
    const meta = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    if (meta && (letter === "y" || (letter === "z" && event.shiftKey))) this.redo();
    else if (meta && letter === "z") this.undo();
    else if (!meta && !event.altKey && this.onMap(event)) void 0;
    else if (event.key === "Escape" && this.isDrawing) this.cancel();
    else if (event.key === "Enter" && this.path && !event.target.closest?.("button, a, summary")) this.end();
    else if (event.key === "Backspace" && this.path) this.undo();
    else if ((event.key === "Delete" || event.key === "Backspace") && this.mode === "change" && this.corner) this.removeCorner();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Keys that draw, while the map has the focus; whether this was one. */
  onMap(event) {
    if (event.target !== this.map.getCanvas()) return false;
    const arrow = ARROWS[event.key];
    const step = event.shiftKey ? 5 * STEP_PX : STEP_PX;
    if (arrow && this.isDrawing) this.moveCross(arrow[0] * step, arrow[1] * step);
    else if (arrow && this.mode === "change" && this.moveChosen(arrow[0] * step, arrow[1] * step)) void 0;
    else if (event.key === " " && this.isDrawing) this.setAtCross();
    else if (event.key === "Enter" && this.mode === "circle" && this.cross) this.setAtCross();
    else if ((event.key === "PageDown" || event.key === "PageUp") && this.mode === "change") this.chooseNext(event.key === "PageDown" ? 1 : -1);
    else if (event.key === "Insert" && this.canRemoveCorner) this.insertCorner();
    else return false;
    return true;
  }

  moveCross(dx, dy) {
    const { clientWidth: width, clientHeight: height } = this.map.getCanvas();
    const cross = this.cross ?? { x: width / 2, y: height / 2 };
    cross.x += dx;
    cross.y += dy;
    // At the edge the map moves on below the cross.
    const [x, y] = [Math.min(width - EDGE_PX, Math.max(EDGE_PX, cross.x)), Math.min(height - EDGE_PX, Math.max(EDGE_PX, cross.y))];
    if (x !== cross.x || y !== cross.y) this.map.panBy([cross.x - x, cross.y - y], { duration: 0 });
    this.cross = { x, y };
    this.pointer = this.place(this.cross);
    if (this.mode === "circle" && this.shape) {
      this.shape.radius_m = distance(this.shape.centre, this.pointer);
      this.say("change");
    }
    this.map.triggerRepaint();
    this.say("chosen");
  }

  setAtCross() {
    if (!this.cross) return this.moveCross(0, 0);
    if (this.path) return this.addCorner(this.cross, 2);
    if (!this.shape) {
      this.shape = { kind: "circle", centre: this.place(this.cross), radius_m: 0 };
      this.changed();
    } else if (this.shape.radius_m > 0) {
      this.cross = this.pointer = null;
      this.become("change");
      this.changed();
      this.say("end");
    }
  }

  moveChosen(dx, dy) {
    const moved = (point) => {
      const { x, y } = this.onScreen(point);
      return this.place({ x: x + dx, y: y + dy });
    };
    if (this.shape?.kind === "circle") {
      this.remember();
      this.shape.centre = moved(this.shape.centre);
    } else if (this.corner) {
      const [path, index] = this.corner;
      this.remember();
      pathsOf(this.shape)[path][index] = moved(pathsOf(this.shape)[path][index]);
      this.reveal(path, index);
    } else return false;
    this.marked = [];
    this.changed();
    return true;
  }

  chooseNext(step) {
    const all = pathsOf(this.shape).flatMap((path, p) => path.map((_, k) => [p, k]));
    if (!all.length) return;
    const at = this.corner ? all.findIndex(([p, k]) => p === this.corner[0] && k === this.corner[1]) : step > 0 ? -1 : 0;
    const [path, index] = all[(at + step + all.length) % all.length];
    this.reveal(path, index);
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
    const { line, ground, bad } = this.colours();
    if (this.shape) this.paintShape(pen, line, ground, bad);
    if (this.cross) this.paintCross(pen, line, ground);
  }

  paintShape(pen, line, ground, bad) {
    const corridor = this.shape.kind === "corridor";
    const screen = (points) => points.map((point) => this.onScreen(point));
    const follow = (points, closed) => {
      points.forEach(({ x, y }, k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      if (closed) pen.closePath();
    };
    const paths = pathsOf(this.shape).map(screen);
    // The path under way goes on to where the pointer is.
    const under = this.path ? paths.at(-1) : null;
    const next = under?.length && this.pointer ? this.onScreen(this.pointer) : null;
    const areas = corridor ? this.bandOnScreen(next) : this.shape.kind === "circle" ? [screen(ringOf(this.shape))] : paths.filter((path) => path !== under || this.mode === "polygon");
    pen.lineJoin = "round";
    pen.beginPath();
    for (const ring of areas) {
      follow(ring, false);
      if (ring === under && next) pen.lineTo(next.x, next.y);
      pen.closePath();
    }
    pen.globalAlpha = 0.18;
    pen.fillStyle = line;
    pen.fill("evenodd");
    pen.globalAlpha = 1;
    pen.strokeStyle = line;
    const stroke = (points, closed, dashed, weight, colour = line) => {
      pen.beginPath();
      follow(points, closed);
      pen.lineWidth = weight;
      pen.strokeStyle = colour;
      pen.setLineDash(dashed ? [6, 5] : []);
      pen.stroke();
      pen.setLineDash([]);
    };
    if (this.shape.kind === "circle" || corridor) for (const ring of areas) stroke(ring, true, false, corridor ? 1.5 : 2.5);
    for (const path of paths) stroke(path === under && next ? [...path, next] : path, !corridor && path !== under, path === under, 2.5);
    const dot = (point, radius, colour, within) => {
      pen.beginPath();
      pen.arc(point.x, point.y, radius, 0, 2 * Math.PI);
      pen.fillStyle = within;
      pen.fill();
      pen.lineWidth = 2;
      pen.strokeStyle = colour;
      pen.stroke();
    };
    if (this.shape.kind === "circle") {
      dot(this.onScreen(this.shape.centre), 5, line, ground);
      if (this.mode === "change") for (const k of RIM) dot(areas[0][k], 5, line, ground);
      return;
    }
    const wrong = [...this.marked];
    if (this.crossing) {
      const [r, k, s, m] = this.crossing;
      for (const [path, index] of [[r, k], [s, m]]) stroke([paths[path][index], paths[path][(index + 1) % paths[path].length]], false, false, 3.5, bad);
    }
    if (this.midpoints) this.eachMidpoint((point) => dot(this.onScreen(point), 3, line, line));
    if (this.mode === "change") for (const point of this.sides) this.paintSide(pen, this.onScreen(point), line, ground);
    paths.forEach((path, p) =>
      path.forEach((point, k) => {
        const chosen = this.corner?.[0] === p && this.corner[1] === k;
        const bad_here = wrong.some(([path_at, at]) => path_at === p && at === k);
        const first = path === under && !corridor && k === 0 && path.length >= 3;
        dot(point, bad_here ? 8 : first || chosen ? 7 : 5, bad_here ? bad : line, chosen ? line : ground);
      }),
    );
  }

  /** The corridor's outline, with the part that leads to the pointer. */
  bandOnScreen(next) {
    const line = next ? [...this.shape.line, this.pointer] : this.shape.line;
    return [bandOf({ line, width_m: this.shape.width_m }).map((point) => this.onScreen(point))];
  }

  paintSide(pen, { x, y }, line, ground) {
    pen.beginPath();
    pen.moveTo(x, y - 6);
    pen.lineTo(x + 6, y);
    pen.lineTo(x, y + 6);
    pen.lineTo(x - 6, y);
    pen.closePath();
    pen.fillStyle = ground;
    pen.fill();
    pen.lineWidth = 2;
    pen.strokeStyle = line;
    pen.stroke();
  }

  paintCross(pen, line, ground) {
    const { x, y } = this.cross;
    for (const [colour, weight] of [[ground, 5], [line, 2]]) {
      pen.beginPath();
      for (const [dx, dy] of [[1, 0], [0, 1]]) {
        pen.moveTo(x - 13 * dx, y - 13 * dy);
        pen.lineTo(x + 13 * dx, y + 13 * dy);
      }
      pen.strokeStyle = colour;
      pen.lineWidth = weight;
      pen.stroke();
    }
  }
}

const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

function shifted(shape, east, north) {
  const to = ([lon, lat]) => [Number((lon + east).toFixed(7)), Number((lat + north).toFixed(7))];
  if (shape.kind === "circle") return { ...shape, centre: to(shape.centre) };
  if (shape.kind === "corridor") return { ...shape, line: shape.line.map(to) };
  return { ...shape, rings: shape.rings.map((ring) => ring.map(to)) };
}
