// The accounts: how true the list is, the list, and what isn't in it.

import { busy, h, icon, skeleton } from "./dom.js";
import { doorName, stateOf, works } from "./doors.js";
import { enumerate, grouped, plural, since } from "./format.js";
import { browser } from "./list.js";
import { actionLink, awayLink, notice, problemBox } from "./problems.js";
import { reasons } from "./reasons.js";

/** @returns {{element: HTMLElement, revisit: () => void}} */
export function accountsView({ igauth, announce, store, fail, doors }) {
  let troubled = false;
  const content = h("div", { class: "stack" });
  const summary = h("p", { class: "soft" });
  const again = h("button", { type: "button", class: "button" }, icon("refresh"), "Refresh");
  const choose = h("div", { class: "actions" });
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
      if (refresh) announce(`Asked ${askedOf(listing.meta)}: ${plural(listing.data.length, "account")}`);
    } catch (error) {
      if (!fail(error)) show(store.listing, error);
    }
  }

  /** One way to try again: the problem's own, in place of "Refresh". */
  function show(listing, error) {
    const dead = listing?.meta.connections.find(({ status }) => !works(status));
    const label = error?.action?.kind === "reconnect" ? `Reconnect with ${doorName(dead?.provider)}` : undefined;
    const trouble = error && problemBox(igauth, error, () => load({ refresh: Boolean(listing) }), { label });
    troubled = Boolean(error);
    again.hidden = troubled;
    if (!listing) {
      content.replaceChildren(trouble);
      return;
    }
    const { data, meta } = listing;
    choose.replaceChildren(...ways(igauth, doors, meta.connections));
    summary.replaceChildren(`${plural(data.length, "account")} · checked `, since(meta.fetched_at));
    content.replaceChildren(...[
      trouble,
      ...states(igauth, meta, error?.status === 409),
      data.length ? browser(listing, announce) : emptiness(igauth, meta),
      meta.not_listed.length > 0 && reasons(igauth, meta.not_listed),
    ].filter(Boolean));
  }

  again.addEventListener("click", () => busy(again, () => load({ refresh: true })));
  if (store.listing) show(store.listing);
  load({ quiet: true });
  return { element, revisit: () => load({ quiet: true }) };
}

/** The doors to more accounts: Facebook's choice again, another account by Instagram. */
function* ways(igauth, doors, connections) {
  const facebook = connections.find(({ provider }) => provider === "facebook");
  if (facebook) yield h("a", { class: "button", href: igauth.loginUrl({ prompt: "select", reconnect: facebook.id }) }, icon("plus"), "Choose accounts");
  else if (doors.facebook) yield h("a", { class: "button", href: igauth.loginUrl({ door: "facebook", link: true }) }, icon("plus"), "Add Facebook");
  if (doors.instagram) yield h("a", { class: "button", href: igauth.loginUrl({ door: "instagram", prompt: "select" }) }, icon("plus"), "Add by Instagram");
}

// --- how true the list is ---

const askedOf = ({ connections }) => enumerate([...new Set(connections.map(({ provider }) => doorName(provider)))]);

/** `told`: a problem above already says what is wrong with the connection. */
function* states(igauth, meta, told) {
  const troubled = meta.connections.filter(({ status }) => status !== "active");
  for (const connection of told ? [] : troubled) yield connectionNotice(igauth, connection);
  if (meta.stale && !told && !troubled.length) {
    yield notice({ tone: "warn", title: "This list may be out of date", text: h("p", {}, `${askedOf(meta)} couldn't be asked just now. This is how it was `, since(meta.fetched_at), "."), "data-testid": "stale" });
  }
  if (!meta.complete) {
    yield notice({ tone: "warn", title: "This list may be incomplete", text: "Some answers are missing. Refresh in a moment to get the rest.", "data-testid": "incomplete" });
  }
  for (const [code, warnings] of grouped(meta.warnings, (warning) => warning.code)) yield warningBox(igauth, code, warnings);
}

function connectionNotice(igauth, connection) {
  const { tone, title, text, label, action } = stateOf(connection);
  const until = works(connection.status) ? "" : " Until then, its accounts are shown as they were.";
  return notice({
    tone, title, text: text + until,
    actions: [action && actionLink(igauth, action, { label, primary: true })],
    "data-testid": "connection-notice", "data-status": connection.status,
  });
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

// --- nothing there ---

function emptiness(igauth, meta) {
  const seen = meta.not_listed.length;
  const facebook = meta.connections.find(({ provider }) => provider === "facebook");
  return h("section", { class: "card empty", "aria-labelledby": "empty-title", "data-testid": "empty" },
    h("h2", { id: "empty-title" }, "No Instagram account to show yet"),
    h("p", {}, seen
      ? `${plural(seen, "Page or account was", "Pages or accounts were")} seen, but none that can be used. Each is below, with what to do.`
      : "Facebook showed no Page of yours with an Instagram professional account. It takes three things:"),
    !seen && h("ol", {},
      h("li", {}, h("strong", {}, "A professional account."), " In the Instagram app: Settings, Account type, Switch to professional."),
      h("li", {}, h("strong", {}, "A Facebook Page that it is linked to,"), " and on which you have a role."),
      h("li", {}, h("strong", {}, "Both ticked"), " when Facebook asks what to share.")),
    h("div", { class: "actions" },
      facebook && h("a", { class: "button primary", href: igauth.loginUrl({ prompt: "select", reconnect: facebook.id }) }, "Choose accounts at Facebook"),
      awayLink("https://help.instagram.com/570895513091465", "How to link a Page")));
}
