// The accounts: cards, what isn't listed and why, and how true the list is at the moment.

import { avatar, busy, foreign, h, hidden, icon, skeleton } from "./dom.js";
import { count, enumerate, plural, shortCount, since } from "./format.js";
import { actionLink, notice, problemBox } from "./problems.js";

const STEP = 60;
const REASONS_SHOWN = 12;
const WORTH_SEARCHING = 9;
const REASONS = {
  page_without_instagram: "No Instagram account",
  page_not_granted: "Not shared",
  instagram_unreachable: "Not reachable",
  page_unavailable: "Held back by Facebook",
  malformed: "Not readable",
};
const TASKS = {
  ADVERTISE: "advertise",
  ANALYZE: "see insights",
  CREATE_CONTENT: "create content",
  MANAGE: "manage",
  MANAGE_LEADS: "manage leads",
  MESSAGING: "answer messages",
  MODERATE: "moderate",
  VIEW_MONETIZATION_INSIGHTS: "see earnings",
};

/** @returns {{element: HTMLElement, revisit: () => void}} */
export function accountsView({ igauth, announce, store, fail }) {
  let troubled = false;
  const content = h("div", { class: "stack" });
  const summary = h("p", { class: "soft" });
  const again = h("button", { type: "button", class: "button" }, icon("refresh"), "Refresh");
  const choose = h("a", { class: "button", href: igauth.loginUrl({ prompt: "select" }) }, icon("plus"), "Choose accounts");
  const element = h("div", { class: "view", "data-testid": "accounts-view" },
    h("div", { class: "view-head" },
      h("div", {}, h("h1", { tabindex: "-1" }, "Instagram accounts"), summary),
      h("div", { class: "actions" }, choose, again)),
    content);

  async function load({ refresh = false, quiet = false } = {}) {
    if (!store.listing) content.replaceChildren(skeleton(6, "tile"));
    try {
      const listing = await igauth.accounts({ refresh });
      const same = listing === store.listing;
      store.listing = listing;
      if (!same || !quiet || troubled) show(listing);
      if (refresh) announce(`Asked Facebook: ${plural(listing.data.length, "account")}`);
    } catch (error) {
      if (!fail(error)) show(store.listing, error);
    }
  }

  function show(listing, error) {
    const retry = () => load({ refresh: Boolean(listing) });
    const trouble = error && problemBox(igauth, error, retry);
    troubled = Boolean(error);
    if (!listing) {
      content.replaceChildren(trouble);
      return;
    }
    const { data, meta } = listing;
    choose.href = igauth.loginUrl({ prompt: "select", reconnect: meta.connection.id });
    summary.replaceChildren(`${plural(data.length, "account")} · checked `, since(meta.fetched_at));
    content.replaceChildren(...[
      trouble,
      ...states(igauth, meta, error?.status === 409),
      data.length ? list(data, meta, announce) : emptiness(igauth, meta, choose.href),
      meta.not_listed.length > 0 && reasons(igauth, meta.not_listed),
    ].filter(Boolean));
  }

  again.addEventListener("click", () => busy(again, () => load({ refresh: true })));
  if (store.listing) show(store.listing);
  load({ quiet: true });
  return { element, revisit: () => load({ quiet: true }) };
}

// --- how true the list is ---

const CONNECTION_STATES = {
  expiring: ["warn", "Your access ends soon", "Renew it, and nothing is interrupted.", "Renew with Facebook"],
  reconnect_required: ["bad", "The Facebook connection has ended", "This is the list as it was. Reconnect to bring it up to date.", "Reconnect with Facebook"],
  checkpoint_required: ["warn", "Facebook wants to check something with you", "Confirm it on facebook.com; then this works again. Until then, this is the list as it was.", null],
  revoked: ["bad", "The app was removed at Facebook", "This is the list as it was. Reconnect to bring it up to date.", "Reconnect with Facebook"],
};

/** `told`: a problem above already says what is wrong with the connection. */
function* states(igauth, meta, told) {
  const { status, reconnect_url: url } = meta.connection;
  if (told) {
    // nothing to add
  } else if (status in CONNECTION_STATES) {
    const [tone, title, text, label] = CONNECTION_STATES[status];
    const action = label ? { kind: "reconnect", url } : { kind: "visit_facebook", url: "https://www.facebook.com/" };
    yield notice({ tone, title, text, actions: [actionLink(igauth, action, { label, primary: true })], "data-testid": "connection-notice", "data-status": status });
  } else if (meta.stale) {
    yield notice({ tone: "warn", title: "This list may be out of date", text: h("span", {}, "Facebook couldn't be asked just now. This is what it told ", since(meta.fetched_at), "."), "data-testid": "stale" });
  }
  if (!meta.complete) {
    yield notice({ tone: "warn", title: "This list may be incomplete", text: "Some of Facebook's answers are missing. Refresh in a moment to get the rest.", "data-testid": "incomplete" });
  }
  const byCode = Map.groupBy(meta.warnings, (warning) => warning.code);
  for (const [code, warnings] of byCode) yield warningBox(igauth, code, warnings);
}

