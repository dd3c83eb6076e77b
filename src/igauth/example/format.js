// Numbers, dates and browser names in words.

import { h } from "./dom.js";

const LOCALE = "en";
const compact = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(LOCALE);
const day = new Intl.DateTimeFormat(LOCALE, { dateStyle: "long" });
const moment = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60]];

export const count = (number) => whole.format(number);

export const plural = (number, one, many = `${one}s`) => `${whole.format(number)} ${number === 1 ? one : many}`;

const listing = new Intl.ListFormat(LOCALE);
export const enumerate = (words) => listing.format(words);

export const shortCount = (number) => (number < 10_000 ? whole.format(number) : compact.format(number));

export const date = (iso) => day.format(new Date(iso));

export function ago(iso) {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [];
  return unit ? relative.format(Math.trunc(seconds / size), unit) : "just now";
}

/** A moment, told from now; `refreshTimes` keeps it true. */
export const since = (iso) => h("time", { datetime: iso, title: moment.format(new Date(iso)), "data-since": iso }, ago(iso));

export function refreshTimes() {
  for (const time of document.querySelectorAll("time[data-since]")) time.textContent = ago(time.dataset.since);
}

export const daysLeft = (iso) => Math.floor((new Date(iso) - Date.now()) / 86_400_000);

const BROWSERS = [[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/SamsungBrowser/, "Samsung Internet"], [/Firefox\//, "Firefox"],
  [/(Headless)?Chrome\/|CriOS\//, "Chrome"], [/Safari\//, "Safari"]];
const SYSTEMS = [[/iPhone/, "iPhone"], [/iPad/, "iPad"], [/Android/, "Android"], [/Windows/, "Windows"],
  [/Mac OS X|Macintosh/, "Mac"], [/CrOS/, "ChromeOS"], [/Linux/, "Linux"]];

/** "Chrome on Linux"; unknown user agents by their first word. */
export function deviceName(userAgent) {
  if (!userAgent) return "Unknown device";
  const of = (table) => table.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [browser, system] = [of(BROWSERS), of(SYSTEMS)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? userAgent.split(/[\s/]/)[0].slice(0, 40);
}

export const isPhone = (userAgent) => /iPhone|Android.+Mobile/.test(userAgent ?? "");

/** Items by what `keyOf` says, in the order in which each key came first. */
export function grouped(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
