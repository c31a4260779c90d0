// Every car of the live feed, in columns: no object a car, nothing made anew a tick.
//
// A row is a slot; slots of cars that went are used again. Positions are Web Mercator in doubles (0 to 1, x east, y
// south). Between two fixes a car is shown on its way from where it was shown to the newest fix, over as long as the two
// fixes lay apart: so it moves smoothly, and is never shown ahead of what it reported.

export const STATES = ["offline", "parked", "idling", "driving", "alarm"];
const [OFFLINE, PARKED, IDLING, DRIVING, ALARM] = STATES.keys();

// Flags of the feed; docs/live-feed.md.
export const ONLINE = 1, IGNITION = 2, MOVING = 4, SOS = 8, CRASH = 16, OTHER_ALARM = 32, NO_FIX = 64, GONE = 128;

const HEADER_BYTES = 24;
const RECORD_BYTES = 20;
const SNAPSHOT = 1;
const VERSION = 1;
/** A glide longer than this would show a car far behind itself: past it, it jumps closer. */
const GLIDE_S_MAX = 10;
/** A fix this much farther on is no drive (first fix after a tunnel, a transport): the car is put there at once. */
const JUMP = 4e-5; // of the world's width: about 1.4 km at 30 degrees

const D = Math.PI / 180 / 1e7;

export const lonOf = (x) => x * 360 - 180;
export const latOf = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;
const xOf = (lon_1e7) => lon_1e7 / 3.6e9 + 0.5;
const yOf = (lat_1e7) => 0.5 - Math.asinh(Math.tan(lat_1e7 * D)) / (2 * Math.PI);

export class Cars {
  constructor(capacity = 4096) {
    this.count = 0; // slots ever used; some may be free
    this.present = 0;
    this.slots = new Map(); // vehicle id -> slot
    this.free = [];
    this.counts = new Uint32Array(STATES.length);
    this.motion = true;
    this.columns = {
      id: Uint32Array, lat: Int32Array, lon: Int32Array, time: Uint32Array, speed: Uint16Array, course: Uint8Array,
      flags: Uint8Array, state: Uint8Array, fromX: Float64Array, fromY: Float64Array, toX: Float64Array, toY: Float64Array,
      start: Float64Array, glide: Float32Array,
    };
    this.capacity = 0;
    this.grow(capacity);
  }

  grow(capacity) {
    for (const [name, Column] of Object.entries(this.columns)) {
      const wider = new Column(capacity);
      if (this.capacity) wider.set(this[name]);
      this[name] = wider;
    }
    this.capacity = capacity;
  }

  /** Apply one frame of the feed; `now` in seconds. Returns {kind, tick, cars, time_ms, changed, more}. */
  apply(buffer, now) {
    const view = new DataView(buffer);
    if (view.getUint8(0) !== VERSION || view.getUint8(2) !== RECORD_BYTES) throw new Error(`live feed version ${view.getUint8(0)}`);
    const kind = view.getUint8(1);
    const count = view.getUint32(4, true);
    if (kind === SNAPSHOT) this.clear();
    const u32 = new Uint32Array(buffer, HEADER_BYTES, count * 5);
    const i32 = new Int32Array(buffer, HEADER_BYTES, count * 5);
    const glides = kind !== SNAPSHOT && this.motion;
    for (let at = 0, end = count * 5; at < end; at += 5) {
      const id = u32[at];
      const last = u32[at + 4];
      const flags = last >>> 24;
      let slot = this.slots.get(id);
      if (flags & GONE) {
        if (slot !== undefined) this.remove(slot);
        continue;
      }
      const known = slot !== undefined;
      if (!known) slot = this.add(id);
      const lat = i32[at + 1], lon = i32[at + 2], time = u32[at + 3];
      if (!known || lat !== this.lat[slot] || lon !== this.lon[slot]) {
        const x = xOf(lon), y = yOf(lat);
        const apart = time - this.time[slot];
        const far = Math.abs(x - this.toX[slot]) > JUMP || Math.abs(y - this.toY[slot]) > JUMP;
        if (known && glides && !far && apart > 0) {
          const shown = this.part(slot, now);
          this.fromX[slot] += (this.toX[slot] - this.fromX[slot]) * shown;
          this.fromY[slot] += (this.toY[slot] - this.fromY[slot]) * shown;
          this.start[slot] = now;
          this.glide[slot] = Math.min(apart, GLIDE_S_MAX);
        } else {
          this.fromX[slot] = x;
          this.fromY[slot] = y;
          this.glide[slot] = 0;
        }
        this.toX[slot] = x;
        this.toY[slot] = y;
        this.lat[slot] = lat;
        this.lon[slot] = lon;
      }
      this.time[slot] = time;
      this.speed[slot] = last & 0xffff;
      this.course[slot] = (last >>> 16) & 0xff;
      if (known) this.counts[this.state[slot]] -= 1;
      this.flags[slot] = flags;
      this.counts[(this.state[slot] = stateOf(flags))] += 1;
    }
    return {
      kind, changed: count, more: view.getUint8(3) === 1, time_ms: Number(view.getBigInt64(8, true)),
      tick: view.getUint32(16, true), cars: view.getUint32(20, true),
    };
  }

