// Building elements. Text is only ever set as text: no markup is parsed, whatever a name holds.

/**
 * `h("button", { class: "button", onclick: run }, "Go")`: functions become listeners, `false` and
 * null leave an attribute out, `true` sets it empty; children that are null or false are skipped.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Somebody else's text: kept in its own direction, so that it can't turn its surroundings. */
export const foreign = (text, attributes = {}) => h("bdi", { dir: "auto", ...attributes }, text);

export const hidden = (text) => h("span", { class: "sr" }, text);

const PATHS = {
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M7 7l10 10M17 7L7 17",
  warn: "M12 8v5M12 16.2v.3M12 3.5l9.5 16.5h-19z",
  info: "M12 11v5.5M12 7.6v.3M12 3a9 9 0 100 18 9 9 0 000-18z",
  refresh: "M19.5 12a7.5 7.5 0 11-2.2-5.3L19.5 9M19.5 4v5h-5",
  out: "M14 5h5v5M19 5l-8 8M11 6H6a1 1 0 00-1 1v11a1 1 0 001 1h11a1 1 0 001-1v-5",
  device: "M4 5.5h16v10H4zM9 19.5h6M12 15.5v4",
  phone: "M8 3.5h8a1 1 0 011 1v15a1 1 0 01-1 1H8a1 1 0 01-1-1v-15a1 1 0 011-1zM11 17.5h2",
  plus: "M12 5.5v13M5.5 12h13",
  cards: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  table: "M4 5.5h16v13H4zM4 10h16M4 14.2h16M10 10v8.5",
  facebook: "M12 2a10 10 0 100 20 10 10 0 000-20zM14.2 22v-8h2.7l.5-3.3h-3.2V8.6c0-.95.45-1.85 1.9-1.85h1.45V3.95S16.2 3.7 14.95 3.7c-2.65 0-4.4 1.6-4.4 4.5v2.5H7.6V14h2.95v8z",
  instagram: "M7.5 3h9A4.5 4.5 0 0121 7.5v9a4.5 4.5 0 01-4.5 4.5h-9A4.5 4.5 0 013 16.5v-9A4.5 4.5 0 017.5 3zM12 7.8a4.2 4.2 0 100 8.4 4.2 4.2 0 000-8.4zM17 6.9v.2",
};

/** A decorative drawing, of lines; marks (Facebook's, Instagram's) are filled. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", name === "facebook" ? "icon filled" : "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** A round picture; initials where there is none, or where it doesn't load. */
export function avatar(name, seed, url) {
  const letters = [...(name ?? "").matchAll(/[\p{L}\p{N}]/gu)].length
    ? name.trim().split(/[\s._-]+/u).map((word) => word.match(/[\p{L}\p{N}]/u)?.[0]).filter(Boolean)
    : ["?"];
  const initials = [...new Set([letters[0], letters[letters.length - 1]])].slice(0, 2).join("").toUpperCase();
  const hue = [...String(seed)].reduce((sum, character) => (sum * 31 + character.codePointAt(0)) % 6, 0);
  const circle = h("span", { class: `avatar hue-${hue}`, "aria-hidden": "true" }, initials);
  if (url) {
    const image = h("img", {
      src: url, alt: "", loading: "lazy", decoding: "async", referrerpolicy: "no-referrer",
      onerror: () => image.remove(),
    });
    circle.append(image);
  }
  return circle;
}

/** Runs `work` while the button says so, and can't be pressed again. */
export async function busy(button, work) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
    button.removeAttribute("aria-busy");
  }
}

/** Grey shapes in place of what is still on its way. */
export function skeleton(count, kind) {
  const shapes = Array.from({ length: count }, () =>
    h("div", { class: `card bones ${kind}` }, h("i"), h("i"), h("i"), h("i")));
  return h("div", { class: kind === "tile" ? "cards" : "stack", "aria-busy": "true", "data-testid": "loading" },
    hidden("Loading…"), ...shapes);
}
