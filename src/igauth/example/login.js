// The signed-out page: each open door, by redirect, or by a window of its own.

import { DOORS, mark } from "./doors.js";
import { h, icon } from "./dom.js";
import { loginProblem, notice } from "./problems.js";

const PROMISES = [
  ["You choose", "You are asked which accounts to share."],
  ["No passwords, no tokens here", "This page never sees them; the service keeps them sealed."],
  ["Leave at any time", "Disconnect with one click, and everything stored about you is deleted."],
];

/**
 * @param {object} page
 * @param {{facebook?: string, instagram?: string}} page.doors the open ones
 * @param {() => void} page.onLogin a login in a window succeeded, and the app is shown
 * @param {object | null} page.farewell why the person is out: a notice's title and text
 * @param {Error | null} page.error the login that failed, and through which door
 */
export function loginView({ igauth, announce, doors, onLogin, farewell, error, door: failed }) {
  const messages = h("div", { class: "stack", "data-testid": "messages" });
  const names = Object.keys(DOORS).filter((door) => doors[door]);
  const several = names.length > 1;
  const choices = h("div", { class: "choices" }, names.map((door) => choice(door)));

  function choice(door) {
    const opener = h("button", { type: "button", class: "button quiet", onclick: () => inWindow(door, opener) },
      several ? `${DOORS[door].name} in a separate window` : "Use a separate window");
    return h("div", { class: "choice" },
      h("a", { class: `button big door ${door}`, href: igauth.loginUrl({ door }) }, mark(door), `Continue with ${DOORS[door].name}`),
      several && h("p", { class: "soft" }, DOORS[door].shares),
      opener);
  }

  function show(...boxes) {
    messages.replaceChildren(...boxes.filter(Boolean));
  }

  async function inWindow(door, opener) {
    const cancel = new AbortController();
    const login = igauth.login({ door, mode: "popup", signal: cancel.signal });
    choices.hidden = true;
    const stop = h("button", { type: "button", class: "button", onclick: () => cancel.abort() }, "Cancel");
    show(notice({ title: `Waiting for the ${DOORS[door].name} window…`, text: "Finish the login there.", actions: [stop], role: "status", "data-testid": "popup-waiting" }));
    stop.focus();
    try {
      await login;
      announce("You are logged in");
      onLogin();
    } catch (failure) {
      choices.hidden = false;
      if (cancel.signal.aborted) {
        show();
        announce("Login cancelled");
        opener.focus();
      } else if (failure.code === "popup_blocked") {
        show(blocked(door));
      } else {
        show(loginProblem(igauth, failure, door));
        messages.firstElementChild.focus();
      }
    }
  }

  function blocked(door) {
    return notice({
      tone: "warn",
      title: "Your browser blocked the window",
      text: "Allow pop-ups for this page, or log in right here.",
      actions: [h("a", { class: "button primary", href: igauth.loginUrl({ door }) }, "Log in here instead")],
      role: "alert",
      "data-testid": "popup-blocked",
    });
  }

  show(farewell && notice({ role: "status", "data-testid": "farewell", ...farewell }), error && loginProblem(igauth, error, failed));
  return h("div", { class: "view narrow", "data-testid": "signed-out" },
    h("div", { class: "card hero" },
      h("h1", { tabindex: "-1" }, "Connect your Instagram accounts"),
      h("p", { class: "lead" }, "Bring in the Instagram professional accounts that you manage."),
      messages,
      choices,
      h("ul", { class: "promises" }, PROMISES.map(([title, text]) =>
        h("li", {}, icon("check"), h("div", {}, h("strong", {}, title), h("span", {}, text)))))));
}
