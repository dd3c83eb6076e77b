// The browsers that are logged in.

import { busy, h, icon, skeleton } from "./dom.js";
import { deviceName, isPhone, since } from "./format.js";
import { problemBox } from "./problems.js";

export function devicesView({ igauth, announce, fail, logOut }) {
  const content = h("div", { class: "stack" });
  const element = h("div", { class: "view medium", "data-testid": "devices-view" },
    h("div", { class: "view-head" }, h("div", {},
      h("h1", { tabindex: "-1" }, "Devices"),
      h("p", { class: "soft" }, "Every browser that is logged in as you. Sign out what you don't know."))),
    content);
  content.append(skeleton(2, "block"));

  async function load() {
    try {
      show(await igauth.sessions());
    } catch (error) {
      if (!fail(error)) content.replaceChildren(problemBox(igauth, error, load));
    }
  }

  async function attempt(button, done, work) {
    await busy(button, async () => {
      try {
        await work();
        announce(done);
        await load();
        element.querySelector("h1").focus();
      } catch (error) {
        if (!fail(error)) content.prepend(problemBox(igauth, error));
      }
    });
  }

  function show(sessions) {
    const ordered = [...sessions].sort((one, other) => other.current - one.current || other.last_seen_at.localeCompare(one.last_seen_at));
    const others = h("button", {
      type: "button", class: "button", onclick: () => attempt(others, "Signed out everywhere else", () => igauth.endOtherSessions()),
    }, "Sign out everywhere else");
    content.replaceChildren(h("div", { class: "card" },
      h("ul", { class: "rows devices", "aria-label": "Devices" }, ordered.map(device)),
      sessions.length > 1 && h("div", { class: "actions" }, others)));
  }

  function device(session) {
    const name = deviceName(session.user_agent);
    const out = h("button", { type: "button", class: "button small", "aria-label": session.current ? "Log out on this device" : `Sign out ${name}` },
      session.current ? "Log out" : "Sign out");
    out.addEventListener("click", () => session.current
      ? busy(out, logOut)
      : attempt(out, `Signed out ${name}`, () => igauth.endSession(session.id)));
    return h("li", { "data-testid": "device", "data-current": String(session.current) },
      h("span", { class: "device-icon" }, icon(isPhone(session.user_agent) ? "phone" : "device")),
      h("div", { class: "device-text" },
        h("strong", {}, name, session.current && h("span", { class: "tag good" }, "This device")),
        h("span", { class: "soft" }, "Seen ", since(session.last_seen_at), ", logged in ", since(session.created_at))),
      out);
  }

  load();
  return { element, revisit: () => !content.contains(document.activeElement) && load() };
}