/** Warnings of one code have one fix. */
function warningBox(igauth, code, warnings) {
  const permission = code === "permission_missing";
  const missing = warnings.length === 1 ? "A permission is missing" : `${warnings.length} permissions are missing`;
  return notice({
    title: permission ? missing : "Good to know",
    text: h("ul", {}, warnings.map(({ permission: name, message }) => h("li", { "data-permission": name }, message))),
    actions: [actionLink(igauth, warnings[0].action)],
    "data-testid": "warning",
    "data-code": code,
  });
}

// --- the cards ---

function list(accounts, meta, announce) {
  const grant = {
    publishes: !meta.warnings.some((warning) => warning.permission === "instagram_content_publish"),
    works: ["active", "expiring"].includes(meta.connection.status),
  };
  const cards = h("ul", { class: "cards", "aria-label": "Instagram accounts" });
  const more = h("button", { type: "button", class: "button", hidden: true });
  const none = h("p", { class: "soft", hidden: true }, "No account matches.");
  let [found, shown] = [accounts, 0];

  function add() {
    const next = found.slice(shown, shown + STEP);
    cards.append(...next.map((account) => h("li", {}, card(account, grant))));
    const first = cards.children[shown];
    shown += next.length;
    more.hidden = shown >= found.length;
    more.textContent = `Show more (${count(found.length - shown)} left)`;
    return first;
  }

  function search(text) {
    const wanted = text.trim().toLocaleLowerCase();
    found = accounts.filter((account) => haystack(account).includes(wanted));
    shown = 0;
    cards.replaceChildren();
    add();
    none.hidden = found.length > 0;
    announce(`${plural(found.length, "account")} found`);
  }

  more.addEventListener("click", () => add()?.querySelector("h2").focus());
  add();
  const finder = accounts.length >= WORTH_SEARCHING && searchField(search);
  return h("div", { class: "stack" }, finder, cards, none, more);
}

function searchField(search) {
  let timer;
  const field = h("input", { type: "search", id: "find", placeholder: "Name or username", autocomplete: "off" });
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => search(field.value), 200);
  });
  return h("div", { class: "find", role: "search" }, h("label", { for: "find" }, "Find an account"), field);
}

const haystack = (account) => [account.name, account.username, account.id, ...account.pages.map((page) => page.name)]
  .join("\n").toLocaleLowerCase();

function card(account, grant) {
  const title = account.name || account.username || `Account ${account.id}`;
  const picture = account.profile_picture_url && account.picture_url;
  const label = `account-${account.id}`;
  return h("article", { class: "card account", "aria-labelledby": label, "data-testid": "account-card", "data-account-id": account.id },
    h("div", { class: "account-head" },
      avatar(title, account.id, picture),
      h("div", { class: "account-name" },
        h("h2", { id: label, tabindex: "-1" }, foreign(title, { class: "clamp" })),
        account.username && h("p", { class: "soft" }, foreign(`@${account.username}`, { class: "clamp" })))),
    publishing(account.can_publish, grant),
    account.biography && h("p", { class: "biography" }, foreign(account.biography, { class: "clamp-3" })),
    website(account.website),
    h("dl", { class: "counts" },
      figure("Followers", account.followers_count),
      figure("Following", account.follows_count),
      figure("Posts", account.media_count)),
    pages(account.pages));
}

function publishing(can, grant) {
  if (can && !grant.works) return h("p", { class: "tag", "data-testid": "can-publish", "data-value": "later" }, icon("info"), "Can publish once reconnected");
  if (can) return h("p", { class: "tag good", "data-testid": "can-publish", "data-value": "yes" }, icon("check"), "Can publish");
  if (can === null) return h("p", { class: "tag", "data-testid": "can-publish", "data-value": "unknown" }, icon("info"), "Publishing unknown: no Page seen");
  const why = grant.publishes ? "Can't publish with your role" : "Can't publish: permission missing";
  return h("p", { class: "tag warn", "data-testid": "can-publish", "data-value": "no" }, icon("cross"), why);
}

