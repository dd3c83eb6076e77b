// The list itself: cards or a table, found, filtered and sorted, put on the page in steps.

import { card, publishing, titleOf } from "./cards.js";
import { avatar, foreign, h, icon } from "./dom.js";
import { works } from "./doors.js";
import { count, plural, shortCount } from "./format.js";

const STEP = 60;
const WORTH_SEARCHING = 9;
const WORTH_A_TABLE = 30;
const KEY = "igauth-example-list";
const collator = new Intl.Collator(undefined, { sensitivity: "base", numeric: true });
const number = (name) => (one, other) => (other[name] ?? -1) - (one[name] ?? -1);
const SORTS = {
  name: ["Name", (one, other) => collator.compare(titleOf(one), titleOf(other))],
  followers: ["Followers", number("followers_count")],
  posts: ["Posts", number("media_count")],
};
const FILTERS = {
  all: ["All", () => true],
  yes: ["Can publish", (account) => account.can_publish === true],
  no: ["Can't publish", (account) => account.can_publish === false],
  unknown: ["Not known", (account) => account.can_publish === null],
};

/** The listing, with what it takes to find one's way in it. */
export function browser({ data, meta }, announce) {
  const grant = grantsOf(meta);
  const wish = { text: "", filter: "all", sort: null, look: remembered() ?? usual(data.length) };
  const place = h("div", {});
  const none = h("p", { class: "soft", hidden: true }, "No account matches.");
  const more = h("button", { type: "button", class: "button", hidden: true });
  let [found, shown, shape] = [data, 0, null];

  function add() {
    const next = found.slice(shown, shown + STEP);
    shape.body.append(...next.map(shape.item));
    const first = shape.body.children[shown];
    shown += next.length;
    more.hidden = shown >= found.length;
    more.textContent = `Show more (${count(found.length - shown)} left)`;
    return first;
  }

  function draw() {
    const matches = FILTERS[wish.filter][1];
    const wanted = wish.text.trim().toLocaleLowerCase();
    found = data.filter((account) => matches(account) && haystack(account).includes(wanted));
    if (wish.sort) found = [...found].sort(SORTS[wish.sort][1]);
    shape = wish.look === "table" ? table(grant, wish, sortBy) : cards(grant);
    shown = 0;
    place.replaceChildren(shape.element);
    shape.element.hidden = found.length === 0;
    none.hidden = found.length > 0;
    add();
  }

  function change(wishes, tell = true) {
    Object.assign(wish, wishes);
    draw();
    if (tell) announce(`${plural(found.length, "account")} found`);
  }

  function sortBy(name) {
    change({ sort: name }, false);
    announce(`Sorted by ${SORTS[name][0].toLowerCase()}`);
    place.querySelector(`[data-sort="${name}"]`)?.focus();
  }

  more.addEventListener("click", () => add()?.querySelector("h2, a, [tabindex]")?.focus());
  lazily(more, add);
  draw();
  return h("div", { class: "stack" }, data.length >= WORTH_SEARCHING && tools(wish, change), place, none, more);
}

/** Goes on by itself when the end of the list comes near. */
function lazily(more, add) {
  let scrolled = false;
  addEventListener("scroll", () => (scrolled = true), { once: true, passive: true });
  new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && scrolled && !more.hidden && add(), { rootMargin: "600px" }).observe(more);
}

/** What the connection that an account is reached by allows at the moment. */
function grantsOf({ connections, warnings }) {
  const publishes = !warnings.some(({ permission }) => /content_publish$/.test(permission ?? ""));
  const statuses = new Map(connections.map(({ id, status }) => [id, status]));
  return (account) => ({ publishes, works: account.connection_ids.some((id) => works(statuses.get(id))) });
}

const haystack = (account) => [account.name, account.username, account.id, ...account.pages.map((page) => page.name)]
  .join("\n").toLocaleLowerCase();

// --- tools ---

function tools(wish, change) {
  let timer;
  const field = h("input", { type: "search", id: "find", placeholder: "Name or username", autocomplete: "off" });
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => change({ text: field.value }), 200);
  });
  return h("div", { class: "tools", role: "search" },
    h("div", { class: "find" }, h("label", { for: "find" }, "Find an account"), field),
    select("Show", FILTERS, wish.filter, (filter) => change({ filter })),
    select("Sort by", { "": ["As listed"], ...SORTS }, wish.sort ?? "", (sort) => change({ sort: sort || null })),
    looks(wish, change));
}

function select(label, options, value, onchange) {
  const id = `choose-${label.toLowerCase().replace(" ", "-")}`;
  const field = h("select", { id, onchange: () => onchange(field.value) },
    Object.entries(options).map(([key, [words]]) => h("option", { value: key, selected: key === value }, words)));
  return h("div", { class: "find" }, h("label", { for: id }, label), field);
}

function looks(wish, change) {
  const buttons = ["cards", "table"].map((look) => h("button", {
    type: "button", class: "button", "aria-pressed": String(wish.look === look), "aria-label": `As ${look}`, title: `As ${look}`,
    onclick: () => {
      change({ look }, false);
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.title === `As ${look}`));
      remember(look);
    },
  }, icon(look)));
  return h("div", { class: "looks", role: "group", "aria-label": "Look" }, buttons);
}

/** Many are a table, where there is room for one. */
const usual = (count) => (count > WORTH_A_TABLE && matchMedia("(min-width: 46rem)").matches ? "table" : "cards");

function remembered() {
  try {
    return { cards: "cards", table: "table" }[localStorage.getItem(KEY)];
  } catch {
    return null; // storage is switched off
  }
}

function remember(look) {
  try {
    localStorage.setItem(KEY, look);
  } catch {
    // as above
  }
}

// --- looks ---

function cards(grant) {
  const element = h("ul", { class: "cards", "aria-label": "Instagram accounts" });
  return { element, body: element, item: (account) => h("li", {}, card(account, grant(account))) };
}

function table(grant, wish, sortBy) {
  const heading = (sort) => h("th", { scope: "col", "aria-sort": wish.sort === sort && (sort === "name" ? "ascending" : "descending"), class: sort === "name" ? "" : "number" },
    h("button", { type: "button", "data-sort": sort, onclick: () => sortBy(sort) }, SORTS[sort][0]));
  const body = h("tbody", {});
  const element = h("div", { class: "table-frame card", role: "region", "aria-label": "Instagram accounts", tabindex: "0" },
    h("table", {},
      h("thead", {}, h("tr", {}, heading("name"), h("th", { scope: "col" }, "Publishing"), heading("followers"), heading("posts"), h("th", { scope: "col" }, "Pages"))),
      body));
  return { element, body, item: (account) => row(account, grant(account)) };
}

function row(account, grant) {
  const title = titleOf(account);
  const figure = (value) => h("td", { class: "number", title: value === null ? null : count(value) }, value === null ? "–" : shortCount(value));
  return h("tr", { "data-testid": "account-row", "data-account-id": account.id },
    h("th", { scope: "row", tabindex: "-1" }, h("div", { class: "row-name" },
      avatar(title, account.id, account.profile_picture_url && account.picture_url),
      h("div", {}, foreign(title, { class: "clamp" }), account.username && h("span", { class: "soft" }, foreign(`@${account.username}`, { class: "clamp" }))))),
    h("td", {}, publishing(account.can_publish, grant)),
    figure(account.followers_count),
    figure(account.media_count),
    h("td", { class: "soft" }, foreign(account.pages.map((page) => page.name || page.id).join(", "), { class: "clamp" })));
}
