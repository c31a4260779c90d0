// Times of the week: as windows the API takes, as minutes a grid shows, and as text one can type. No page here.
//
// A window is {days: [1 … 7], from: "HH:MM", to: "HH:MM"}, Monday is 1; one that ends before it begins ends the day
// after, and 24:00 is the end of a day.

import { language } from "../Texts.js";

export const DAY_MIN = 1440;
export const WEEK_MIN = 7 * DAY_MIN;
const zh = language.startsWith("zh");
const MONDAY = Date.UTC(2024, 0, 1);
const nameOf = (day, style) => new Intl.DateTimeFormat(language, { weekday: style, timeZone: "UTC" }).format(MONDAY + (day - 1) * 86_400_000);

/** 周一, Mon: what a day from 1 to 7 is called; `long`: in full. */
export const dayName = (day, style = "short") => nameOf(day, style);
export const clock = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
const minuteOf = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/** Which minutes of the week the windows cover, 0 or 1 each. */
export function minutesOf(windows) {
  const minutes = new Uint8Array(WEEK_MIN);
  for (const { days, from, to } of windows) {
    const [start, end] = [minuteOf(from), minuteOf(to)];
    const length = end > start ? end - start : end - start + DAY_MIN;
    for (const day of days) for (let k = 0; k < length; k++) minutes[((day - 1) * DAY_MIN + start + k) % WEEK_MIN] = 1;
  }
  return minutes;
}

/** The fewest windows that cover just these minutes: nights run over midnight, days that are alike go together. */
export function windowsOf(minutes) {
  const covered = minutes.reduce((sum, one) => sum + one, 0);
  if (!covered) return [];
  if (covered === WEEK_MIN) return [{ days: [1, 2, 3, 4, 5, 6, 7], from: "00:00", to: "24:00" }];
  const found = new Map(); // "from to" -> days
  const put = (day, from, to) => {
    const key = `${clock(from)} ${clock(to)}`;
    found.set(key, [...(found.get(key) ?? []), day + 1]);
  };
  for (let start = 0; start < WEEK_MIN; start++) {
    if (!minutes[start] || minutes[(start + WEEK_MIN - 1) % WEEK_MIN]) continue;
    let length = 0;
    while (minutes[(start + length) % WEEK_MIN]) length++;
    let at = start;
    while (length > 0) {
      const day = Math.floor(at / DAY_MIN) % 7;
      const from = at % DAY_MIN;
      const rest = DAY_MIN - from;
      // A night is one window; what is longer than a day is cut where days end.
      const take = length < DAY_MIN && from > 0 ? length : Math.min(length, rest);
      put(day, from, take > rest ? take - rest : from + take);
      at += take;
      length -= take;
    }
  }
  return [...found].map(([key, days]) => ({ days: days.sort(), from: key.slice(0, 5), to: key.slice(6) })).sort((a, b) => a.days[0] - b.days[0] || a.from.localeCompare(b.from));
}

/** Days as people write them: 周一至周五, Mon–Fri, Mon, Wed. */
export function daysText(days) {
  if (days.length === 7) return zh ? "每天" : "Daily";
  const parts = [];
  for (let k = 0; k < days.length; k++) {
    let last = k;
    while (last + 1 < days.length && days[last + 1] === days[last] + 1) last++;
    if (last - k >= 2) {
      parts.push(`${dayName(days[k])}${zh ? "至" : "–"}${dayName(days[last])}`);
      k = last;
    } else parts.push(dayName(days[k]));
  }
  return parts.join(zh ? "、" : ", ");
}

/** One window in a line: 周一至周五 08:00–18:00. */
export const windowText = ({ days, from, to }) => `${daysText(days)} ${from}–${to}`;
export const windowsText = (windows) => windows.map(windowText);

const DAY_WORDS = [
  ["mon", "monday", "周一", "星期一", "一", "1"], ["tue", "tuesday", "周二", "星期二", "二", "2"],
  ["wed", "wednesday", "周三", "星期三", "三", "3"], ["thu", "thursday", "周四", "星期四", "四", "4"],
  ["fri", "friday", "周五", "星期五", "五", "5"], ["sat", "saturday", "周六", "星期六", "六", "6"],
  ["sun", "sunday", "周日", "周天", "星期日", "星期天", "日", "天", "7"],
];
const SETS = { daily: [1, 7], "every day": [1, 7], 每天: [1, 7], 每日: [1, 7], weekdays: [1, 5], 工作日: [1, 5], weekend: [6, 7], weekends: [6, 7], 周末: [6, 7] };

function dayOf(word) {
  const at = DAY_WORDS.findIndex((names) => names.includes(word));
  return at < 0 ? null : at + 1;
}

function daysOf(text) {
  const days = new Set();
  for (const piece of text.trim().toLowerCase().split(/[,，、;]\s*|\s+and\s+|\s*和\s*/).filter(Boolean)) {
    const known = SETS[piece.trim()];
    const [first, last, more] = known ?? piece.split(/\s*(?:至|到|[-–—~])\s*/).map((word) => dayOf(word.trim()));
    if (!first || more !== undefined || (last === undefined && !known ? false : !last)) return null;
    // Fri–Mon goes round the week.
    for (let day = first; ; day = (day % 7) + 1) {
      days.add(day);
      if (day === (last ?? first)) break;
    }
  }
  return days.size ? [...days].sort() : null;
}

/** Windows of a text, one a line; {windows, wrong}: wrong is the number of the first line that says nothing, from 1. */
export function readText(text) {
  const windows = [];
  const lines = text.split(/\n/);
  for (let k = 0; k < lines.length; k++) {
    const line = lines[k].replaceAll("：", ":").trim();
    if (!line) continue;
    const found = line.match(/^(.*?)\s*(\d{1,2}:\d{2})\s*(?:[-–—~至到])\s*(\d{1,2}:\d{2})$/);
    const days = found && (found[1] ? daysOf(found[1]) : [1, 2, 3, 4, 5, 6, 7]);
    if (!days) return { windows, wrong: k + 1 };
    const [from, to] = [found[2], found[3]].map((one) => one.padStart(5, "0"));
    const valid = (one, most) => minuteOf(one) <= most && Number(one.slice(3)) < 60;
    if (!valid(from, DAY_MIN - 1) || !valid(to, DAY_MIN) || from === to) return { windows, wrong: k + 1 };
    windows.push({ days, from, to });
  }
  return { windows, wrong: 0 };
}
