// Incidents: they come by themselves, their clocks run, and the letter A takes the first that rings.

import { Marker } from "maplibre-gl";
import { groundMap } from "./Ground.js";
import { htmx } from "./portal.js";
import "./incidents.css";

const SECOND_MS = 1000;
const GATHER_MS = 150;
const live = JSON.parse(document.getElementById("live").textContent);
const drawn = new WeakSet();

const two = (number) => String(number).padStart(2, "0");
function clock(ms) {
  const seconds = Math.max(0, Math.round(ms / SECOND_MS));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  if (days) return `${days}d ${two(hours)}:${two(minutes)}`;
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

function tick() {
  const now = Date.now();
  for (const one of document.querySelectorAll("[data-until]")) one.textContent = clock(Number(one.dataset.until) - now);
  for (const one of document.querySelectorAll("[data-since]")) one.textContent = clock(now - Number(one.dataset.since));
}

async function draw() {
  const box = document.querySelector(".incident-map");
  if (!box || drawn.has(box)) return;
  drawn.add(box);
  const at = [Number(box.dataset.lon), Number(box.dataset.lat)];
  const map = await groundMap(box.querySelector(".map"), { center: at, zoom: 15, cooperativeGestures: true });
  const sign = document.createElement("span");
  sign.className = "incident-place";
  new Marker({ element: sign }).setLngLat(at).addTo(map);
}

let waits = 0;
function renew() {
  // A crash and its call for help come in one breath: one question for both.
  clearTimeout(waits);
  waits = setTimeout(() => {
    // A menu or a list that is open is somebody's next word: it is not taken away.
    if (document.querySelector("[data-incidents] details[open], [data-incidents] select:focus")) return renew();
    const board = document.querySelector("[data-incidents]");
    if (board) htmx.trigger(board, "refresh");
    document.dispatchEvent(new CustomEvent("tally"));
  }, GATHER_MS);
}

let after = live.after;
let source = null;
function watch() {
  source?.close();
  source = null;
  if (document.hidden) return;
  const about = live.subject ? `&subject=${encodeURIComponent(live.subject)}` : "";
  source = new EventSource(`/api/v1/events/stream?after=${after}&type=incident.${about}`);
  for (const name of live.names) {
    source.addEventListener(name, ({ lastEventId }) => {
      after = Math.max(after, Number(lastEventId) || 0);
      renew();
    });
  }
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "a" || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
  document.querySelector("[data-take]")?.click();
});
document.addEventListener("visibilitychange", watch);
htmx.on("htmx:afterSettle", () => {
  tick();
  void draw();
});
tick();
setInterval(tick, SECOND_MS);
watch();
void draw();
document.body.dataset.ready = "incidents";
