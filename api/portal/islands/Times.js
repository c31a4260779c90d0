// <time data-relative datetime=…> says how long ago it was; kept true while the page stands.

import { language } from "./Texts.js";

const words = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const STEPS = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [86_400 * 30, 86_400, "day"],
];

function renew(element) {
  const seconds = (Date.parse(element.dateTime) - Date.now()) / 1000;
  const step = STEPS.find(([below]) => Math.abs(seconds) < below);
  if (step) element.textContent = words.format(Math.round(seconds / step[1]), step[2]);
}

let timer = 0;
/** Renew all now, and every 10 s while the page is seen. Called again after fragments came in. */
export function watchTimes() {
  const all = () => document.querySelectorAll("time[data-relative]").forEach(renew);
  all();
  timer ||= setInterval(() => document.hidden || all(), 10_000);
}