function figure(label, number) {
  const value = number === null ? h("dd", { class: "soft" }, "–", hidden("unknown"))
    : h("dd", { title: count(number) }, shortCount(number));
  return h("div", {}, h("dt", {}, label), value);
}

/** A link only where it is https: whatever else a profile may hold stays text. */
function website(text) {
  if (!text) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const safe = url?.protocol === "https:" && !url.username && !url.password;
  const shown = safe ? text.replace(/^https:\/\//, "").replace(/\/$/, "") : text;
  return h("p", { class: "website" }, safe
    ? h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, foreign(shown, { class: "clamp" }), hidden(" (opens in a new tab)"))
    : foreign(shown, { class: "clamp soft" }));
}

function pages(all) {
  if (!all.length) return null;
  return h("div", { class: "pages" },
    h("h3", {}, all.length === 1 ? "Facebook Page" : "Facebook Pages"),
    h("ul", {}, all.map((page) => h("li", {},
      foreign(page.name || `Page ${page.id}`, { class: "clamp" }),
      h("span", { class: "soft" }, page.tasks.length ? `You can ${enumerate(page.tasks.map(taskName))}` : "You have no tasks on it")))));
}

const taskName = (task) => TASKS[task] ?? task.toLowerCase().replaceAll("_", " ");

// --- nothing there ---

function emptiness(igauth, meta, chooseUrl) {
  const seen = meta.not_listed.length;
  return h("section", { class: "card empty", "aria-labelledby": "empty-title", "data-testid": "empty" },
    h("h2", { id: "empty-title" }, "No Instagram account to show yet"),
    h("p", {}, seen
      ? `Facebook showed ${plural(seen, "Page or account", "Pages or accounts")}, but none that can be used. Each is below, with what to do.`
      : "Facebook showed no Page of yours with an Instagram professional account. It takes three things:"),
    !seen && h("ol", {},
      h("li", {}, h("strong", {}, "A professional account."), " In the Instagram app: Settings, Account type, Switch to professional."),
      h("li", {}, h("strong", {}, "A Facebook Page that it is linked to,"), " and on which you have a role."),
      h("li", {}, h("strong", {}, "Both ticked"), " when Facebook asks what to share.")),
    h("div", { class: "actions" },
      h("a", { class: "button primary", href: chooseUrl }, "Choose accounts at Facebook"),
      h("a", { class: "button", href: "https://help.instagram.com/570895513091465", target: "_blank", rel: "noopener noreferrer" },
        "How to link a Page", icon("out"), hidden(" (opens in a new tab)"))));
}

// --- not listed ---

function reasons(igauth, all) {
  const entries = together(all);
  const items = h("ul", { class: "reasons" });
  const rest = entries.length - REASONS_SHOWN;
  const add = (some) => items.append(...some.map((entry) => h("li", {}, reason(igauth, entry))));
  add(entries.slice(0, REASONS_SHOWN));
  const more = rest > 0 && h("button", {
    type: "button",
    class: "button",
    onclick: () => {
      add(entries.slice(REASONS_SHOWN));
      more.remove();
      items.children[REASONS_SHOWN].querySelector("h3").focus();
    },
  }, `Show ${count(rest)} more`);
  return h("section", { class: "card not-listed", "aria-labelledby": "not-listed-title", "data-testid": "not-listed" },
    h("h2", { id: "not-listed-title" }, "Not listed, and why"), items, more);
}

/** Entries that nothing tells apart become one, with a count. */
function together(entries) {
  const nameless = (entry) => !entry.page && !entry.instagram_account_id;
  const groups = Map.groupBy(entries.filter(nameless), (entry) => entry.reason);
  return [...entries.filter((entry) => !nameless(entry)),
    ...[...groups.values()].map((group) => ({ ...group[0], count: group.length }))];
}

function reason(igauth, entry) {
  const name = entry.page?.name || (entry.page && `Page ${entry.page.id}`)
    || (entry.instagram_account_id && `Instagram account ${entry.instagram_account_id}`) || `${plural(entry.count, "entry", "entries")} without a name`;
  const label = entry.action?.kind === "grant_permissions" ? "Choose again at Facebook" : undefined;
  return h("article", { class: "reason", "data-testid": "not-listed-item", "data-reason": entry.reason },
    h("div", {},
      h("h3", { tabindex: "-1" }, foreign(name, { class: "clamp" })),
      h("p", { class: "tag" }, REASONS[entry.reason] ?? entry.reason),
      h("p", { class: "soft" }, entry.message)),
    actionLink(igauth, entry.action, { label }));
}
