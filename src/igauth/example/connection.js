// The connections: state of each, when it ends, what was granted, and the way out.

import { DOORS, doorName, mark, stateOf, works } from "./doors.js";
import { busy, foreign, h, icon, skeleton } from "./dom.js";
import { date, daysLeft, plural, since } from "./format.js";
import { actionLink, awayLink, notice, problemBox } from "./problems.js";

const PERMISSIONS = {
  pages_show_list: "See which Pages you manage",
  instagram_basic: "Read names, pictures and counts of your Instagram accounts",
  instagram_content_publish: "Publish to your Instagram accounts",
  pages_read_engagement: "Read details of your Pages",
  business_management: "See Pages in your business portfolios",
  public_profile: "Read your name and picture",
  instagram_business_basic: "Read the account's name, picture and counts",
  instagram_business_content_publish: "Publish to the account",
};
const NAMES_SHOWN = 8;

export function connectionsView({ igauth, announce, store, fail, disconnect, doors }) {
  const content = h("div", { class: "stack" });
  const element = h("div", { class: "view broad", "data-testid": "connection-view" },
    h("div", { class: "view-head" },
      h("div", {}, h("h1", { tabindex: "-1" }, "Connections"), h("p", { class: "soft" }, "How this application reaches your accounts.")),
      h("div", { class: "actions" },
        doors.instagram && h("a", { class: "button", href: igauth.loginUrl({ door: "instagram", prompt: "select" }) }, icon("plus"), "Add by Instagram"))),
    content);

  async function load() {
    if (!store.connections) content.replaceChildren(skeleton(2, "block"));
    try {
      store.connections = await igauth.connections();
      show();
      if (!store.listing && store.connections.some(({ status }) => works(status))) await learnNames();
    } catch (error) {
      if (!fail(error)) show(error, load);
    }
  }

  /** The names behind the ids of the last consent. */
  async function learnNames() {
    store.listing = await igauth.accounts().catch(() => null);
    if (store.listing) show();
  }

  /** Asks Meta about one connection now; a failure is shown above, and what is known stays. */
  async function check(button, id) {
    await busy(button, async () => {
      try {
        const checked = await igauth.verify(id);
        store.connections = store.connections.map((each) => (each.id === id ? checked : each));
        announce(`Checked: ${stateOf(checked).word.toLowerCase()}`);
        show();
      } catch (error) {
        if (fail(error)) return;
        store.connections = await igauth.connections().catch(() => store.connections);
        const told = store.connections.some((each) => each.id === id && !works(each.status));
        show(told && error.status === 409 ? null : error, () => check(button, id));
      }
    });
  }

  function show(error, retry) {
    const connections = store.connections ?? [];
    const focused = content.contains(document.activeElement) ? document.activeElement.dataset.button : null;
    content.replaceChildren(...[
      error && problemBox(igauth, error, retry),
      ...connections.map((connection) => panelOf(connection, connections.length === 1)),
      !connections.length && !error && notice({ title: "There is no connection", text: "Log in to make one." }),
    ].filter(Boolean));
    if (focused) content.querySelector(`[data-button="${focused}"]`)?.focus();
  }

  const panelOf = (connection, only) => h("div", { class: "columns", "data-testid": "connection", "data-provider": connection.provider },
    h("div", { class: "stack" }, state(igauth, connection, check), permissions(igauth, connection)),
    h("div", { class: "stack" },
      connection.last_consent && consent(connection, store.listing),
      ending(igauth, connection, only, { fail, disconnect })));

  if (store.connections) show();
  load();
  return { element, revisit: () => !content.contains(document.activeElement) && load() };
}

// --- its state ---

function state(igauth, connection, check) {
  const { tone, word, text, label, cause, action } = stateOf(connection);
  const lacking = connection.missing_scopes.length;
  const fine = connection.status === "active";
  const sentence = fine && lacking ? `Works, but ${plural(lacking, "permission is", "permissions are")} missing.` : `${cause} ${text}`.trim();
  const title = `state-${connection.id}`;
  return h("section", { class: `card state ${tone}`, "aria-labelledby": title },
    h("div", { class: "state-head" },
      h("div", {},
        h("h2", { id: title, class: "door-title" }, mark(connection.provider), h("span", {}, `${doorName(connection.provider)}, as `, foreign(connection.name ?? connection.provider_user_id))),
        h("p", { class: "soft" }, sentence)),
      h("p", { class: `tag ${tone}`, "data-testid": "connection-status", "data-status": connection.status }, icon(tone === "good" ? "check" : "warn"), word)),
    h("dl", { class: "facts" }, [...(works(connection.status) ? datesAhead(connection) : datesBehind(connection))]),
    h("div", { class: "actions" },
      action && actionLink(igauth, action, { label, primary: true }),
      !["revoked", "reconnect_required"].includes(connection.status)
        && h("button", { type: "button", class: "button", "data-button": `check-${connection.id}`, onclick: (event) => check(event.currentTarget, connection.id) }, "Check now")));
}

const fact = (label, value, note, attributes = {}) => h("div", attributes, h("dt", {}, label), h("dd", {}, value, note && h("span", { class: "soft" }, note)));

/** What ends when, and what the person has to do for it. */
function* datesAhead(connection) {
  const { provider, token_expires_at: token, data_access_expires_at: data } = connection;
  yield end("Access lasts until", token, "token-ends", "renewed by itself where possible");
  if (provider === "facebook") yield end("Confirm at Facebook by", data, "data-access-ends", "Facebook asks every 90 days");
  yield fact("Connected", since(connection.connected_at));
  yield fact("Last checked", connection.verified_at ? since(connection.verified_at) : "not yet");
  if (connection.used_at) yield fact("Last used", since(connection.used_at), "by this application's server");
}

