// Words: links in what people write, times and days, characters as the server counts them.

const LINK = /https?:\/\/[^\s<>"]+/giu;
const AFTER_LINK = /[.,;:!?'’”»…\]}]+$/u;
const DAY_MS = 86_400_000;

/** The text in pieces, of which links have an `href`: http and https only. */
export function pieces(text) {
  const found = [];
  let from = 0;
  for (const { 0: match, index } of text.matchAll(LINK)) {
    const link = trimmed(match);
    if (!URL.canParse(link)) continue;
    if (index > from) found.push({ text: text.slice(from, index) });
    found.push({ text: link, href: new URL(link).href });
    from = index + link.length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

/** A link without the punctuation of the sentence that it stands in. */
function trimmed(link) {
  const bare = link.replace(AFTER_LINK, "");
  const closes = bare.endsWith(")") && !bare.includes("(");
  return closes ? trimmed(bare.slice(0, -1)) : bare;
}

/** The text in pieces, of which those that were looked for have `found`, in whatever case. */
export function marked(text, words) {
  const literal = words.replace(/[.*+?^${}()|[\]\\]/gu, "\\$&");
  return text.split(new RegExp(`(${literal})`, "giu")).map((piece, at) => ({ text: piece, found: at % 2 === 1 }));
}

/** How many characters the server counts: code points, not what a string is long here. */
export const characters = (text) => [...text].length;

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const time = (ms) => clock.format(ms);
export const moment = (ms) => full.format(ms);

/** A name for the day, such as "Yesterday". */
export function day(ms, now = Date.now()) {
  const days = Math.round((midnight(ms) - midnight(now)) / DAY_MS);
  if (days > -2) return capital(relative.format(days, "day"));
  return days > -7 ? weekday.format(ms) : date.format(ms);
}

/** For a list, as short as it goes: the time today, else the day. */
export function when(ms, now = Date.now()) {
  if (midnight(ms) === midnight(now)) return time(ms);
  return midnight(now) - midnight(ms) < 6.5 * DAY_MS ? weekday.format(ms) : short.format(ms);
}

/** The local midnight that a moment comes after, which tells days apart. */
export function midnight(ms) {
  return new Date(ms).setHours(0, 0, 0, 0);
}

const BROWSERS = [["Edg", "Edge"], ["OPR", "Opera"], ["SamsungBrowser", "Samsung Internet"], ["Firefox", "Firefox"], ["FxiOS", "Firefox"], ["Chrome", "Chrome"], ["CriOS", "Chrome"], ["Safari", "Safari"]];
const SYSTEMS = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["CrOS", "ChromeOS"], ["Windows", "Windows"], ["Mac OS X", "a Mac"], ["Linux", "Linux"]];

/** A device by what its program calls itself, such as "Firefox on Android"; other programs by their own words. */
export function device(agent) {
  const [, browser] = BROWSERS.find(([mark]) => agent.includes(`${mark}/`)) ?? [];
  const [, system] = SYSTEMS.find(([mark]) => agent.includes(mark)) ?? [];
  if (!browser) return agent.slice(0, 60) || "unknown program";
  return system ? `${browser} on ${system}` : browser;
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
