// The two doors (Facebook, Instagram) and what the state of a connection means, said once.

import { icon } from "./dom.js";

export const DOORS = {
  facebook: { name: "Facebook", mark: "facebook", shares: "Accounts with a Facebook Page" },
  instagram: { name: "Instagram", mark: "instagram", shares: "One account, no Page needed" },
};

export const doorName = (provider) => DOORS[provider]?.name ?? "Facebook";

/** Meta's marks in the colours that its brand rules ask for, drawn here. */
export const mark = (provider) => icon(DOORS[provider].mark);

/** Whether the connection lets anything be done at the moment. */
export const works = (status) => status === "active" || status === "expiring";

const CAUSES = {
  token_ends_soon: "The access ends soon.",
  data_access_ends_soon: "{door} wants you to confirm the access every 90 days, and that is due soon.",
  token_expired: "The access has run out.",
  data_access_expired: "{door} wants the access confirmed every 90 days, and nobody did.",
  password_changed: "The password was changed, and that ended the access.",
  session_invalid: "{door} ended the access.",
  not_ours: "{door} no longer counts the access as this application's.",
  token_unreadable: "The stored access can't be read any more.",
  checkpoint: "{door} wants to check something with you first.",
  unconfirmed_user: "{door} wants you to confirm your account first.",
  app_access_missing: "{door} doesn't let this application in for this account.",
  app_removed: "The application was removed at {door}.",
};

const STATES = {
  active: { tone: "good", word: "Active", title: "The {door} connection works", text: "Everything works." },
  expiring: { tone: "warn", word: "Ends soon", title: "Your access ends soon", text: "Renew it, and nothing is interrupted.", label: "Renew with {door}" },
  reconnect_required: { tone: "bad", word: "Ended", title: "The {door} connection has ended", text: "Reconnect to go on.", label: "Reconnect with {door}" },
  checkpoint_required: { tone: "warn", word: "On hold", title: "{door} wants to check something with you", text: "Confirm it there; then this works again by itself.", label: "Go to {door}" },
  revoked: { tone: "bad", word: "Removed", title: "The app was removed at {door}", text: "Connect again to go on.", label: "Connect with {door} again" },
};

/**
 * What to say about a connection, or a listing's short form of one, and the way out of it: the
 * same everywhere.
 *
 * @returns {{tone, word, title, text, label, cause, action}} `action` is null where nothing is to be done
 */
export function stateOf(connection) {
  const door = doorName(connection.provider);
  const told = Object.fromEntries(Object.entries(STATES[connection.status]).map(([key, text]) => [key, text.replace("{door}", door)]));
  const cause = (CAUSES[connection.cause] ?? "").replace("{door}", door);
  return { label: null, ...told, cause, action: wayOut(connection) };
}

function wayOut({ status, cause, provider, reconnect_url: url }) {
  if (status === "active" || cause === "app_access_missing") return null;
  if (status !== "checkpoint_required") return { kind: "reconnect", url };
  return { kind: `visit_${provider}`, url: `https://www.${provider}.com/` };
}
