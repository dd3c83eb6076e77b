// One account as a card.

import { avatar, foreign, h, hidden, icon } from "./dom.js";
import { count, enumerate, shortCount } from "./format.js";

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

export const titleOf = (account) => account.name || account.username || `Account ${account.id}`;

/** `grant`: whether its connection works, and whether the permission to publish is there. */
export function card(account, grant) {
  const title = titleOf(account);
  const label = `account-${account.id}`;
  return h("article", { class: "card account", "aria-labelledby": label, "data-testid": "account-card", "data-account-id": account.id },
    h("div", { class: "account-head" },
      avatar(title, account.id, account.profile_picture_url && account.picture_url),
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

/** Never "can" under a connection that doesn't work, and never "can't" where it isn't known. */
export function publishing(can, grant) {
  const told = (value, tone, sign, words) => h("p", { class: `tag ${tone}`, "data-testid": "can-publish", "data-value": value }, icon(sign), words);
  if (can && !grant.works) return told("later", "", "info", "Can publish once reconnected");
  if (can) return told("yes", "good", "check", "Can publish");
  if (can === null) return told("unknown", "", "info", "Publishing not known");
  return told("no", "warn", "cross", grant.publishes ? "Can't publish with your role" : "Can't publish: permission missing");
}

function figure(label, number) {
  const value = number === null ? h("dd", { class: "soft" }, "–", hidden("unknown"))
    : h("dd", { title: count(number) }, shortCount(number));
  return h("div", {}, h("dt", {}, label), value);
}

/** A link only where it is https: whatever else a profile may hold stays text. */
function website(text) {
  if (!text) return null;
  const url = parsed(text);
  const safe = url?.protocol === "https:" && !url.username && !url.password;
  const shown = safe ? text.replace(/^https:\/\//, "").replace(/\/$/, "") : text;
  return h("p", { class: "website" }, safe
    ? h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, foreign(shown, { class: "clamp" }), hidden(" (opens in a new tab)"))
    : foreign(shown, { class: "clamp soft" }));
}

function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

function pages(all) {
  if (!all.length) return null;
  return h("div", { class: "pages" },
    h("h3", {}, all.length === 1 ? "Facebook Page" : "Facebook Pages"),
    h("ul", {}, all.map((page) => h("li", {},
      foreign(page.name || `Page ${page.id}`, { class: "clamp" }),
      h("span", { class: "soft" }, tasksOf(page))))));
}

/** `tasks` is null where Facebook didn't say. */
function tasksOf({ tasks }) {
  if (!tasks) return "Your role on it isn't known";
  return tasks.length ? `You can ${enumerate(tasks.map(taskName))}` : "You have no tasks on it";
}

const taskName = (task) => TASKS[task] ?? task.toLowerCase().replaceAll("_", " ");