  add(id) {
    let slot = this.free.pop();
    if (slot === undefined) {
      if (this.count === this.capacity) this.grow(this.capacity * 2);
      slot = this.count++;
    }
    this.slots.set(id, slot);
    this.id[slot] = id;
    this.present += 1;
    return slot;
  }

  remove(slot) {
    this.counts[this.state[slot]] -= 1;
    this.slots.delete(this.id[slot]);
    this.id[slot] = 0;
    this.free.push(slot);
    this.present -= 1;
  }

  clear() {
    this.slots.clear();
    this.free.length = 0;
    this.count = this.present = 0;
    this.id.fill(0);
    this.counts.fill(0);
  }

  /** How much of its way to the newest fix a car has been shown to have gone, 0 to 1. */
  part(slot, now) {
    const glide = this.glide[slot];
    return glide > 0 ? Math.min(1, (now - this.start[slot]) / glide) : 1;
  }

  /** Where a car is shown now, as [longitude, latitude]. */
  place(slot, now) {
    const part = this.part(slot, now);
    const x = this.fromX[slot] + (this.toX[slot] - this.fromX[slot]) * part;
    const y = this.fromY[slot] + (this.toY[slot] - this.fromY[slot]) * part;
    return [lonOf(x), latOf(y)];
  }

  /** The slot nearest to a point of the world within `reach`, of those that `shown(slot)` takes; -1 for none. */
  nearest(x, y, reach, now, shown) {
    let best = -1, bestAt = reach * reach;
    for (let slot = 0; slot < this.count; slot++) {
      if (!this.id[slot]) continue;
      // Cheap first: a glide is short against the reach of a whole screen.
      const dx0 = this.toX[slot] - x, dy0 = this.toY[slot] - y;
      if (Math.abs(dx0) > reach + JUMP || Math.abs(dy0) > reach + JUMP || !shown(slot)) continue;
      const part = 1 - this.part(slot, now);
      const dx = dx0 - (this.toX[slot] - this.fromX[slot]) * part;
      const dy = dy0 - (this.toY[slot] - this.fromY[slot]) * part;
      // Of cars on one spot the one that matters more is meant.
      const at = dx * dx + dy * dy - this.state[slot] * 1e-16;
      if (at < bestAt) [best, bestAt] = [slot, at];
    }
    return best;
  }
}

function stateOf(flags) {
  if (flags & (SOS | CRASH)) return ALARM;
  if (!(flags & ONLINE)) return OFFLINE;
  if (flags & MOVING) return DRIVING;
  return flags & IGNITION ? IDLING : PARKED;
}
