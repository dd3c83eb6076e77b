// The connection: its state, when it ends, what was granted, and the way out.

import { busy, foreign, h, icon, skeleton } from "./dom.js";
import { date, daysLeft, plural, since } from "./format.js";
import { actionLink, notice, problemBox } from "./problems.js";

const STATES = {
  active: ["good", "Active", "Everything works."],
  expiring: ["warn", "Ends soon", "Reconnect before it ends, and nothing is interrupted."],
  reconnect_required: ["bad", "Ended", "Facebook no longer accepts it. Reconnect to go on."],
  checkpoint_required: ["warn", "On hold", "Facebook wants to check something with you on facebook.com."],
  revoked: ["bad", "Removed", "The app was removed at Facebook. Reconnect to go on."],
};
const PERMISSIONS = {
  pages_show_list: "See which Pages you manage",
  instagram_basic: "Read names, pictures and counts of your Instagram accounts",
  instagram_content_publish: "Publish to your Instagram accounts",
  pages_read_engagement: "Read details of your Pages",
  business_management: "See Pages in your business portfolios",
  public_profile: "Read your name and picture",
};
const NAMES_SHOWN = 8;

export function connectionView({ igauth, announce, store, fail, onDisconnected }) {
  const content = h("div", { class: "stack" });
  const element = h("div", { class: "view", "data-testid": "connection-view" },
    h("div", { class: "view-head" }, h("h1", { tabindex: "-1" }, "Connection")), content);

  async function load() {
    if (!store.connection) content.replaceChildren(skeleton(2, "block"));
    try {
      store.connection = await igauth.connection();
      show();
      if (!store.listing && ["active", "expiring"].includes(store.connection?.status)) await learnNames();
    } catch (error) {
      if (!fail(error)) show(error, load);
    }
  }

  /** The names behind the ids of the last consent. */
  async function learnNames() {
    store.listing = await igauth.accounts().catch(() => null);
    if (store.listing) show();
  }

  /** Runs one of the buttons: a failure is shown above, and what is known stays. */
  async function attempt(button, work) {
    await busy(button, async () => {
      try {
        announce(await work());
        show();
      } catch (error) {
        if (fail(error)) return;
        store.connection = await igauth.connection().catch(() => store.connection);
        show(error, () => attempt(button, work));
      }
    });
  }

  const check = () => igauth.verify(store.connection.id).then((connection) => {
    store.connection = connection;
    return `Checked: ${STATES[connection.status][1].toLowerCase()}`;
  });
  const refresh = () => igauth.accounts({ refresh: true }).then((listing) => {
    store.listing = listing;
    return `Asked Facebook: ${plural(listing.data.length, "account")}`;
  });

  function show(error, retry) {
    const { connection } = store;
    const focused = content.contains(document.activeElement) ? document.activeElement.dataset.button : null;
    content.replaceChildren(...[
      error && problemBox(igauth, error, retry),
      connection && h("div", { class: "columns" },
        h("div", { class: "stack" },
          state(igauth, connection, { attempt, check, refresh }),
          permissions(igauth, connection)),
        h("div", { class: "stack" },
          connection.last_consent && consent(connection.last_consent, store.listing),
          ending(igauth, connection, { fail, onDisconnected }))),
      !connection && !error && notice({ title: "There is no connection", text: "Log in with Facebook to make one." }),
    ].filter(Boolean));
    if (focused) content.querySelector(`[data-button="${focused}"]`)?.focus();
  }

  if (store.connection) show();
  load();
  return { element, revisit: () => !content.contains(document.activeElement) && load() };
}

function state(igauth, connection, { attempt, check, refresh }) {
  const [tone, word, sentence] = STATES[connection.status];
  const lacking = connection.missing_scopes.length;
  const primary = connection.status !== "active" && connection.status !== "checkpoint_required";
  const button = (name, label, work) => h("button", {
    type: "button", class: "button", "data-button": name, onclick: (event) => attempt(event.currentTarget, work),
  }, label);
  return h("section", { class: "card", "aria-labelledby": "state-title" },
    h("div", { class: "state-head" },
      h("div", {},
        h("h2", { id: "state-title" }, "Facebook, as ", foreign(connection.name ?? connection.provider_user_id)),
        h("p", { class: "soft" }, tone === "good" && lacking ? `Works, but ${plural(lacking, "permission is", "permissions are")} missing.` : sentence)),
      h("p", { class: `tag ${tone}`, "data-testid": "connection-status", "data-status": connection.status }, icon(tone === "good" ? "check" : "warn"), word)),
    h("dl", { class: "facts" },
      end("Token ends", connection.token_expires_at, "token-ends"),
      end("Access to data ends", connection.data_access_expires_at, "data-access-ends"),
      h("div", {}, h("dt", {}, "Connected"), h("dd", {}, since(connection.connected_at))),
      h("div", {}, h("dt", {}, "Last checked"), h("dd", {}, connection.verified_at ? since(connection.verified_at) : "not yet"))),
    h("div", { class: "actions" },
      connection.status === "checkpoint_required"
        && actionLink(igauth, { kind: "visit_facebook", url: "https://www.facebook.com/" }, { primary: true }),
      actionLink(igauth, { kind: "reconnect", url: connection.reconnect_url }, { label: "Reconnect", primary }),
      button("check", "Check now", check),
      button("refresh", "Refresh accounts", refresh)));
}

