// The raw frames behind an event, asked for once the page stands: the journal may take a moment to look through.

import { askApi, t } from "./portal.js";

const SHOWN_MAX = 3;

for (const place of document.querySelectorAll("[data-frames]")) {
  try {
    const { items, kept_since_ms: keptSince } = await askApi(place.dataset.frames);
    place.replaceChildren(...(items.length ? items.slice(0, SHOWN_MAX).map(frameOf) : [note(t(keptSince ? "event_frames_gone" : "event_frames_none"))]));
  } catch (problem) {
    place.replaceChildren(note(problem.title ?? String(problem)));
  }
}

function note(text) {
  const said = document.createElement("p");
  said.className = "soft";
  said.textContent = text;
  return said;
}

function frameOf({ frame, message, name, phone }) {
  const box = document.createElement("div");
  box.className = "frame-behind";
  const head = document.createElement("div");
  head.className = "row";
  const title = document.createElement("b");
  title.textContent = [message, name, phone].filter(Boolean).join(" · ");
  const link = document.createElement("a");
  link.className = "button small push";
  link.href = `/explain?frame=${frame}`;
  link.textContent = t("event_frame_explain");
  head.append(title, link);
  const code = document.createElement("pre");
  code.className = "hex";
  code.tabIndex = 0;
  code.textContent = frame.replace(/(..)/g, "$1 ").trim();
  box.append(head, code);
  return box;
}

document.body.dataset.ready = "event";