/** Of a connection that doesn't work only the past is told. */
function* datesBehind(connection) {
  yield fact("Connected", since(connection.connected_at));
  yield fact("Last checked", connection.verified_at ? since(connection.verified_at) : "not yet");
}

function end(label, iso, testid, note) {
  if (!iso) return h("div", {}, h("dt", {}, label), h("dd", { "data-testid": testid }, "no end named"));
  const days = daysLeft(iso);
  const words = days < 0 ? "ended" : days === 0 ? "today" : `in ${plural(days, "day")}`;
  return h("div", { class: days < 7 ? "near" : "" }, h("dt", {}, label),
    h("dd", { "data-testid": testid }, h("time", { datetime: iso }, date(iso)), h("span", { class: "soft" }, `${words}; ${note}`)));
}

// --- what was granted ---

function permissions(igauth, connection) {
  const held = works(connection.status);
  const missing = new Set(connection.missing_scopes);
  const declined = new Set(connection.declined_scopes);
  const names = [...missing, ...connection.granted_scopes.filter((name) => !missing.has(name))];
  const item = (name) => {
    const [tone, word] = !missing.has(name) ? [held ? "good" : "", "Granted"] : declined.has(name) ? ["warn", "Declined"] : ["warn", "Not granted"];
    return h("li", { "data-testid": "permission", "data-permission": name, "data-state": word.toLowerCase() },
      h("div", {}, h("span", {}, PERMISSIONS[name] ?? name), PERMISSIONS[name] && h("code", { class: "soft" }, name)),
      h("span", { class: `tag ${tone}` }, icon(word === "Granted" ? "check" : "cross"), word));
  };
  return h("section", { class: "card" },
    h("h2", {}, held ? "Permissions" : "Permissions, as they were"),
    names.length ? h("ul", { class: "rows" }, names.map(item)) : h("p", { class: "soft" }, `${doorName(connection.provider)} didn't say.`),
    held && missing.size > 0 && h("div", { class: "actions" }, actionLink(igauth, {
      kind: "grant_permissions", url: igauth.loginUrl({ door: connection.provider, prompt: "select", reconnect: connection.id }),
    }, { label: "Grant what is missing" })));
}

function consent({ last_consent: last }, listing) {
  const names = new Map((listing?.data ?? []).map((account) => [account.id, account.username ?? account.name]));
  const group = (title, ids, word) => ids.length > 0 && h("div", { "data-testid": `consent-${word}` }, h("dt", {}, title),
    h("dd", {},
      ids.slice(0, NAMES_SHOWN).map((each) => foreign(names.get(each) ? `@${names.get(each)}` : each, { class: "chip" })),
      ids.length > NAMES_SHOWN && h("span", { class: "soft" }, `and ${plural(ids.length - NAMES_SHOWN, "more", "more")}`)));
  const groups = [group("Added", last.added, "added"), group("Kept", last.kept, "kept"), group("No longer shared", last.lost, "lost")].filter(Boolean);
  return h("section", { class: "card" },
    h("h2", {}, "Your last choice"),
    h("p", { class: "soft" }, since(last.at)),
    groups.length ? h("dl", { class: "consent" }, groups) : h("p", {}, "No account was shared."));
}

// --- the way out ---

function ending(igauth, connection, only, { fail, disconnect }) {
  const door = doorName(connection.provider);
  const trouble = h("div", { class: "stack" });
  const dialog = h("dialog", { "aria-labelledby": `leave-${connection.id}` });
  const keep = h("button", { type: "button", class: "button", autofocus: true, onclick: () => dialog.close() }, "Keep it");
  const go = h("button", { type: "button", class: "button danger" }, only ? "Disconnect and delete" : "Disconnect");
  go.addEventListener("click", () => busy(go, async () => {
    try {
      await disconnect(connection);
    } catch (error) {
      if (!fail(error)) trouble.replaceChildren(problemBox(igauth, error));
    }
  }));
  dialog.append(
    h("h2", { id: `leave-${connection.id}` }, only ? "Disconnect and delete your data?" : `Disconnect ${door}?`),
    h("div", {}, h("ul", {}, consequences(connection, only).map((text) => h("li", {}, text))),
      h("p", { class: "soft" }, "Your Instagram accounts and Pages stay as they are. You can connect again later.")),
    trouble,
    h("div", { class: "actions end" }, keep, go));
  return h("section", { class: "card" },
    h("h2", {}, only ? "Your data" : "Ending it"),
    only && h("p", {}, "Stored here: your name and id for this app, the sealed token, the list of accounts, and the devices that are logged in. To disconnect is to delete all of it."),
    h("p", { class: "soft" }, connection.provider === "instagram"
      ? "Disconnecting ends the access from here. Instagram goes on listing the app until you remove it there."
      : "You can also remove the app in Facebook's settings, and ask there for the deletion of your data."),
    h("div", { class: "actions" },
      h("button", { type: "button", class: "button danger-quiet", onclick: () => dialog.showModal() }, only ? "Disconnect and delete my data…" : `Disconnect ${door}…`),
      connection.manage_url && awayLink(connection.manage_url, `Apps at ${DOORS[connection.provider].name}`)),
    dialog);
}

function consequences({ provider }, only) {
  const door = doorName(provider);
  const access = provider === "facebook" ? "Facebook takes the application's access back." : "The application's access is deleted here.";
  if (!only) return [access, `The accounts that only ${door} leads to leave the list.`, "If this is what you log in with, everything stored about you is deleted, and you are logged out."];
  return [access, "Your name, the token and the list of accounts are deleted here.", "You are logged out on every device."];
}