function end(label, iso, testid) {
  if (!iso) return h("div", {}, h("dt", {}, label), h("dd", { "data-testid": testid }, "no date given"));
  const days = daysLeft(iso);
  const words = days < 0 ? "ended" : days === 0 ? "today" : `in ${plural(days, "day")}`;
  return h("div", { class: days < 7 ? "near" : "" }, h("dt", {}, label),
    h("dd", { "data-testid": testid }, words, h("time", { datetime: iso, class: "soft" }, date(iso))));
}

function permissions(igauth, connection) {
  const missing = new Set(connection.missing_scopes);
  const declined = new Set(connection.declined_scopes);
  const names = [...missing, ...connection.granted_scopes.filter((name) => !missing.has(name))];
  const item = (name) => {
    const [tone, word] = !missing.has(name) ? ["good", "Granted"] : declined.has(name) ? ["warn", "Declined"] : ["warn", "Not granted"];
    return h("li", { "data-testid": "permission", "data-permission": name, "data-state": word.toLowerCase() },
      h("div", {}, h("span", {}, PERMISSIONS[name] ?? name), PERMISSIONS[name] && h("code", { class: "soft" }, name)),
      h("span", { class: `tag ${tone}` }, icon(tone === "good" ? "check" : "cross"), word));
  };
  return h("section", { class: "card", "aria-labelledby": "permissions-title" },
    h("h2", { id: "permissions-title" }, "Permissions"),
    h("ul", { class: "rows" }, names.map(item)),
    missing.size > 0 && h("div", { class: "actions" }, actionLink(igauth, {
      kind: "grant_permissions", url: igauth.loginUrl({ prompt: "select", reconnect: connection.id }),
    }, { label: "Grant what is missing" })));
}

function consent(last, listing) {
  const names = new Map((listing?.data ?? []).map((account) => [account.id, account.username ?? account.name]));
  const group = (title, ids, word) => ids.length > 0 && h("div", { "data-testid": `consent-${word}` }, h("dt", {}, title),
    h("dd", {},
      ids.slice(0, NAMES_SHOWN).map((id) => foreign(names.get(id) ? `@${names.get(id)}` : id, { class: "chip" })),
      ids.length > NAMES_SHOWN && h("span", { class: "soft" }, `and ${plural(ids.length - NAMES_SHOWN, "more", "more")}`)));
  const groups = [group("Added", last.added, "added"), group("Kept", last.kept, "kept"), group("No longer shared", last.lost, "lost")].filter(Boolean);
  return h("section", { class: "card", "aria-labelledby": "consent-title" },
    h("div", {},
      h("h2", { id: "consent-title" }, "Your last choice at Facebook"),
      h("p", { class: "soft" }, "Made ", since(last.at))),
    groups.length ? h("dl", { class: "consent" }, groups) : h("p", {}, "No Instagram account was shared."));
}

// --- the way out ---

function ending(igauth, connection, { fail, onDisconnected }) {
  const trouble = h("div");
  const keep = h("button", { type: "button", class: "button", autofocus: true, onclick: () => dialog.close() }, "Keep it");
  const go = h("button", { type: "button", class: "button danger" }, "Disconnect and delete");
  const dialog = h("dialog", { "aria-labelledby": "ending-title", "aria-describedby": "ending-text" },
    h("h2", { id: "ending-title" }, "Disconnect and delete your data?"),
    h("div", { id: "ending-text" },
      h("p", {}, "At once, and for good:"),
      h("ul", {},
        h("li", {}, "Facebook takes the app's access back."),
        h("li", {}, "Your name, the token and the list of accounts are deleted here."),
        h("li", {}, "You are logged out on every device.")),
      h("p", { class: "soft" }, "Your Instagram accounts and Pages stay as they are. You can connect again later.")),
    trouble,
    h("div", { class: "actions end" }, keep, go));

  go.addEventListener("click", () => busy(go, async () => {
    try {
      onDisconnected(await igauth.disconnect(connection.id));
    } catch (error) {
      if (!fail(error)) trouble.replaceChildren(problemBox(igauth, error));
    }
  }));
  return h("section", { class: "card", "aria-labelledby": "data-title" },
    h("h2", { id: "data-title" }, "Your data"),
    h("p", {}, "Stored here: your name and Facebook id for this app, the sealed token, the list of accounts, and the devices that are logged in. To disconnect is to delete all of it."),
    h("p", { class: "soft" }, "You can also remove the app in Facebook's settings, and ask there for the deletion of your data."),
    h("div", { class: "actions" }, h("button", { type: "button", class: "button danger-quiet", onclick: () => dialog.showModal() }, "Disconnect and delete my data…")),
    dialog);
}
