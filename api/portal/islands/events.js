// The feed stays where the reader looks; a bar says how much is new, and one press brings it.

import { htmx, t } from "./portal.js";

const POLL_MS = 5_000;
const SHOWN_MAX = 99;

let live = JSON.parse(document.getElementById("live").textContent);
const bar = document.getElementById("fresh");
let fresh = 0;
let after = live.after;

function fits(event) {
  if (live.types.length && !live.types.some((type) => event.type.startsWith(type))) return false;
  if (live.subjects && !live.subjects.includes(event.subject)) return false;
  return live.store === null || event.store === live.store;
}

function take(event) {
  if (event.seq <= after) return;
  after = event.seq;
  if (!fits(event)) return;
  fresh += 1;
  bar.hidden = false;
  bar.querySelector("[data-said]").textContent = t("events_fresh", { n: fresh > SHOWN_MAX ? `${SHOWN_MAX}+` : fresh });
}

bar.addEventListener("click", () => {
  fresh = 0;
  bar.hidden = true;
  const sheet = document.getElementById("events-table");
  htmx.trigger(sheet, "refresh");
  sheet.scrollIntoView({ block: "nearest" });
});

// A filter that changes makes another question: which cars it means, only the server knows.
document.addEventListener("htmx:after:history:replace", async () => {
  stop();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    live = JSON.parse(page.getElementById("live").textContent);
    after = live.after;
    watch();
  } catch {
    bar.hidden = true;
  }
});

let source = null;
let timer = 0;
function stop() {
  source?.close();
  source = null;
  clearInterval(timer);
}

function watch() {
  stop();
  fresh = 0;
  bar.hidden = true;
  if (!live.on || document.hidden) return;
  const type = live.types.length === 1 ? `&type=${encodeURIComponent(live.types[0])}` : "";
  source = new EventSource(`/api/v1/events/stream?after=${after}${type}`);
  for (const name of live.names) source.addEventListener(name, ({ data }) => take(JSON.parse(data)));
  source.onerror = () => {
    // Closed for good (a proxy that lets no stream through): ask now and then instead.
    if (source?.readyState === EventSource.CLOSED) {
      stop();
      timer = setInterval(poll, POLL_MS);
    }
  };
}

async function poll() {
  if (document.hidden) return;
  const type = live.types.length === 1 ? `&type=${encodeURIComponent(live.types[0])}` : "";
  try {
    const answer = await fetch(`/api/v1/events?after=${after}${type}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const page = await answer.json();
    page.items.forEach(take);
    after = Math.max(after, page.next);
  } catch {
    // The node is away; the next round may find it back.
  }
}

document.addEventListener("visibilitychange", watch);
watch();
document.body.dataset.ready = "events";
