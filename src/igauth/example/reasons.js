// What isn't listed, by reason: each reason once, with its explanation and its fix, then the names.

import { foreign, h, hidden } from "./dom.js";
import { grouped, plural } from "./format.js";
import { actionLink } from "./problems.js";

const NAMES_SHOWN = 12;
const REASONS = {
  page_without_instagram: "No Instagram account",
  page_not_granted: "Not shared",
  instagram_unreachable: "Not reachable",
  page_unavailable: "Held back by Facebook",
  malformed: "Not readable",
};

/** Facebook hides from a Page that its account is restricted: linking another isn't the mend. */
const PERHAPS_UNREACHABLE = "If the account behind it is the one that isn't reachable (see there), mend that first: there is nothing to link.";

export function reasons(igauth, entries) {
  const unreachable = entries.some((entry) => entry.reason === "instagram_unreachable");
  const groups = grouped(entries, (entry) => JSON.stringify([entry.reason, entry.message, entry.action]));
  return h("section", { class: "card not-listed", "aria-labelledby": "not-listed-title", "data-testid": "not-listed" },
    h("h2", { id: "not-listed-title" }, "Not listed, and why ", h("span", { class: "soft" }, `(${entries.length})`)),
    h("div", { class: "reasons" }, [...groups.values()].map((group) => reason(igauth, group, unreachable))));
}

function reason(igauth, entries, unreachable) {
  const [{ reason: word, message, action }] = entries;
  const label = action?.kind === "grant_permissions" ? "Choose again at Facebook" : undefined;
  return h("section", { class: "reason", "data-testid": "not-listed-reason", "data-reason": word },
    h("div", {},
      h("h3", {}, REASONS[word] ?? word, " ", h("span", { class: "count" }, entries.length, hidden(entries.length === 1 ? " entry" : " entries"))),
      h("p", { class: "soft" }, message),
      word === "page_without_instagram" && unreachable && h("p", { class: "soft" }, PERHAPS_UNREACHABLE),
      names(entries)),
    actionLink(igauth, action, { label }));
}

/** The first names; the rest on request. */
function names(entries) {
  const named = entries.filter((entry) => entry.page || entry.instagram_account_id);
  const nameless = entries.length - named.length;
  const list = h("ul", { class: "chips" });
  const item = (entry) => h("li", { class: "chip", "data-testid": "not-listed-item", "data-reason": entry.reason, tabindex: "-1" }, foreign(nameOf(entry), { class: "clamp" }));
  list.append(...named.slice(0, NAMES_SHOWN).map(item));
  if (nameless) list.append(h("li", { class: "chip", "data-testid": "not-listed-item", "data-reason": entries[0].reason }, `${plural(nameless, "entry", "entries")} without a name`));
  const rest = named.slice(NAMES_SHOWN);
  const more = h("button", {
    type: "button",
    class: "button small",
    onclick: () => {
      const added = rest.map(item);
      list.append(...added);
      more.remove();
      added[0].focus();
    },
  }, `Show ${plural(rest.length, "more", "more")}`);
  return [list, rest.length > 0 && more];
}

const nameOf = ({ page, instagram_account_id: id }) => page?.name || (page && `Page ${page.id}`) || `Instagram account ${id}`;
